"""Shares of a secret: SLIP-39, written from the standard. Reads every set of groups; makes none."""

import hashlib
import hmac
import pathlib
from collections import defaultdict

from .errors import FormatError, VerificationFailed

_GENERATOR = (0xE0E040, 0x1C1C080, 0x3838100, 0x7070200, 0xE0E0009, 0x1C0C2412, 0x38086C24, 0x3090FC48, 0x21B1F890, 0x3F3F120)
# The product's own file: the list is the standard's, and one copy of it is enough.
_WORDS = (pathlib.Path(__file__).parents[4] / "src/KeyService.Crypto/Shares/words.txt").read_text("ascii").split()
_NUMBERS = {word: number for number, word in enumerate(_WORDS)}

# Of a secret of 64 bytes, the longest that the product splits.
_MOST_WORDS = 59

# Logarithms to the base 3 in GF(2^8) modulo x^8+x^4+x^3+x+1.
_EXP, _LOG = [0] * 255, [0] * 256
_value = 1
for _power in range(255):
    _EXP[_power], _LOG[_value] = _value, _power
    _value ^= _value << 1 ^ (0x11B if _value & 0x80 else 0)
    _value &= 0xFF


def _polymod(values) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 20
        checksum = (checksum & 0xFFFFF) << 10 ^ value
        for bit in range(10):
            if top >> bit & 1:
                checksum ^= _GENERATOR[bit]
    return checksum


def parse(mnemonic: str) -> dict:
    """A share's fields; its value as bytes."""
    words = mnemonic.split(" ")
    if not all(word in _NUMBERS for word in words):
        raise FormatError("Word", "a word that is not in the list")
    return parse_numbers([_NUMBERS[word] for word in words])


def parse_numbers(numbers) -> dict:
    """The same from the words' numbers."""
    padding = 10 * (len(numbers) - 7) % 16
    if not 20 <= len(numbers) <= _MOST_WORDS or padding > 8:
        raise FormatError("Length", "no share has that many words")
    if max(numbers) > 1023:
        raise FormatError("Word", "a number that is no word's")
    head = 0
    for number in numbers[:4]:
        head = head << 10 | number
    share = {
        "identifier": head >> 25, "extendable": head >> 24 & 1, "exponent": head >> 20 & 15, "group": head >> 16 & 15,
        "group_threshold": (head >> 12 & 15) + 1, "group_count": (head >> 8 & 15) + 1, "member": head >> 4 & 15, "threshold": (head & 15) + 1,
    }
    if _polymod([*_customization(share), *numbers]) != 1:
        raise FormatError("Checksum", "the last three words are not those of the words before")
    body = 0
    for number in numbers[4:-3]:
        body = body << 10 | number
    length = (10 * (len(numbers) - 7) - padding) // 8
    if share["group_threshold"] > share["group_count"] or share["group"] >= share["group_count"] or body >> 8 * length:
        raise FormatError("Malformed", "words that no writer makes")
    return share | {"value": body.to_bytes(length, "big")}


def numbers_of(share: dict) -> list:
    """The words of a share, as numbers."""
    head = share["identifier"]
    for value, bits in (
        (share["extendable"], 1), (share["exponent"], 4), (share["group"], 4), (share["group_threshold"] - 1, 4), (share["group_count"] - 1, 4),
        (share["member"], 4), (share["threshold"] - 1, 4),
    ):
        head = head << bits | value
    count = -(-8 * len(share["value"]) // 10)
    body = int.from_bytes(share["value"], "big")
    numbers = [head >> 10 * i & 1023 for i in (3, 2, 1, 0)] + [body >> 10 * i & 1023 for i in reversed(range(count))]
    checksum = _polymod([*_customization(share), *numbers, 0, 0, 0]) ^ 1
    return numbers + [checksum >> 10 * i & 1023 for i in (2, 1, 0)]


def _customization(share: dict) -> bytes:
    return b"shamir_extendable" if share["extendable"] else b"shamir"


def _interpolate(x: int, points: dict) -> bytes:
    if x in points:
        return points[x]
    total = sum(_LOG[x ^ place] for place in points)
    result = bytearray(len(next(iter(points.values()))))
    for place, value in points.items():
        weight = (total - _LOG[x ^ place] - sum(_LOG[place ^ other] for other in points if other != place)) % 255
        for i, byte in enumerate(value):
            if byte:
                result[i] ^= _EXP[(_LOG[byte] + weight) % 255]
    return bytes(result)


def _recover(threshold: int, points: dict) -> bytes:
    needed = dict(sorted(points.items())[:threshold])
    secret = _interpolate(255, needed) if threshold > 1 else next(iter(needed.values()))
    if threshold > 1:
        digest = _interpolate(254, needed)
        if not hmac.compare_digest(hmac.digest(digest[4:], secret, "sha256")[:4], digest[:4]):
            raise VerificationFailed()
    if any((_interpolate(place, needed) if threshold > 1 else secret) != value for place, value in points.items()):
        raise VerificationFailed()
    return secret


def combine(mnemonics, passphrase: bytes = b"") -> bytes:
    """The secret; with more shares than are needed the others are checked."""
    shares = [parse(mnemonic) for mnemonic in mnemonics]
    first = shares[0]
    common = ("identifier", "extendable", "exponent", "group_threshold", "group_count")
    if any([share[name] for name in common] != [first[name] for name in common] or len(share["value"]) != len(first["value"]) for share in shares):
        raise FormatError("OtherSet", "shares of several sets")
    groups, thresholds = defaultdict(dict), {}
    for share in shares:
        if thresholds.setdefault(share["group"], share["threshold"]) != share["threshold"] or share["member"] in groups[share["group"]]:
            raise FormatError("Duplicate", "two shares that cannot both be")
        groups[share["group"]][share["member"]] = share["value"]
    complete = {group: _recover(thresholds[group], members) for group, members in groups.items() if len(members) >= thresholds[group]}
    if len(complete) < first["group_threshold"]:
        raise FormatError("TooFew", "shares are missing")
    encrypted = _recover(first["group_threshold"], complete)
    half = len(encrypted) // 2
    left, right = encrypted[:half], encrypted[half:]
    salt = b"" if first["extendable"] else b"shamir" + first["identifier"].to_bytes(2, "big")
    for round_number in (3, 2, 1, 0):
        key = hashlib.pbkdf2_hmac("sha256", bytes([round_number]) + passphrase, salt + right, 2500 << first["exponent"], half)
        left, right = right, bytes(a ^ b for a, b in zip(left, key, strict=True))
    return right + left
