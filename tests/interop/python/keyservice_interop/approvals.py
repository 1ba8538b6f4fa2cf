"""Requests, approvals, rosters and what they prove, docs/spec/approvals.md."""

import base64
import datetime
import hashlib
import re

from .documents import Lines, base64_of, escape, fail, key_of, name_of, text_of, unescape, verifies

MAX_REQUEST, MAX_APPROVAL, MAX_ROSTER, MAX_EXPORT = 1 << 20, 512, 1 << 16, 1 << 24
_METHOD = re.compile(r"[A-Za-z0-9._]+/[A-Za-z0-9._]+")
_PARAMETER = re.compile(r"[a-z][a-z0-9_.\[\]]{0,255}")


# ------------------------------------------------------------------ documents
class Request:
    @staticmethod
    def parse(raw: bytes) -> "Request":
        lines, self = Lines(raw, MAX_REQUEST), Request()
        lines.label("keyservice/approval-request/v1")
        self.installation, self.roster, self.method = lines.hex("installation", 16), lines.hex("roster", 32), lines.text("method")
        self.requester, self.created, self.expires = lines.name("requester"), lines.time("created"), lines.time("expires")
        self.nonce = lines.hex("nonce", 32)
        self.parameters = []
        for _ in range(lines.number("parameters", 0, 4096)):
            name, value = lines.pair()
            if not _PARAMETER.fullmatch(name):
                raise fail("not a parameter's name")
            self.parameters.append((name, unescape(value)))
        lines.end()
        if not 2 < len(self.method) <= 256 or not _METHOD.fullmatch(self.method):
            raise fail("not a method")
        if not datetime.timedelta(0) < self.expires - self.created <= datetime.timedelta(days=31):
            raise fail("it ends before it begins, or too late")
        if len({name for name, _ in self.parameters}) != len(self.parameters):
            raise fail("a parameter twice")
        return self

    def encode(self) -> bytes:
        head = (
            f"keyservice/approval-request/v1\ninstallation {self.installation.hex()}\nroster {self.roster.hex()}\nmethod {self.method}\nrequester {self.requester}\n"
            f"created {text_of(self.created)}\nexpires {text_of(self.expires)}\nnonce {self.nonce.hex()}\nparameters {len(self.parameters)}\n"
        )
        return (head + "".join(f"{name} {escape(value)}\n" for name, value in self.parameters)).encode("ascii")

    def digest(self) -> bytes:
        return hashlib.sha256(self.encode()).digest()


class Approval:
    @staticmethod
    def parse(raw: bytes) -> "Approval":
        lines, self = Lines(raw, MAX_APPROVAL), Approval()
        lines.label("keyservice/approval/v1")
        self.request, self.officer, self.decision, self.time = lines.hex("request", 32), lines.name("officer"), lines.text("decision"), lines.time("time")
        self.signature = base64_of(lines.text("signature"))
        lines.end()
        if self.decision not in ("approve", "reject") or len(self.signature) != 64:
            raise fail("no decision, or no signature")
        return self

    def signed(self) -> bytes:
        return f"keyservice/approval/v1\nrequest {self.request.hex()}\nofficer {self.officer}\ndecision {self.decision}\ntime {text_of(self.time)}\n".encode("ascii")

    def encode(self) -> bytes:
        return self.signed() + f"signature {base64.b64encode(self.signature).decode()}\n".encode("ascii")


class Roster:
    """A roster with its signatures."""

    @staticmethod
    def parse(raw: bytes) -> "Roster":
        lines, self = Lines(raw, MAX_ROSTER), Roster()
        lines.label("keyservice/roster/v1")
        self.installation, self.sequence = lines.hex("installation", 16), lines.number("sequence", 1, 0x7FFFFFFF)
        self.previous = None
        if self.sequence > 1:
            self.previous = lines.hex("previous", 32)
        elif lines.text("previous") != "none":
            raise fail("the first roster follows on none")
        self.valid_from, self.quorum = lines.time("valid-from"), lines.number("quorum", 2, 64)
        officers = [lines.pair() for _ in range(lines.number("officers", self.quorum, 64))]
        self.officers = {name_of(name): base64_of(key) for name, key in officers}
        if [name for name, _ in officers] != sorted(self.officers) or len(set(self.officers.values())) != len(officers):
            raise fail("officers in another order, or one twice")
        for key in self.officers.values():
            key_of(key)
        self.signatures = []
        for _ in range(lines.number("signatures", 0, 128)):
            word, rest = lines.pair()
            parts = rest.split(" ")
            if word not in ("accepts", "appoints") or len(parts) != 2:
                raise fail("not a signature")
            self.signatures.append((word, name_of(parts[0]), base64_of(parts[1])))
        lines.end()
        signers = [f"{word} {name}" for word, name, _ in self.signatures]
        if signers != sorted(set(signers)) or any(len(signature) != 64 for _, _, signature in self.signatures):
            raise fail("signatures in another order, or one twice")
        return self

    def text(self) -> bytes:
        previous = "none" if self.previous is None else self.previous.hex()
        head = (
            f"keyservice/roster/v1\ninstallation {self.installation.hex()}\nsequence {self.sequence}\nprevious {previous}\nvalid-from {text_of(self.valid_from)}\n"
            f"quorum {self.quorum}\nofficers {len(self.officers)}\n"
        )
        return (head + "".join(f"{name} {base64.b64encode(key).decode()}\n" for name, key in self.officers.items())).encode("ascii")

    def hash(self) -> bytes:
        return hashlib.sha256(self.text()).digest()

    def encode(self) -> bytes:
        lines = "".join(f"{word} {name} {base64.b64encode(signature).decode()}\n" for word, name, signature in self.signatures)
        return self.text() + f"signatures {len(self.signatures)}\n{lines}".encode("ascii")


class Export:
    @staticmethod
    def parse(raw: bytes) -> "Export":
        self, label = Export(), b"keyservice/approval-export/v1\n"
        if len(raw) > MAX_EXPORT or not raw.startswith(label):
            raise fail("not an export")
        self.rosters, self.request, self.approvals = [], None, []
        rest = raw[len(label):]
        while rest:
            line, newline, behind = rest.partition(b"\n")
            match = re.fullmatch(rb"(roster|request|approval) (0|[1-9][0-9]{0,9})", line)
            if not newline or len(line) >= 32 or not match or int(match[2]) > len(behind):
                raise fail("not a part of an export")
            part, rest = behind[: int(match[2])], behind[int(match[2]):]
            if match[1] == b"roster" and self.request is None:
                self.rosters.append(Roster.parse(part))
            elif match[1] == b"request" and self.request is None and self.rosters:
                self.request = Request.parse(part)
            elif match[1] == b"approval" and self.request is not None and len(self.approvals) < 256:
                self.approvals.append(Approval.parse(part))
            else:
                raise fail("a part in the wrong place")
        if self.request is None:
            raise fail("no request")
        return self

    def encode(self) -> bytes:
        parts = [("roster", each) for each in self.rosters] + [("request", self.request)] + [("approval", each) for each in self.approvals]
        return b"keyservice/approval-export/v1\n" + b"".join(f"{kind} {len(each.encode())}\n".encode() + each.encode() for kind, each in parts)


# ------------------------------------------------------------------ what they prove
def _follows(previous, roster: Roster) -> str:
    if roster.sequence != (previous.sequence if previous else 0) + 1 or roster.previous != (previous.hash() if previous else None):
        return "NotNext"
    if previous and roster.installation != previous.installation:
        return "AnotherInstallation"
    if previous and roster.valid_from < previous.valid_from:
        return "ValidTooEarly"
    before = previous.officers if previous else {}
    for word, name, signature in roster.signatures:
        key = (roster.officers if word == "accepts" else before).get(name)
        if key is None or not verifies(key, roster.text(), signature):
            return "WrongSignature"
    accepted = {name for word, name, _ in roster.signatures if word == "accepts"}
    if any(before.get(name) != key and name not in accepted for name, key in roster.officers.items()):
        return "NotAccepted"
    if previous and sum(word == "appoints" for word, _, _ in roster.signatures) < previous.quorum:
        return "NotAppointed"
    return "Valid"


def chain(rosters: list) -> tuple:
    """The finding, and the number of the roster that has it; Valid with the number of the last."""
    finding, number, previous = "Missing", 0, None
    for roster in rosters:
        number += 1
        finding = _follows(previous, roster)
        if finding != "Valid":
            break
        previous = roster
    return finding, number


def _worth(request: Request, roster: Roster, replaced, earlier: list, approval: Approval) -> str:
    if approval.request != request.digest():
        return "AnotherRequest"
    key = roster.officers.get(approval.officer)
    if key is None:
        return "NotInRoster"
    if not verifies(key, approval.signed(), approval.signature):
        return "WrongSignature"
    if approval.officer == request.requester:
        return "OwnRequest"
    if approval.time < request.created or approval.time >= request.expires or replaced is not None and replaced <= approval.time:
        return "OutsideTime"
    if any(each.officer == approval.officer and each.decision == approval.decision and verifies(key, each.signed(), each.signature) for each in earlier):
        return "Repeated"
    return "Approves" if approval.decision == "approve" else "Rejects"


def judge(export: Export) -> tuple:
    """The verdict of an export whose chain is valid, and what each approval is worth."""
    request, places = export.request, [i for i, each in enumerate(export.rosters) if each.hash() == export.request.roster]
    if not places:
        return "UnknownRoster", []
    roster = export.rosters[places[0]]
    replaced = export.rosters[places[0] + 1].valid_from if places[0] + 1 < len(export.rosters) else None
    worth = [_worth(request, roster, replaced, export.approvals[:i], each) for i, each in enumerate(export.approvals)]
    if request.installation != roster.installation:
        return "AnotherInstallation", worth
    if request.created < roster.valid_from or replaced is not None and replaced <= request.created:
        return "RosterNotValid", worth
    if "Rejects" in worth:
        return "Rejected", worth
    return ("TooFew" if worth.count("Approves") < roster.quorum else "Granted"), worth
