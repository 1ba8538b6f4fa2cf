"""Key blob and check values, docs/spec/key-blob.md: algorithm 0x01 | AES-KW (RFC 3394) of a 32-byte key."""

import hashlib
import hmac

from cryptography.hazmat.primitives import keywrap

from . import context, wrapped
from .errors import FormatError, VerificationFailed

AES_KW = 0x01
LENGTH = 41
CHECK_VALUE_PURPOSE = 5
INTEGRITY_CHECK = b"keyservice/integrity-check/v1"
BACKUP_KEY_ID = b"keyservice/backup-key-id/v1"


def wrap(wrapping_key: bytes, key: bytes) -> bytes:
    return bytes([AES_KW]) + keywrap.aes_key_wrap(wrapping_key, key)


def parse(raw: bytes) -> bytes:
    """The wrapped key inside."""
    if len(raw) != LENGTH or raw[0] != AES_KW:
        raise FormatError("Malformed", "not a key blob")
    return raw[1:]


def unwrap(wrapping_key: bytes, raw: bytes) -> bytes:
    try:
        return keywrap.aes_key_unwrap(wrapping_key, parse(raw))
    except keywrap.InvalidUnwrap:
        raise VerificationFailed() from None


def version_hash(version: bytes) -> bytes:
    return hashlib.sha256(version).digest()


def check_value(kek: bytes, version: bytes, iv: bytes) -> bytes:
    return wrapped.wrap(kek, version, iv, CHECK_VALUE_PURPOSE, b"", context.encode([]), version_hash(version))


def holds(kek: bytes, version: bytes, value: bytes) -> bool:
    """Whether the KEK is the one that the check value was made with, for this version."""
    opened = wrapped.unwrap(kek, value, CHECK_VALUE_PURPOSE, b"", context.encode([]))
    return wrapped.parse(value).version == version and opened == version_hash(version)


def integrity_check(integrity_key: bytes) -> bytes:
    return hmac.digest(integrity_key, INTEGRITY_CHECK, "sha256")


def backup_pattern(backup_key: bytes) -> bytes:
    return keywrap.aes_key_wrap(backup_key, bytes(range(32)))


def backup_key_id(backup_key: bytes) -> bytes:
    return hashlib.sha256(BACKUP_KEY_ID + backup_pattern(backup_key)).digest()[:8]
