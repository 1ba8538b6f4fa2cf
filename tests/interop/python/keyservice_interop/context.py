"""Encryption context, docs/spec/context.md: count u16, then (key length u16, key, value length u16, value), ascending by key bytes."""

from .errors import FormatError

MAX_PAIRS = 16
MAX_ENCODED = 4096
MAX_KEY = 255
MAX_VALUE = 1024


def _fail(rule: str) -> FormatError:
    return FormatError("InvalidContext", rule)


def _text(raw: bytes, shortest: int, longest: int) -> str:
    if not shortest <= len(raw) <= longest:
        raise _fail("a key or value is too short or too long")
    try:
        text = raw.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise _fail("a key or value is not UTF-8") from None
    if "\0" in text or "\ufffd" in text:
        raise _fail("a key or value holds U+0000 or U+FFFD")
    return text


def _raw(text: str) -> bytes:
    try:
        return text.encode("utf-8", "strict")
    except UnicodeEncodeError:
        raise _fail("a key or value holds a lone surrogate") from None


def encode(pairs) -> bytes:
    """Canonical bytes of pairs (a dict or an iterable of 2-tuples) in any order."""
    items = list(pairs.items() if isinstance(pairs, dict) else pairs)
    if len(items) > MAX_PAIRS:
        raise _fail("more than 16 pairs")
    raw = sorted((_raw(key), _raw(value)) for key, value in items)
    out = bytearray(len(raw).to_bytes(2, "big"))
    previous = None
    for key, value in raw:
        _text(key, 1, MAX_KEY)
        _text(value, 0, MAX_VALUE)
        if key == previous:
            raise _fail("a key stands twice")
        previous = key
        out += len(key).to_bytes(2, "big") + key + len(value).to_bytes(2, "big") + value
    if len(out) > MAX_ENCODED:
        raise _fail("more than 4096 bytes encoded")
    return bytes(out)


def decode(encoded: bytes):
    """The pairs of canonical bytes; every other form is refused."""
    if len(encoded) > MAX_ENCODED:
        raise _fail("more than 4096 bytes encoded")
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        if at + count > len(encoded):
            raise _fail("ends too early")
        at += count
        return encoded[at - count : at]

    count = int.from_bytes(take(2), "big")
    if count > MAX_PAIRS:
        raise _fail("more than 16 pairs")
    pairs, previous = [], None
    for _ in range(count):
        key = take(int.from_bytes(take(2), "big"))
        value = take(int.from_bytes(take(2), "big"))
        if previous is not None and key <= previous:
            raise _fail("keys are not in ascending order")
        previous = key
        pairs.append((_text(key, 1, MAX_KEY), _text(value, 0, MAX_VALUE)))
    if at != len(encoded):
        raise _fail("bytes follow the last pair")
    return pairs
