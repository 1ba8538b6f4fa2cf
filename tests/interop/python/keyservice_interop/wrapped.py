"""Wrapped data key, docs/spec/wrapped-data-key.md: format 0x01 | key-version id 8 | IV 12 | ciphertext 32 | tag 16."""

from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import aad
from .errors import FormatError, VerificationFailed

FORMAT = 0x01
LENGTH = 69


class WrappedDataKey(NamedTuple):
    version: bytes
    iv: bytes
    sealed: bytes  # ciphertext and tag

    def encode(self) -> bytes:
        return bytes([FORMAT]) + self.version + self.iv + self.sealed


def parse(raw: bytes) -> WrappedDataKey:
    if len(raw) != LENGTH or raw[0] != FORMAT or raw[1:9] == aad.NO_VERSION:
        raise FormatError("Malformed", "not a wrapped data key")
    return WrappedDataKey(raw[1:9], raw[9:21], raw[21:])


def wrap(kek: bytes, version: bytes, iv: bytes, purpose: int, subject: bytes, encoded_context: bytes, data_key: bytes) -> bytes:
    if len(data_key) != 32:
        raise ValueError("a data key has 32 bytes")
    bound = aad.build(purpose, FORMAT, version, subject, encoded_context)
    return WrappedDataKey(version, iv, AESGCM(kek).encrypt(iv, data_key, bound)).encode()


def unwrap(kek: bytes, raw: bytes, purpose: int, subject: bytes, encoded_context: bytes) -> bytes:
    key = parse(raw)
    try:
        return AESGCM(kek).decrypt(key.iv, key.sealed, aad.build(purpose, FORMAT, key.version, subject, encoded_context))
    except InvalidTag:
        raise VerificationFailed() from None
