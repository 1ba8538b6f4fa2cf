"""Row contexts: docs/spec/row-context.md. The context of a field, from its column and its row's key."""

import uuid

from . import context
from .errors import FormatError

_TEXTS = {
    "int64": lambda value: str(int(value)),
    "uint64": lambda value: str(int(value)),
    "uuid": lambda value: str(uuid.UUID(value)),
    "date": lambda value: value,
    "text": lambda value: value,
}


def encode(column: list, also: list, row: list) -> bytes:
    """column: database, table, column; row: 1 to 4 pairs of type and value."""
    if not 1 <= len(row) <= 4:
        raise FormatError("InvalidRow", "a row's key has 1 to 4 values")
    names = ["row"] if len(row) == 1 else [f"row{place}" for place in range(1, len(row) + 1)]
    fixed = list(zip(("database", "table", "column"), column)) + [tuple(pair) for pair in also]
    return context.encode(fixed + [(name, _TEXTS[kind](value)) for name, (kind, value) in zip(names, row)])
