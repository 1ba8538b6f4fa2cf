"""Archive (.ksa), docs/spec/archive.md."""

import hashlib
import unicodedata
from typing import BinaryIO, List, NamedTuple, Optional

from . import cobblestone, context, wrapped
from .errors import FormatError

MAGIC = b"KSARCH01"
LABEL = b"keyservice/v1/archive\0"
SECTOR = 4096
PREFIX = 28
MAX_NAME = 255
MAX_SLOTS = 16


class SlotArea(NamedTuple):
    sequence: int
    slots: List[bytes]


class Header(NamedTuple):
    fixed: bytes
    archive_id: bytes
    context: list
    name: str
    areas: List[Optional[SlotArea]]
    raw_areas: List[bytes]

    @property
    def active(self) -> SlotArea:
        return max((area for area in self.areas if area), key=lambda area: area.sequence)

    @property
    def message_context(self) -> bytes:
        return LABEL + self.fixed

    def encode(self) -> bytes:
        """From the parsed parts; a damaged area as it was found."""
        rebuilt = fixed_part(self.archive_id, self.context, self.name)
        return rebuilt + b"".join(
            encode_area(rebuilt, area) if area else raw for area, raw in zip(self.areas, self.raw_areas)
        )


def _check_name(name: str) -> None:
    if any(unicodedata.category(c) == "Cc" or c == "\ufffd" for c in name):
        raise FormatError("Damaged", "the content name holds a control character or U+FFFD")


def fixed_part(archive_id: bytes, pairs, name: str) -> bytes:
    if len(archive_id) != 16:
        raise ValueError("an archive id has 16 bytes")
    _check_name(name)
    encoded, raw_name = context.encode(pairs), name.encode("utf-8", "strict")
    if len(raw_name) > MAX_NAME:
        raise ValueError("the content name is longer than 255 bytes")
    body = MAGIC + archive_id + len(encoded).to_bytes(2, "big") + len(raw_name).to_bytes(2, "big") + encoded + raw_name
    return body + bytes(-len(body) % SECTOR)


def encode_area(fixed: bytes, area: SlotArea) -> bytes:
    if not 1 <= len(area.slots) <= MAX_SLOTS or area.sequence < 1:
        raise ValueError("1 to 16 slots and a sequence number of 1 or more")
    body = area.sequence.to_bytes(8, "big") + bytes([len(area.slots)]) + b"".join(area.slots)
    body += bytes(SECTOR - 32 - len(body))
    return body + hashlib.sha256(fixed + body).digest()


def parse_area(fixed: bytes, raw: bytes) -> Optional[SlotArea]:
    """None for an area that is torn, damaged or not canonical."""
    if hashlib.sha256(fixed + raw[:-32]).digest() != raw[-32:]:
        return None
    sequence, count = int.from_bytes(raw[:8], "big"), raw[8]
    end = 9 + count * wrapped.LENGTH
    if sequence == 0 or not 1 <= count <= MAX_SLOTS or any(raw[end:-32]):
        return None
    slots = [raw[at : at + wrapped.LENGTH] for at in range(9, end, wrapped.LENGTH)]
    try:
        for slot in slots:
            wrapped.parse(slot)
    except FormatError:
        return None
    return SlotArea(sequence, slots)


def new_header(archive_id: bytes, pairs, name: str, slots: List[bytes]) -> bytes:
    """Both areas hold the same slots, the first in force with sequence number 2, the second with 1."""
    fixed = fixed_part(archive_id, pairs, name)
    return fixed + encode_area(fixed, SlotArea(2, slots)) + encode_area(fixed, SlotArea(1, slots))


def read_header(source: BinaryIO) -> Header:
    start = cobblestone.read_full(source, PREFIX)
    if not start:
        raise FormatError("Empty", "0 bytes")
    if start[:8] != MAGIC[: len(start[:8])]:
        if start[:6] == MAGIC[:6]:
            raise FormatError("UnsupportedVersion", "another version of the format")
        raise FormatError("NotAnArchive", "not an archive")
    if len(start) < PREFIX:
        raise FormatError("Truncated", "ends inside the header")
    context_length, name_length = int.from_bytes(start[24:26], "big"), int.from_bytes(start[26:28], "big")
    if context_length > context.MAX_ENCODED or name_length > MAX_NAME:
        raise FormatError("Damaged", "a length is out of range")
    used = PREFIX + context_length + name_length
    rest_length = used + (-used % SECTOR) + 2 * SECTOR - PREFIX
    rest = cobblestone.read_full(source, rest_length)
    if len(rest) < rest_length:
        raise FormatError("Truncated", "ends inside the header")
    whole = start + rest
    fixed, raw_areas = whole[: -2 * SECTOR], [whole[-2 * SECTOR : -SECTOR], whole[-SECTOR:]]
    try:
        pairs = context.decode(fixed[PREFIX : PREFIX + context_length])
        name = fixed[PREFIX + context_length : used].decode("utf-8", "strict")
    except (FormatError, UnicodeDecodeError):
        raise FormatError("Damaged", "the context or the content name breaks a rule") from None
    _check_name(name)
    if any(fixed[used:]):
        raise FormatError("Damaged", "the padding is not zero")
    areas = [parse_area(fixed, raw) for raw in raw_areas]
    if not any(areas):
        raise FormatError("Damaged", "neither slot area is whole")
    if all(areas) and areas[0].sequence == areas[1].sequence:
        raise FormatError("Damaged", "both slot areas carry one sequence number")
    return Header(fixed, fixed[8:24], pairs, name, areas, raw_areas)


def make(data_key: bytes, salt: bytes, header: bytes, source: BinaryIO, sink: BinaryIO) -> None:
    sink.write(header)
    cobblestone.seal(data_key, salt, LABEL + header[: -2 * SECTOR], source, sink)


def open_(data_key: bytes, header: Header, source: BinaryIO, sink: BinaryIO) -> None:
    """The source stands after the header."""
    cobblestone.open_(data_key, header.message_context, source, sink)
