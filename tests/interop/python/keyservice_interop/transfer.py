"""Bringing a backup key into a token, docs/spec/key-transfer.md."""

import base64
import hashlib
import re

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .documents import Lines, base64_of, fail
from .errors import VerificationFailed

MAX_LENGTH, MIN_BITS, MAX_BITS = 2048, 3072, 4096
_SERIAL = re.compile(r"[!-~]{1,16}")
# AlgorithmIdentifier of rsaEncryption with NULL parameters (RFC 3279, 2.3.1); the exponent 65537.
_ALGORITHM, _EXPONENT = bytes.fromhex("300d06092a864886f70d0101010500"), bytes.fromhex("0203010001")


def _element(tag: int, body: bytes) -> bytes:
    length = len(body)
    head = bytes([length]) if length < 128 else bytes([0x80 + (length.bit_length() + 7) // 8]) + length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag]) + head + body


def public_key(modulus: int) -> bytes:
    """The one SubjectPublicKeyInfo of an RSA key with the exponent 65537."""
    number = _element(0x02, modulus.to_bytes(modulus.bit_length() // 8 + 1, "big"))
    return _element(0x30, _ALGORITHM + _element(0x03, b"\0" + _element(0x30, number + _EXPONENT)))


def _serial(value: str) -> str:
    if not _SERIAL.fullmatch(value):
        raise fail("not a serial number")
    return value


class TransferKey:
    @staticmethod
    def parse(raw: bytes) -> "TransferKey":
        lines, self = Lines(raw, MAX_LENGTH), TransferKey()
        lines.label("keyservice/transfer-key/v1")
        self.token, self.public_key = _serial(lines.text("token")), base64_of(lines.text("public-key"))
        lines.end()
        # The modulus stands before the exponent: of each allowed length one encoding, so it is cut out and everything written again around it.
        if not any(self._is(bits) for bits in range(MIN_BITS, MAX_BITS + 1, 8)):
            raise fail("not an RSA key of 3,072 to 4,096 bits in its one encoding")
        return self

    def _is(self, bits: int) -> bool:
        modulus = int.from_bytes(self.public_key[: -len(_EXPONENT)][-bits // 8 :], "big")
        return modulus.bit_length() == bits and modulus & 1 == 1 and public_key(modulus) == self.public_key

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(self.public_key).digest()

    def encode(self) -> bytes:
        return f"keyservice/transfer-key/v1\ntoken {self.token}\npublic-key {base64.b64encode(self.public_key).decode()}\n".encode("ascii")


class SealedBackupKey:
    @staticmethod
    def parse(raw: bytes) -> "SealedBackupKey":
        lines, self = Lines(raw, MAX_LENGTH), SealedBackupKey()
        lines.label("keyservice/sealed-backup-key/v1")
        self.token, self.transfer_key, self.backup_key = _serial(lines.text("token")), lines.hex("transfer-key", 32), lines.hex("backup-key", 8)
        self.wrapped = base64_of(lines.text("wrapped"))
        lines.end()
        if not MIN_BITS // 8 <= len(self.wrapped) <= MAX_BITS // 8:
            raise fail("no ciphertext of such a key")
        return self

    def encode(self) -> bytes:
        return (
            f"keyservice/sealed-backup-key/v1\ntoken {self.token}\ntransfer-key {self.transfer_key.hex()}\nbackup-key {self.backup_key.hex()}\n"
            f"wrapped {base64.b64encode(self.wrapped).decode()}\n"
        ).encode("ascii")

    def open(self, private_key) -> bytes:
        """The value. Only tests have the private half: in a token it unwraps, and nobody sees what."""
        try:
            return private_key.decrypt(self.wrapped, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
        except ValueError:
            raise VerificationFailed() from None
