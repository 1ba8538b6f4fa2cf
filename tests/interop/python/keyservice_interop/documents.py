"""What signed documents of lines have in common: how they are read, how texts are escaped, signatures of people. docs/spec/approvals.md."""

import base64
import binascii
import datetime
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from .errors import FormatError

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_ESCAPE = re.compile(r"\\(\\|u\{([0-9a-f]{1,6})\})")


def fail(rule: str) -> FormatError:
    return FormatError("Malformed", rule)


# ------------------------------------------------------------------ lines
class Lines:
    """Printable ASCII, each line a name, a space and a value."""

    def __init__(self, raw: bytes, most: int):
        if not raw or len(raw) > most or raw[-1:] != b"\n" or any(each != 10 and not 0x20 <= each <= 0x7E for each in raw):
            raise fail("not lines of printable ASCII")
        self._lines = raw[:-1].decode("ascii").split("\n")

    def label(self, label: str) -> None:
        if self.next() != label:
            raise fail("another label")

    def next(self) -> str:
        if not self._lines:
            raise fail("too few lines")
        return self._lines.pop(0)

    def pair(self) -> tuple:
        name, space, value = self.next().partition(" ")
        if not name or not space:
            raise fail("no name and value")
        return name, value

    def text(self, name: str) -> str:
        found, value = self.pair()
        if found != name:
            raise fail(f"no {name}")
        return value

    def name(self, name: str) -> str:
        return name_of(self.text(name))

    def number(self, name: str, least: int, most: int) -> int:
        value = self.text(name)
        if not _NUMBER.fullmatch(value) or not least <= int(value) <= most:
            raise fail(f"{name} is no such number")
        return int(value)

    def hex(self, name: str, length: int) -> bytes:
        value = self.text(name)
        if not re.fullmatch(f"[0-9a-f]{{{2 * length}}}", value):
            raise fail(f"{name} is not hexadecimal")
        return bytes.fromhex(value)

    def time(self, name: str) -> datetime.datetime:
        return time_of(self.text(name))

    @property
    def at_end(self) -> bool:
        return not self._lines

    def end(self) -> None:
        if self._lines:
            raise fail("too many lines")


def name_of(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise fail("not a name")
    return value


def base64_of(value: str) -> bytes:
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise fail("not base64") from None
    if base64.b64encode(raw).decode() != value:
        raise fail("not canonical base64")
    return raw


def time_of(value: str) -> datetime.datetime:
    try:
        if not _TIME.fullmatch(value):
            raise ValueError
        return datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise fail("not a time") from None


def text_of(time: datetime.datetime) -> str:
    return f"{time.year:04}-{time.month:02}-{time.day:02}T{time.hour:02}:{time.minute:02}:{time.second:02}Z"


def escape(value: str) -> str:
    return "".join("\\\\" if c == "\\" else c if " " <= c <= "~" else f"\\u{{{ord(c):x}}}" for c in value)


def unescape(text: str) -> str:
    value = _ESCAPE.sub(lambda match: "\\" if match[1] == "\\" else chr(_code(match[2])), text)
    if escape(value) != text:
        raise fail("not the one form of a value")
    return value


def _code(digits: str) -> int:
    code = int(digits, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or code == 0xFFFD:
        raise fail("not a character")
    return code


# ------------------------------------------------------------------ signatures
def key_of(raw: bytes):
    if len(raw) != 91 or not raw.startswith(_SPKI):
        raise fail("not a key of P-256")
    try:
        return serialization.load_der_public_key(raw)
    except ValueError:
        raise fail("not a point of P-256") from None


def verifies(key: bytes, text: bytes, signature: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or s > _ORDER // 2:
        return False
    try:
        key_of(key).verify(utils.encode_dss_signature(r, s), text, ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False
