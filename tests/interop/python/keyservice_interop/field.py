"""Field token, docs/spec/field-token.md, in both formats and in its text form."""

import base64
import re
from typing import NamedTuple

from . import aad, xaes
from .errors import FormatError

FORMAT_BULK_KEY = 0x11  # 0x11 | key-version id 8 | nonce 24 | ciphertext | tag 16
FORMAT_DATA_KEY = 0x12  # 0x12 | data-key id 16 | nonce 24 | ciphertext | tag 16
MAX_PLAINTEXT = 1 << 20
TEXT_PREFIX = "ks1."

_ID_LENGTH = {FORMAT_BULK_KEY: 8, FORMAT_DATA_KEY: 16}


class Token(NamedTuple):
    fmt: int
    key_id: bytes  # key-version id of the first format, data-key id of the second
    nonce: bytes
    sealed: bytes

    def encode(self) -> bytes:
        return bytes([self.fmt]) + self.key_id + self.nonce + self.sealed


def parse(raw: bytes) -> Token:
    if not raw or raw[0] not in _ID_LENGTH:
        raise FormatError("Malformed", "not a field token")
    head = 1 + _ID_LENGTH[raw[0]]
    length = len(raw) - head - xaes.NONCE - xaes.TAG
    if not 0 <= length <= MAX_PLAINTEXT:
        raise FormatError("Malformed", "a field token of this length cannot be")
    token = Token(raw[0], raw[1:head], raw[head : head + xaes.NONCE], raw[head + xaes.NONCE :])
    if token.fmt == FORMAT_BULK_KEY and token.key_id == aad.NO_VERSION:
        raise FormatError("Malformed", "the key-version id is zero")
    return token


def bound_data(fmt: int, key_id: bytes, encoded_context: bytes) -> bytes:
    """The associated data of a token."""
    if fmt == FORMAT_BULK_KEY:
        return aad.build(aad.FIELD_TOKEN, fmt, key_id, b"", encoded_context)
    return aad.build(aad.FIELD_TOKEN_DATA_KEY, fmt, aad.NO_VERSION, key_id, encoded_context)


def make(key: bytes, fmt: int, key_id: bytes, nonce: bytes, encoded_context: bytes, plaintext: bytes) -> bytes:
    if len(plaintext) > MAX_PLAINTEXT:
        raise ValueError("a field has at most 1 MiB")
    return Token(fmt, key_id, nonce, xaes.seal(key, nonce, plaintext, bound_data(fmt, key_id, encoded_context))).encode()


def open_(key: bytes, raw: bytes, encoded_context: bytes) -> bytes:
    token = parse(raw)
    return xaes.open_(key, token.nonce, token.sealed, bound_data(token.fmt, token.key_id, encoded_context))


def to_text(raw: bytes) -> str:
    return TEXT_PREFIX + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def from_text(text: str) -> bytes:
    """Strict: only what to_text makes."""
    if not re.fullmatch(r"ks1\.[A-Za-z0-9_-]+", text):
        raise FormatError("Malformed", "not the text form of a token")
    body = text[len(TEXT_PREFIX) :]
    try:
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except ValueError:
        raise FormatError("Malformed", "not base64url") from None
    parse(raw)
    if to_text(raw) != text:
        raise FormatError("Malformed", "not the canonical base64url")
    return raw
