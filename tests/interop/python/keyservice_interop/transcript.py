"""Transcripts of key ceremonies, docs/spec/transcript.md: read, written again, judged."""

import base64
import datetime
import hashlib
import re

from .documents import Lines, base64_of, escape, fail, key_of, name_of, text_of, time_of, unescape, verifies

MAX_LENGTH, MAX_ENTRIES, MAX_SIGNATURES, MAX_TEXT = 4 << 20, 10_000, 65, 4096
KINDS = (
    "genesis", "officer-enrolment", "backup-key", "backup-export", "share-check", "restore", "restore-drill", "token-enrolment", "root-change", "key-destruction",
    "break-glass-review",
)
TYPES = ("person", "fact", "begin", "expect", "observe", "share", "attach", "deviation", "done", "end")
ROLES = ("administrator", "witness", "custodian", "alternate", "auditor", "former-custodian", "officer")
ENDINGS = ("completed", "void", "postponed")
FINDINGS = ("NotEnded", "Roles", "Unattended", "Steps", "Ending", "Time", "WrongSignature", "UnknownSigner", "Unsigned")
_SUBJECT = re.compile(r"[a-z0-9][a-z0-9._/-]{0,63}")


class Entry:
    def __init__(self, time: datetime.datetime, kind: str, subject: str, text: str):
        self.time, self.kind, self.subject, self.text = time, kind, subject, text

    @staticmethod
    def parse(line: str) -> "Entry":
        parts = line.split(" ", 3)
        if len(parts) != 4 or parts[1] not in TYPES or not _SUBJECT.fullmatch(parts[2]):
            raise fail("not an entry")
        self = Entry(time_of(parts[0]), parts[1], parts[2], unescape(parts[3]))
        if not 1 <= len(self.text.encode("utf-16-le")) // 2 <= MAX_TEXT:
            raise fail("no text, or one that is too long")
        return self

    def __str__(self) -> str:
        return f"{text_of(self.time)} {self.kind} {self.subject} {escape(self.text)}"


class Signature:
    def __init__(self, line: str):
        parts = line.split(" ")
        if len(parts) != 4 or parts[0] not in ("hsm", "person"):
            raise fail("not a signature")
        self.kind, self.signer, self.key, self.bytes = parts[0], name_of(parts[1]), base64_of(parts[2]), base64_of(parts[3])
        key_of(self.key)
        if len(self.bytes) != 64:
            raise fail("not a signature")

    @property
    def order(self) -> tuple:
        return ("hsm", "person").index(self.kind), self.signer

    def __str__(self) -> str:
        return f"{self.kind} {self.signer} {base64.b64encode(self.key).decode()} {base64.b64encode(self.bytes).decode()}"


class Transcript:
    @staticmethod
    def parse(raw: bytes) -> "Transcript":
        lines, self = Lines(raw, MAX_LENGTH), Transcript()
        lines.label("keyservice/transcript/v1")
        self.ceremony, self.kind, rehearsal, self.script = lines.hex("ceremony", 16), lines.text("kind"), lines.text("rehearsal"), lines.hex("script", 32)
        if self.kind not in KINDS or rehearsal not in ("yes", "no"):
            raise fail("no such ceremony")
        self.is_rehearsal = rehearsal == "yes"
        self.entries, self.signatures = [], []
        self.head = hashlib.sha256(self._header()).digest()
        while not self.has_ended and not lines.at_end:
            digest, line = lines.pair()
            self.entries.append(Entry.parse(line))
            self.head = hashlib.sha256(self.head + line.encode("ascii")).digest()
            if digest != self.head.hex() or len(self.entries) > MAX_ENTRIES:
                raise fail("a hash does not hold")
        if self.has_ended:
            self.signatures = [Signature(lines.next()) for _ in range(lines.number("signatures", 0, MAX_SIGNATURES))]
            lines.end()
        orders = [each.order for each in self.signatures]
        if orders != sorted(set(orders)):
            raise fail("signatures in another order, or twice")
        return self

    @property
    def has_ended(self) -> bool:
        return bool(self.entries) and self.entries[-1].kind == "end"

    def _header(self) -> bytes:
        return (
            f"keyservice/transcript/v1\nceremony {self.ceremony.hex()}\nkind {self.kind}\nrehearsal {'yes' if self.is_rehearsal else 'no'}\n"
            f"script {self.script.hex()}\n"
        ).encode("ascii")

    def encode(self) -> bytes:
        out, head = self._header(), hashlib.sha256(self._header()).digest()
        for entry in self.entries:
            head = hashlib.sha256(head + str(entry).encode("ascii")).digest()
            out += f"{head.hex()} {entry}\n".encode("ascii")
        if self.has_ended:
            out += f"signatures {len(self.signatures)}\n".encode("ascii")
        return out + "".join(f"{each}\n" for each in self.signatures).encode("ascii")

    def signed_text(self, signer: str) -> bytes:
        return (
            f"keyservice/transcript-signature/v1\nceremony {self.ceremony.hex()}\nentries {len(self.entries)}\nhash {self.head.hex()}\nas {signer}\n"
        ).encode("ascii")


class Verdict:
    """What rules 3 and 4 find, in the order of the table of findings."""

    def __init__(self, transcript: Transcript):
        found, self.roles = set(), {}
        for entry in transcript.entries:
            if entry.kind != "person":
                continue
            role, _, name = entry.text.partition(" ")
            if role not in ROLES or entry.subject in self.roles or not name:
                found.add("Roles")
            if role in ROLES:
                self.roles.setdefault(entry.subject, role)
        self.ending = transcript.entries[-1].subject if transcript.has_ended else None
        if self.ending is None:
            found.add("NotEnded")
        elif self.ending not in ENDINGS:
            found.add("Ending")
        if self.ending == "completed" and not {"administrator", "witness"} <= set(self.roles.values()):
            found.add("Unattended")
        open_step = self._steps(transcript.entries, found)
        if self.ending == "completed" and open_step is not None:
            found.add("Ending")
        times = [entry.time for entry in transcript.entries]
        if times != sorted(times):
            found.add("Time")
        self._signatures(transcript, found)
        self.findings = [name for name in FINDINGS if name in found]

    def _steps(self, entries: list, found: set):
        step = None
        for entry in entries:
            if entry.kind == "begin":
                if step not in (None, entry.subject):
                    found.add("Steps")
                step = entry.subject
            elif entry.kind == "done":
                people = entry.text.split(" ")
                if step != entry.subject or len(people) != 2 or len(set(people)) != 2 or not set(people) <= set(self.roles):
                    found.add("Steps")
                step = None
        return step

    def _signatures(self, transcript: Transcript, found: set) -> None:
        keys = [each.key for each in transcript.signatures]
        for each in transcript.signatures:
            if not verifies(each.key, transcript.signed_text(each.signer), each.bytes):
                found.add("WrongSignature")
            if keys.count(each.key) > 1 or (each.kind == "person" and each.signer not in self.roles):
                found.add("UnknownSigner")
        signed = {each.signer for each in transcript.signatures if each.kind == "person"}
        self.unsigned = sorted(set(self.roles) - signed)
        by_hsm = any(each.kind == "hsm" for each in transcript.signatures) or any((each.kind, each.subject) == ("fact", "hsm.none") for each in transcript.entries)
        if self.ending is not None and not (by_hsm and not any(self.roles[name] in ("administrator", "witness") for name in self.unsigned)):
            found.add("Unsigned")


def share_digest(numbers) -> bytes:
    return hashlib.sha256(b"keyservice/v1/share-digest\0" + b"".join(number.to_bytes(2, "big") for number in numbers)).digest()
