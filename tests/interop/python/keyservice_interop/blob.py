"""Key blob and check values, docs/spec/key-blob.md: algorithm 0x01 | AES-KW (RFC 3394) of a 32-byte key. On its way to a peer token: algorithm 0x02 | RSAES-OAEP."""

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import padding

from . import context, wrapped
from .errors import FormatError, VerificationFailed

AES_KW, RSA_OAEP = 0x01, 0x02
LENGTH = 41
MIN_SEALED, MAX_SEALED = 385, 513
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


def parse_sealed(raw: bytes) -> bytes:
    """The ciphertext inside."""
    if not MIN_SEALED <= len(raw) <= MAX_SEALED or raw[0] != RSA_OAEP:
        raise FormatError("Malformed", "not a sealed key blob")
    return raw[1:]


def unseal(private_key, raw: bytes) -> bytes:
    """The key. Only tests have the private half: in a token it unwraps, and nobody sees what."""
    try:
        return private_key.decrypt(parse_sealed(raw), padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
    except ValueError:
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
