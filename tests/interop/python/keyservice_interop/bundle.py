"""Backup bundle, docs/spec/backup-bundle.md: header, entries, trailer with the signature. Reads, verifies, and opens with the backup key."""

import hashlib
from typing import NamedTuple, Optional

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from . import blob, context, wrapped
from .errors import FormatError, VerificationFailed

MAGIC = b"KSBNDL01"
HEADER = 97
FULL, INCREMENTAL, SELECTION = 1, 2, 3
INTEGRITY_KEY, KEY, VERSION, TRAILER = 1, 2, 3, 0xFF
MATERIAL = 69 + 41 + 69
LONGEST_BODY = 8 + 1 + 32 * 9 + 1 + MATERIAL
BULK_KEY_PURPOSE = 4
SIGNED = b"keyservice/v1/backup-bundle\x00"
SIGNING_KEY_START = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
HALF_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2


class Version(NamedTuple):
    id: bytes
    attributes: dict
    check_value: Optional[bytes]
    kek_blob: Optional[bytes]
    bulk_key: Optional[bytes]


class Key(NamedTuple):
    name: str
    attributes: dict
    versions: list


class Bundle(NamedTuple):
    installation_id: bytes
    bundle_id: bytes
    sequence: int
    kind: int
    made_at: int
    backup_key_id: bytes
    previous: bytes
    integrity_blob: bytes
    integrity_check: bytes
    keys: list
    omitted: int
    digest: bytes
    signing_key: bytes
    signature: bytes


def _damaged(rule: str) -> FormatError:
    return FormatError("Damaged", rule)


def _attributes(body: bytes, required: set) -> tuple:
    if not body or body[0] > 32 or len(body) < 1 + 9 * body[0]:
        raise _damaged("attributes")
    pairs = [(body[i], int.from_bytes(body[i + 1:i + 9], "big", signed=True)) for i in range(1, 1 + 9 * body[0], 9)]
    ids = [number for number, _ in pairs]
    if 0 in ids or ids != sorted(set(ids)) or not required <= set(ids):
        raise _damaged("attributes")
    return dict(pairs), body[1 + 9 * body[0]:]


def _key(body: bytes) -> Key:
    if not body or not 1 <= body[0] <= 128 or len(body) < 1 + body[0]:
        raise _damaged("a key's name")
    name = body[1:1 + body[0]]
    if any(not 0x21 <= c <= 0x7E for c in name):
        raise _damaged("a key's name")
    attributes, rest = _attributes(body[1 + body[0]:], {1, 2, 3, 4})
    if rest:
        raise _damaged("a key is too long")
    return Key(name.decode("ascii"), attributes, [])


def _version(body: bytes) -> Version:
    if len(body) < 8 or not any(body[:8]):
        raise _damaged("a version's id")
    attributes, rest = _attributes(body[8:], {1, 16, 23})
    if rest == b"\x00":
        return Version(body[:8], attributes, None, None, None)
    if len(rest) != 1 + MATERIAL or rest[0] != 1:
        raise _damaged("a version's keys")
    check_value, kek_blob, bulk_key = rest[1:70], rest[70:111], rest[111:]
    for part in (check_value, bulk_key):
        if part[0] != wrapped.FORMAT or part[1:9] != body[:8]:
            raise _damaged("a version's keys are another's")
    if kek_blob[0] != blob.AES_KW:
        raise _damaged("a KEK's algorithm")
    return Version(body[:8], attributes, check_value, kek_blob, bulk_key)


def _entries(raw: bytes):
    at = HEADER
    while True:
        if len(raw) < at + 3:
            raise FormatError("Truncated", "the entries")
        length = int.from_bytes(raw[at + 1:at + 3], "big")
        if length > LONGEST_BODY:
            raise _damaged("an entry is too long")
        if len(raw) < at + 3 + length:
            raise FormatError("Truncated", "an entry")
        yield raw[at], raw[at + 3:at + 3 + length], at + 3 + length
        at += 3 + length


def _header(raw: bytes) -> tuple:
    if not raw:
        raise FormatError("Empty", "nothing")
    if raw[:6] != MAGIC[:len(raw)][:6]:
        raise FormatError("NotABundle", "another magic")
    if len(raw) >= 8 and raw[:8] != MAGIC:
        raise FormatError("UnsupportedVersion", "another version")
    if len(raw) < HEADER:
        raise FormatError("Truncated", "the header")
    sequence, kind, previous = int.from_bytes(raw[40:48], "big"), raw[48], raw[65:97]
    if sequence == 0 or kind not in (FULL, INCREMENTAL, SELECTION) or (kind == INCREMENTAL and not any(previous)):
        raise _damaged("the header")
    return (raw[8:24], raw[24:40], sequence, kind, int.from_bytes(raw[49:57], "big", signed=True), raw[57:65],
            previous if any(previous) else b"")


def signature_holds(signing_key: bytes, digest: bytes, signature: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if r == 0 or not 0 < s <= HALF_ORDER:
        return False
    try:
        key = serialization.load_der_public_key(signing_key)
        signed = hashlib.sha256(SIGNED + digest).digest()
        key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        return True
    except (InvalidSignature, ValueError):
        return False


def read(raw: bytes) -> Bundle:
    """The whole of a bundle, verified to be signed by the key it names."""
    header = _header(raw)
    integrity, keys, count = None, [], 0
    for kind, body, end in _entries(raw):
        if integrity is None:
            if kind != INTEGRITY_KEY or len(body) != 73 or body[0] != blob.AES_KW:
                raise _damaged("no integrity key")
            integrity = body
        elif kind == KEY:
            key = _key(body)
            if keys and key.name <= keys[-1].name:
                raise _damaged("the order of keys")
            keys.append(key)
        elif kind == VERSION:
            version = _version(body)
            if not keys or (keys[-1].versions and version.id <= keys[-1].versions[-1].id):
                raise _damaged("the order of versions")
            keys[-1].versions.append(version)
            count += 1
        elif kind == TRAILER:
            if len(body) != 24 + 91 + 64 or int.from_bytes(body[:8], "big") != len(keys) or int.from_bytes(body[8:16], "big") != count:
                raise _damaged("the trailer")
            signing_key, signature, digest = body[24:115], body[115:], hashlib.sha256(raw[:end - 64]).digest()
            if not signing_key.startswith(SIGNING_KEY_START):
                raise _damaged("the signing key")
            if not signature_holds(signing_key, digest, signature):
                raise FormatError("SignatureInvalid", "the signature does not hold")
            if len(raw) != end:
                raise _damaged("something follows")
            return Bundle(*header, integrity[:41], integrity[41:], keys, int.from_bytes(body[16:24], "big"), digest, signing_key, signature)
        else:
            raise _damaged("an entry's type")
    raise AssertionError("unreachable")


def _write_attributes(attributes: dict) -> bytes:
    return bytes([len(attributes)]) + b"".join(bytes([n]) + v.to_bytes(8, "big", signed=True) for n, v in attributes.items())


def encode(bundle: Bundle) -> bytes:
    """The bytes that a bundle was read from."""
    def entry(kind, body):
        return bytes([kind]) + len(body).to_bytes(2, "big") + body

    out = [MAGIC, bundle.installation_id, bundle.bundle_id, bundle.sequence.to_bytes(8, "big"), bytes([bundle.kind]),
           bundle.made_at.to_bytes(8, "big", signed=True), bundle.backup_key_id, bundle.previous or bytes(32),
           entry(INTEGRITY_KEY, bundle.integrity_blob + bundle.integrity_check)]
    for key in bundle.keys:
        out.append(entry(KEY, bytes([len(key.name)]) + key.name.encode("ascii") + _write_attributes(key.attributes)))
        for version in key.versions:
            material = b"\x00" if version.kek_blob is None else b"\x01" + version.check_value + version.kek_blob + version.bulk_key
            out.append(entry(VERSION, version.id + _write_attributes(version.attributes) + material))
    counts = (len(bundle.keys), sum(len(key.versions) for key in bundle.keys), bundle.omitted)
    out.append(entry(TRAILER, b"".join(n.to_bytes(8, "big") for n in counts) + bundle.signing_key + bundle.signature))
    return b"".join(out)


class OpenedVersion(NamedTuple):
    kek: bytes
    bulk_key: bytes


def open_version(backup_key: bytes, version: Version) -> OpenedVersion:
    """The KEK and the bulk key of a version, each proven to be that version's."""
    kek = blob.unwrap(backup_key, version.kek_blob)
    if not blob.holds(kek, version.id, version.check_value):
        raise VerificationFailed()
    return OpenedVersion(kek, wrapped.unwrap(kek, version.bulk_key, BULK_KEY_PURPOSE, b"", context.encode([])))


def open_integrity_key(backup_key: bytes, bundle: Bundle) -> bytes:
    key = blob.unwrap(backup_key, bundle.integrity_blob)
    if blob.integrity_check(key) != bundle.integrity_check:
        raise VerificationFailed()
    return key
