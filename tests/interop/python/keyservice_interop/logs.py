"""Merkle trees, notes, checkpoints, proofs and the directory log, docs/spec/audit-log.md."""

import base64
import binascii
import hashlib
import struct
import unicodedata

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import FormatError

ED25519, ECDSA, COSIGNATURE = 1, 2, 4
MAX_NOTE, MAX_SIGNATURES, MAX_PROOF, MAX_ENTRY = 65536, 64, 63, 1 << 20
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_DASH = "\u2014 "


def _fail(rule: str) -> FormatError:
    return FormatError("Malformed", rule)


# ------------------------------------------------------------------ trees
def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """Grows leaf by leaf; knows its root at every moment."""

    def __init__(self):
        self.size, self._edge = 0, []

    def append(self, leaf: bytes) -> None:
        rest = self.size
        while rest & 1:
            leaf, rest = node_hash(self._edge.pop(), leaf), rest >> 1
        self._edge.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self._edge:
            return hashlib.sha256(b"").digest()
        root = self._edge[-1]
        for left in self._edge[-2::-1]:
            root = node_hash(left, root)
        return root


def _fold(start: int, end: int, at: int, last: int, before: bytes, after: bytes, proof: list) -> tuple:
    """The walk that both kinds of verification share; None when the proof is too long."""
    for sibling in proof[start:end]:
        if last == 0:
            return None
        if at & 1 or at == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        at, last = at >> 1, last >> 1
    return (before, after) if last == 0 else None


def _hashes_only(proof: list) -> bool:
    return len(proof) <= MAX_PROOF and all(len(each) == 32 for each in proof)


def includes(leaf: bytes, index: int, size: int, proof: list, root: bytes) -> bool:
    if not 0 <= index < size or not _hashes_only(proof):
        return False
    walked = _fold(0, len(proof), index, size - 1, leaf, leaf, proof)
    return walked is not None and walked[1] == root


def consistent(old: int, old_root: bytes, size: int, root: bytes, proof: list) -> bool:
    if not 0 <= old <= size or not _hashes_only(proof):
        return False
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof and old_root == hashlib.sha256(b"").digest()
    whole = old & (old - 1) == 0
    if not whole and not proof:
        return False
    first = old_root if whole else proof[0]
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    return _fold(0 if whole else 1, len(proof), at, last, first, first, proof) == (old_root, root)


# ------------------------------------------------------------------ texts
def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _fail("not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise _fail("not canonical base64")
    return raw


def _decode_hash(text: str) -> bytes:
    raw = _decode(text)
    if len(raw) != 32:
        raise _fail("a hash has 32 bytes")
    return raw


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or str(int(text)) != text or int(text) >= 1 << 63:
        raise _fail("not a number")
    return int(text)


def _is_name(name: str) -> bool:
    return name != "" and not any(c.isspace() or c == "+" or unicodedata.category(c) == "Cc" for c in name)


class Key:
    """A public key that signs notes."""

    def __init__(self, name: str, kind: int, key: bytes):
        if not _is_name(name):
            raise _fail("a key's name has a space or a plus")
        if not (kind in (ED25519, COSIGNATURE) and len(key) == 32 or kind == ECDSA and len(key) == 91 and key.startswith(_SPKI)):
            raise _fail("a key of no known kind")
        self.name, self.kind, self.key = name, kind, key
        self.id = hashlib.sha256(key if kind == ECDSA else name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.key).decode()}"

    @staticmethod
    def parse(text: str) -> "Key":
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise _fail("a vkey has three parts")
        raw = _decode(parts[2])
        if not raw:
            raise _fail("a vkey without a key")
        key = Key(parts[0], raw[0], raw[1:])
        if str(key) != text:
            raise _fail("not the key's id")
        return key

    def named(self, name: str) -> "Key":
        return Key(name, self.kind, self.key)

    def _verifies(self, text: str, signature: bytes) -> bool:
        message = text.encode()
        try:
            if self.kind == ECDSA:
                r, s = utils.decode_dss_signature(signature)
                if utils.encode_dss_signature(r, s) != signature or s > _ORDER // 2:
                    return False
                serialization.load_der_public_key(self.key).verify(signature, message, ec.ECDSA(hashes.SHA256()))
                return True
            if self.kind == COSIGNATURE:
                if len(signature) != 72:
                    return False
                time = struct.unpack(">q", signature[:8])[0]
                if time < 0:
                    return False
                message, signature = f"cosignature/v1\ntime {time}\n".encode() + message, signature[8:]
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
            return True
        except (InvalidSignature, ValueError):
            return False

    def signed(self, note: "Note") -> bool:
        own = [signature for name, key_id, signature in note.signatures if (name, key_id) == (self.name, self.id)]
        return bool(own) and all(self._verifies(note.text, each) for each in own)


class Note:
    """A text and its signatures: (key name, key id, signature)."""

    def __init__(self, text: str, signatures: list):
        self.text, self.signatures = text, signatures

    def encode(self) -> bytes:
        lines = "".join(f"{_DASH}{name} {base64.b64encode(key_id + raw).decode()}\n" for name, key_id, raw in self.signatures)
        return f"{self.text}\n{lines}".encode()

    @staticmethod
    def parse(raw: bytes, most: int = MAX_NOTE) -> "Note":
        if len(raw) > most or not raw.endswith(b"\n") or any(byte < 0x20 and byte != 0x0A for byte in raw):
            raise _fail("not a note")
        try:
            whole = raw.decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise _fail("not UTF-8") from None
        end = whole.rfind("\n\n")
        lines = whole[end + 2 :].split("\n")[:-1]
        if end < 0 or not 1 <= len(lines) <= MAX_SIGNATURES:
            raise _fail("no text, or no signature, or too many")
        signatures = []
        for line in lines:
            name, blank, encoded = line[len(_DASH) :].partition(" ")
            if not line.startswith(_DASH) or not blank or not _is_name(name):
                raise _fail("not a signature line")
            signature = _decode(encoded)
            if len(signature) < 5:
                raise _fail("no signature behind the key's id")
            signatures.append((name, signature[:4], signature[4:]))
        return Note(whole[: end + 1], signatures)


class Checkpoint:
    def __init__(self, origin: str, size: int, root: bytes, extensions: list):
        self.origin, self.size, self.root, self.extensions = origin, size, root, extensions

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n" + "".join(f"{line}\n" for line in self.extensions)

    @staticmethod
    def parse(text: str) -> "Checkpoint":
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise _fail("not three lines and more")
        return Checkpoint(lines[0], _number(lines[1]), _decode_hash(lines[2]), lines[3:-1])


class Proof:
    """C2SP tlog-proof."""

    def __init__(self, extra, index: int, hashes_up: list, note: Note):
        self.extra, self.index, self.hashes, self.note = extra, index, hashes_up, note

    def encode(self) -> bytes:
        extra = "" if self.extra is None else f"extra {base64.b64encode(self.extra).decode()}\n"
        path = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.hashes)
        return f"c2sp.org/tlog-proof@v1\n{extra}index {self.index}\n{path}\n".encode() + self.note.encode()

    @staticmethod
    def parse(raw: bytes) -> "Proof":
        head, blank, rest = raw.partition(b"\n\n")
        if not blank or not head.isascii() or len(raw) > 2 * MAX_ENTRY:
            raise _fail("not a proof")
        note = Note.parse(rest)
        lines = head.decode().split("\n")
        if lines.pop(0) != "c2sp.org/tlog-proof@v1":
            raise _fail("another first line")
        extra = _decode(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
        if not lines or not lines[0].startswith("index ") or len(lines) - 1 > MAX_PROOF:
            raise _fail("no index")
        index = _number(lines.pop(0)[6:])
        return Proof(extra, index, [_decode_hash(line) for line in lines], note)


# ------------------------------------------------------------------ the directory and the files
LEASE, CHECKPOINT, SEAL, KEY, PEER_KEY = 1, 2, 3, 4, 5


class Entry:
    """An entry of the directory log."""

    def __init__(self, kind: int, time: int, slot: int, size: int, value: bytes):
        self.kind, self.time, self.slot, self.size, self.value = kind, time, slot, size, value

    def encode(self) -> bytes:
        head = struct.pack(">BBq", 1, self.kind, self.time)
        return head + (b"" if self.kind in (KEY, PEER_KEY) else struct.pack(">Iq", self.slot, self.size)) + self.value

    @staticmethod
    def parse(raw: bytes) -> "Entry":
        if len(raw) < 10 or raw[0] != 1 or raw[1] not in (LEASE, CHECKPOINT, SEAL, KEY, PEER_KEY):
            raise _fail("not an entry of the directory")
        kind, time, body = raw[1], struct.unpack(">q", raw[2:10])[0], raw[10:]
        if kind in (KEY, PEER_KEY):
            if len(body) != 91 or not body.startswith(_SPKI):
                raise _fail("not a key on P-256")
            return Entry(kind, time, 0, 0, body)
        if len(body) != 44:
            raise _fail("an entry about a slot has 54 bytes")
        slot, size = struct.unpack(">Iq", body[:12])
        if size < 0:
            raise _fail("a negative size")
        return Entry(kind, time, slot, size, body[12:])


def _place(index: int, width: int) -> str:
    path, rest = f"{index % 1000:03}", index // 1000
    while rest:
        path, rest = f"x{rest % 1000:03}/{path}", rest // 1000
    return path if width == 256 else f"{path}.p/{width}"


def tile_path(level: int, index: int, width: int) -> str:
    return f"tile/{level}/{_place(index, width)}"


def bundle_path(index: int, width: int) -> str:
    return f"tile/records/{_place(index, width)}"


def read_bundle(raw: bytes) -> list:
    entries, at = [], 0
    while at < len(raw):
        if at + 4 > len(raw) or len(entries) == 256:
            raise _fail("ends inside a length, or holds too many entries")
        length = int.from_bytes(raw[at : at + 4], "big")
        if length > MAX_ENTRY or at + 4 + length > len(raw):
            raise _fail("ends inside an entry")
        entries.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    return entries
