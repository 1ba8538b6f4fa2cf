"""XAES-256-GCM, https://c2sp.org/XAES-256-GCM: a subkey from the first half of a 24-byte nonce by CMAC, AES-256-GCM with the rest."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import VerificationFailed

KEY = 32
NONCE = 24
TAG = 16


def _block(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def derive(key: bytes, nonce: bytes):
    """(subkey, 12-byte nonce)."""
    if len(key) != KEY or len(nonce) != NONCE:
        raise ValueError("XAES-256-GCM takes a 32-byte key and a 24-byte nonce")
    zero = int.from_bytes(_block(key, bytes(16)), "big")
    subkey = (zero << 1) & ((1 << 128) - 1)
    if zero >> 127:
        subkey ^= 0x87
    mask = subkey.to_bytes(16, "big")
    blocks = (bytes([0, counter, 0x58, 0]) + nonce[:12] for counter in (1, 2))
    return b"".join(_block(key, bytes(a ^ b for a, b in zip(block, mask))) for block in blocks), nonce[12:]


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    subkey, rest = derive(key, nonce)
    return AESGCM(subkey).encrypt(rest, plaintext, aad)


def open_(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    subkey, rest = derive(key, nonce)
    try:
        return AESGCM(subkey).decrypt(rest, sealed, aad)
    except InvalidTag:
        raise VerificationFailed() from None
