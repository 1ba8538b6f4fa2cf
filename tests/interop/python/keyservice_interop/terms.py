"""Terms of a grant, docs/spec/grant-terms.md: which contexts it covers, and how much may be done under it."""

from . import context
from .errors import FormatError

EXACT, PREFIX, ONE_OF = 1, 2, 3
MAX_RULES, MAX_VALUES, MAX_ENCODED, MAX_LIMIT = 16, 64, 8192, (1 << 53) - 1
DELIMITERS = "/:.|#"


def _fail(rule: str) -> FormatError:
    return FormatError("InvalidTerms", rule)


def encode(rules, quotas) -> bytes:
    """Canonical bytes of rules (key, kind, values) and quotas (measure, window, limit), in any order."""
    out = bytearray([1, len(rules)])
    for key, kind, values in sorted(rules, key=lambda rule: rule[0].encode()):
        raw = sorted(value.encode() for value in values)
        out += len(key.encode()).to_bytes(2, "big") + key.encode() + bytes([kind]) + len(raw).to_bytes(2, "big")
        for value in raw:
            out += len(value).to_bytes(2, "big") + value
    out.append(len(quotas))
    for measure, window, limit in sorted(tuple(quota) for quota in quotas):
        out += bytes([measure, window]) + limit.to_bytes(8, "big")
    decode(bytes(out))
    return bytes(out)


def decode(encoded: bytes):
    """Rules and quotas of canonical bytes; every other form is refused."""
    if len(encoded) > MAX_ENCODED:
        raise _fail("more than 8192 bytes")
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        if at + count > len(encoded):
            raise _fail("ends too early")
        at += count
        return encoded[at - count : at]

    def number(count: int) -> int:
        return int.from_bytes(take(count), "big")

    if number(1) != 1:
        raise _fail("another format")
    rules, previous = [], None
    count = number(1)
    if count > MAX_RULES:
        raise _fail("more than 16 rules")
    for _ in range(count):
        raw = take(number(2))
        key = context._text(raw, 1, context.MAX_KEY)
        if previous is not None and raw <= previous:
            raise _fail("keys are not in ascending order")
        previous = raw
        kind, many = number(1), number(2)
        if kind not in (EXACT, PREFIX, ONE_OF) or not (2 <= many <= MAX_VALUES if kind == ONE_OF else many == 1):
            raise _fail("a kind with another number of values")
        values, last = [], None
        for _ in range(many):
            value = take(number(2))
            if last is not None and value <= last:
                raise _fail("values are not in ascending order")
            last = value
            values.append(context._text(value, 0, context.MAX_VALUE))
        if kind == PREFIX and (not values[0] or values[0][-1] not in DELIMITERS):
            raise _fail("a prefix ends with no delimiter")
        rules.append((key, kind, values))
    quotas = []
    for _ in range(number(1)):
        quota = (number(1), number(1), number(8))
        if quota[0] not in (1, 2, 3) or quota[1] not in (1, 2) or not 1 <= quota[2] <= MAX_LIMIT:
            raise _fail("a quota of another measure, window or limit")
        if quotas and quota[:2] <= quotas[-1][:2]:
            raise _fail("quotas are not in ascending order")
        quotas.append(quota)
    if at != len(encoded):
        raise _fail("bytes follow the last quota")
    if not quotas and all(kind == EXACT for _, kind, _ in rules):
        raise _fail("a plain context has no terms")
    return rules, quotas


def met(rules, pairs) -> bool:
    """Whether a context meets every rule."""
    have = dict(pairs)

    def holds(key, kind, values):
        value = have.get(key)
        if value is None:
            return False
        if kind == PREFIX:
            return value.startswith(values[0]) and len(value) > len(values[0])
        return value in values

    return all(holds(*rule) for rule in rules)
