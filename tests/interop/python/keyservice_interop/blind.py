"""Blind index: docs/spec/blind-index.md. Keyed MACs by which equal values of a column are found."""

import hashlib
import hmac
import string

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import FormatError

_LABEL = b"keyservice/v1/blind-index\x00"
_ID_LABEL = b"keyservice/v1/blind-index-id\x00"
_SPACE = " \t\r\n\f\v"


def key_id(key_name: str, index_name: str) -> bytes:
    """16 bytes: the subject of the index key's wrapping and its id in the table of wrapped keys."""
    parts = [text.encode("utf-8") for text in (key_name, index_name)]
    return hashlib.sha256(_ID_LABEL + b"".join(len(part).to_bytes(2, "big") + part for part in parts)).digest()[:16]


def info(encoded_column: bytes, length: int) -> bytes:
    if not 4 <= length <= 32:
        raise FormatError("InvalidLength", "an index has 4 to 32 bytes")
    return _LABEL + bytes([length]) + encoded_column


def column_key(index_key: bytes, encoded_column: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), 32, None, info(encoded_column, length)).derive(index_key)


def compute(index_key: bytes, encoded_column: bytes, length: int, value: bytes) -> bytes:
    return hmac.new(column_key(index_key, encoded_column, length), value, hashlib.sha256).digest()[:length]


def _upper(text: str) -> str:
    return "".join(c.upper() if c in string.ascii_lowercase else c for c in text)


NORMALISATIONS = {
    "exact": lambda text: text,
    "trimmed-upper": lambda text: _upper(text.strip(_SPACE)),
    "digits": lambda text: "".join(c for c in text if c in string.digits),
    "letters-and-digits": lambda text: _upper("".join(c for c in text if c in string.digits + string.ascii_letters)),
}
