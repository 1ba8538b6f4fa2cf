"""Audit record, docs/spec/audit-record.md: version 0x01, then (id u16, length u32, value) for each present field, ids ascending."""

import hashlib

from .errors import FormatError

VERSION = 0x01
MAX_TEXT = 512
MAX_DETAIL = 4096
MAX_CHANGES = 65536
MAX_TABLE = 63
MAX_ROW_ID = 512
_TABLE_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_")

# name -> (field id, kind, required)
_FIELDS = {
    "time": (1, "i64", True),
    "slot": (2, "u32", True),
    "sequence": (3, "u64", True),
    "event": (4, "u16", True),
    "type": (5, "u8", True),
    "outcome": (6, "u8", True),
    "principal": (7, "text", False),
    "principalType": (8, "text", False),
    "authentication": (9, "text", False),
    "onBehalfOf": (10, "text", False),
    "source": (11, "text", False),
    "device": (12, "text", False),
    "key": (13, "text", False),
    "keyVersion": (14, "version", False),
    "contextDigest": (15, "digest", False),
    "itemCount": (16, "u64", False),
    "byteCount": (17, "u64", False),
    "reason": (18, "text", False),
    "traceId": (19, "text", False),
    "requestId": (20, "text", False),
    "durationMicroseconds": (21, "u64", False),
    "automated": (22, "u8", True),
    "detail": (23, "text", False),
    "changes": (24, "rows", False),
}
_BY_ID = {number: (name, kind) for name, (number, kind, _) in _FIELDS.items()}
_NUMBERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8}
_RANGES = {"type": range(1, 5), "outcome": range(1, 6), "automated": range(0, 2)}


def _fail(rule: str) -> FormatError:
    return FormatError("Malformed", rule)


def _check(name: str, value) -> None:
    if name in _RANGES and value not in _RANGES[name]:
        raise _fail(f"{name} is out of range")
    if name == "keyVersion" and (len(value) != 8 or not any(value)):
        raise _fail("a key version has 8 bytes and is not zero")
    if name == "contextDigest" and len(value) != 32:
        raise _fail("a context digest has 32 bytes")


def _encode_rows(rows: list) -> bytes:
    out = bytearray()
    for table, row_id, revision, digest in rows:
        name, key = table.encode("ascii"), row_id.encode("utf-8", "strict")
        out += len(name).to_bytes(1, "big") + name + len(key).to_bytes(2, "big") + key + revision.to_bytes(8, "big") + digest
    if _decode_rows(bytes(out)) != rows:
        raise ValueError("rows that the field cannot hold")
    return bytes(out)


def _decode_rows(raw: bytes) -> list:
    """Each row: table length 1, table, row id length 2, row id, revision 8, digest 32."""
    if not 1 <= len(raw) <= MAX_CHANGES:
        raise _fail("changed rows are none or too many")
    rows, at = [], 0

    def take(count: int) -> bytes:
        nonlocal at
        taken = raw[at : at + count]
        if len(taken) < count:
            raise _fail("ends inside a changed row")
        at += count
        return taken

    while at < len(raw):
        table = take(take(1)[0])
        row_id = take(int.from_bytes(take(2), "big"))
        revision = int.from_bytes(take(8), "big")
        digest = take(32)
        if not 1 <= len(table) <= MAX_TABLE or not _TABLE_CHARACTERS.issuperset(table):
            raise _fail("a table's name breaks its rule")
        if not 1 <= len(row_id) <= MAX_ROW_ID or not 1 <= revision < 1 << 63:
            raise _fail("a row's id or revision breaks its rule")
        try:
            rows.append((table.decode("ascii"), row_id.decode("utf-8", "strict"), revision, digest))
        except UnicodeDecodeError:
            raise _fail("a row's id is not UTF-8") from None
    return rows


def _encode_value(name: str, kind: str, value) -> bytes:
    if kind in _NUMBERS:
        return value.to_bytes(_NUMBERS[kind], "big", signed=kind == "i64")
    if kind == "rows":
        return _encode_rows(value)
    return value.encode("utf-8", "strict") if kind == "text" else value


def _decode_value(name: str, kind: str, raw: bytes):
    if kind in _NUMBERS:
        if len(raw) != _NUMBERS[kind]:
            raise _fail(f"{name} has a wrong length")
        return int.from_bytes(raw, "big", signed=kind == "i64")
    if kind == "rows":
        return _decode_rows(raw)
    if kind != "text":
        return raw
    if not 1 <= len(raw) <= (MAX_DETAIL if name == "detail" else MAX_TEXT):
        raise _fail(f"{name} is empty or too long")
    try:
        return raw.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise _fail(f"{name} is not UTF-8") from None


def encode(record: dict) -> bytes:
    if set(record) - set(_FIELDS) or any(required and name not in record for name, (_, _, required) in _FIELDS.items()):
        raise ValueError("unknown or missing fields")
    out = bytearray([VERSION])
    for name, (number, kind, _) in _FIELDS.items():
        if name not in record:
            continue
        _check(name, record[name])
        raw = _encode_value(name, kind, record[name])
        out += number.to_bytes(2, "big") + len(raw).to_bytes(4, "big") + raw
    return bytes(out)


def parse(raw: bytes) -> dict:
    if not raw or raw[0] != VERSION:
        raise _fail("not an audit record of this version")
    record, at, previous = {}, 1, 0
    while at < len(raw):
        if at + 6 > len(raw):
            raise _fail("ends inside a field")
        number, length = int.from_bytes(raw[at : at + 2], "big"), int.from_bytes(raw[at + 2 : at + 6], "big")
        value = raw[at + 6 : at + 6 + length]
        if len(value) < length:
            raise _fail("ends inside a field")
        if number <= previous or number not in _BY_ID:
            raise _fail("a field is unknown, repeated or out of order")
        name, kind = _BY_ID[number]
        record[name] = _decode_value(name, kind, value)
        _check(name, record[name])
        previous, at = number, at + 6 + length
    if any(required and name not in record for name, (_, _, required) in _FIELDS.items()):
        raise _fail("a required field is missing")
    return record


def leaf_hash(raw: bytes) -> bytes:
    """RFC 6962."""
    return hashlib.sha256(b"\0" + raw).digest()
