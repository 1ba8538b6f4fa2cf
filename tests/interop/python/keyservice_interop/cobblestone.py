"""Cobblestone-256, https://c2sp.org/chunked-encryption: 16 KiB chunks under AES-256-GCM, HKDF-Expand-SHA-512, key-committing."""

import hmac
from typing import BinaryIO, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from .errors import FormatError, VerificationFailed

CHUNK = 16 * 1024
TAG = 16
SEALED = CHUNK + TAG
SALT = 24
COMMITMENT = 32
MAX_CHUNKS = 1 << 38


class Keys(NamedTuple):
    key: bytes
    base_nonce: bytes
    commitment: bytes

    def nonce(self, number: int) -> bytes:
        if not 0 <= number < MAX_CHUNKS:
            raise FormatError("TooLong", "more than 2^38 chunks")
        return (int.from_bytes(self.base_nonce, "big") ^ number).to_bytes(12, "big")

    def seal(self, number: int, plaintext: bytes) -> bytes:
        return AESGCM(self.key).encrypt(self.nonce(number), plaintext, None)

    def open(self, number: int, chunk: bytes) -> bytes:
        try:
            return AESGCM(self.key).decrypt(self.nonce(number), chunk, None)
        except InvalidTag:
            raise VerificationFailed() from None


def derive(input_key: bytes, salt: bytes, context: bytes) -> Keys:
    if len(input_key) != 32 or len(salt) != SALT:
        raise ValueError("Cobblestone-256 takes a 32-byte key and a 24-byte salt")
    info = b"c2sp.org/chunked-encryption@v1+" + b"AEAD_AES_256_GCM" + b"\0" + salt + context
    okm = HKDFExpand(algorithm=hashes.SHA512(), length=76, info=info).derive(input_key)
    return Keys(okm[:32], okm[32:44], okm[44:])


def read_full(source: BinaryIO, count: int) -> bytes:
    """count bytes, fewer only at the end."""
    out = bytearray()
    while len(out) < count:
        piece = source.read(count - len(out))
        if not piece:
            break
        out += piece
    return bytes(out)


def seal(input_key: bytes, salt: bytes, context: bytes, source: BinaryIO, sink: BinaryIO) -> None:
    keys = derive(input_key, salt, context)
    sink.write(salt + keys.commitment)
    number = 0
    while True:
        piece = read_full(source, CHUNK)
        sink.write(keys.seal(number, piece))
        number += 1
        if len(piece) < CHUNK:
            return


def open_(input_key: bytes, context: bytes, source: BinaryIO, sink: BinaryIO) -> None:
    """Writes verified chunks only; raises before the end unless the last chunk has proven the message whole."""
    head = read_full(source, SALT + COMMITMENT)
    if len(head) < SALT + COMMITMENT:
        raise FormatError("Truncated", "ends inside the payload")
    keys = derive(input_key, head[:SALT], context)
    if not hmac.compare_digest(keys.commitment, head[SALT:]):
        raise VerificationFailed()
    number = 0
    while True:
        chunk = read_full(source, SEALED)
        if len(chunk) < TAG:
            raise FormatError("Truncated", "ends inside the payload")
        sink.write(keys.open(number, chunk))
        number += 1
        if len(chunk) < SEALED:
            return
