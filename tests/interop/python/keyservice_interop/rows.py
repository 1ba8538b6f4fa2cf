"""Canonical bytes of a deciding row and their MAC, docs/spec/row-mac.md."""

import hashlib
import hmac

LABEL = b"keyservice/row/v1\0"
_TYPES = {"null": 0, "int64": 1, "text": 2, "bytes": 3}


def _value(kind: str, value) -> bytes:
    if kind == "null":
        return b""
    if kind == "int64":
        return int(value).to_bytes(8, "big", signed=True)
    return value.encode("utf-8", "strict") if kind == "text" else value


def encode(table: str, columns) -> bytes:
    """columns: (kind, value) in the table's order."""
    name = table.encode("ascii", "strict")
    out = bytearray(LABEL + len(name).to_bytes(2, "big") + name)
    for kind, value in columns:
        raw = _value(kind, value)
        out += bytes([_TYPES[kind]]) + len(raw).to_bytes(4, "big") + raw
    return bytes(out)


def mac(key: bytes, encoded: bytes) -> bytes:
    return hmac.new(key, encoded, hashlib.sha256).digest()
