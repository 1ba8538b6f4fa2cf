"""Makes and checks tests/vectors/archive.json. What a vector says is written in tests/vectors/archive.md."""

import base64
import hashlib
import io
import zlib

from . import aad, archive, cobblestone, context, wrapped
from .errors import FormatError

KEK = bytes(range(0x40, 0x60))
DATA_KEY = bytes(range(0x00, 0x20))
ARCHIVE_ID = bytes(range(0xA0, 0xB0))
VERSION = bytes.fromhex("1122334455667788")
OTHER_VERSION = bytes.fromhex("99aabbccddeeff01")
SALT = bytes(range(0xC0, 0xD8))
PAIRS = [["database", "ehr"], ["host", "db-1"]]


def plaintext(length: int) -> bytes:
    """Byte i is i mod 251, so that no two chunks are alike."""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def _wrap(version: bytes, iv: bytes, pairs) -> bytes:
    return wrapped.wrap(KEK, version, iv, aad.DATA_KEY_ARCHIVE, ARCHIVE_ID, context.encode(pairs), DATA_KEY)


def _positive(name: str, comment: str, length: int, pairs=None, content_name="dump.sql", slots=None, areas=None) -> dict:
    pairs = PAIRS if pairs is None else pairs
    slots = slots or [_wrap(VERSION, bytes([1]) * 12, pairs)]
    header = archive.new_header(ARCHIVE_ID, pairs, content_name, slots)
    if areas:
        fixed = header[: -2 * archive.SECTOR]
        header = fixed + b"".join(area if isinstance(area, bytes) else archive.encode_area(fixed, area) for area in areas)
    out = io.BytesIO()
    archive.make(DATA_KEY, SALT, header, io.BytesIO(plaintext(length)), out)
    message_context = archive.LABEL + header[: -2 * archive.SECTOR]
    keys = cobblestone.derive(DATA_KEY, SALT, message_context)
    parsed = archive.read_header(io.BytesIO(header))
    return {
        "name": name,
        "comment": comment,
        "kek": KEK.hex(),
        "dataKey": DATA_KEY.hex(),
        "archiveId": ARCHIVE_ID.hex(),
        "context": [list(pair) for pair in context.decode(context.encode(pairs))],
        "encodedContext": context.encode(pairs).hex(),
        "contentName": content_name,
        "sequence": parsed.active.sequence,
        "damagedSlotAreas": sum(area is None for area in parsed.areas),
        "wrappedDataKeys": [slot.hex() for slot in parsed.active.slots],
        "headerLength": len(header),
        "messageContextSha256": hashlib.sha256(message_context).hexdigest(),
        "salt": SALT.hex(),
        "derivedKey": keys.key.hex(),
        "baseNonce": keys.base_nonce.hex(),
        "commitment": keys.commitment.hex(),
        "plaintextLength": length,
        "plaintextSha256": hashlib.sha256(plaintext(length)).hexdigest(),
        "archiveLength": len(out.getvalue()),
        "archiveSha256": hashlib.sha256(out.getvalue()).hexdigest(),
        "archiveZlib": base64.b64encode(zlib.compress(out.getvalue(), 9)).decode("ascii"),
    }


def _negative(name: str, comment: str, of: str, fault: str, edits=(), data_key: bytes = DATA_KEY, header_fault: bool = False) -> dict:
    return {
        "name": name, "comment": comment, "of": of, "edits": list(edits),
        "dataKey": data_key.hex(), "fault": fault, "inHeader": header_fault,
    }


def make() -> dict:
    first, second = _wrap(VERSION, bytes([1]) * 12, PAIRS), _wrap(OTHER_VERSION, bytes([2]) * 12, PAIRS)
    newer = archive.SlotArea(3, [second])
    older = archive.SlotArea(2, [first])
    torn = archive.encode_area(bytes(archive.SECTOR), newer)[:512] + bytes(archive.SECTOR - 512)
    long_pairs = [[f"key-{i}", "v" * 240] for i in range(16)]
    positives = [
        _positive("empty", "no content: one chunk of 0 bytes", 0),
        _positive("one-byte", "", 1),
        _positive("chunk-less-one", "the longest single chunk", 16383),
        _positive("chunk", "a full chunk and an empty one", 16384),
        _positive("chunk-and-one", "", 16385),
        _positive("two-chunks", "two full chunks and an empty one", 32768),
        _positive("three-chunks", "", 40000),
        _positive("no-context", "empty context, empty content name", 5, pairs=[], content_name=""),
        _positive("long-fixed-part", "the fixed part takes two sectors", 5, pairs=long_pairs, content_name="n\u00e4me " + "x" * 200),
        _positive("two-slots", "one data key wrapped by two key versions", 5, slots=[first, second]),
        _positive("sixteen-slots", "as many as there may be", 5, slots=[_wrap(VERSION, bytes([i + 1]) * 12, PAIRS) for i in range(16)]),
        _positive("rewrapped", "the second slot area is in force", 5, areas=[older, newer]),
        _positive("rewrapped-twice", "the first slot area is in force again", 5, areas=[archive.SlotArea(4, [first]), newer]),
        _positive("torn-rewrap", "the write of the second area was torn; the first is in force", 5, areas=[older, torn]),
        _positive("lost-first-area", "the first area is gone, the second opens", 5, areas=[bytes(archive.SECTOR), newer]),
    ]
    payload, sealed = 12288 + 56, cobblestone.SEALED
    small = positives[1]["archiveLength"]

    def area_edit(sequence: int, slot: bytes, index: int) -> dict:
        fixed = archive.fixed_part(ARCHIVE_ID, PAIRS, "dump.sql")
        return {"op": "set", "at": 4096 + 4096 * index, "bytes": archive.encode_area(fixed, archive.SlotArea(sequence, [slot])).hex()}

    header = dict(header_fault=True)
    negatives = [
        _negative("zero-bytes", "", "one-byte", "Empty", [{"op": "truncate", "at": 0}], **header),
        _negative("one-byte-left", "", "one-byte", "Truncated", [{"op": "truncate", "at": 1}], **header),
        _negative("magic-only", "", "one-byte", "Truncated", [{"op": "truncate", "at": 8}], **header),
        _negative("half-header", "", "one-byte", "Truncated", [{"op": "truncate", "at": 8192}], **header),
        _negative("header-less-one", "", "one-byte", "Truncated", [{"op": "truncate", "at": 12287}], **header),
        _negative("other-magic", "", "one-byte", "NotAnArchive", [{"op": "set", "at": 0, "bytes": "89"}], **header),
        _negative("other-version", "", "one-byte", "UnsupportedVersion", [{"op": "set", "at": 7, "bytes": "32"}], **header),
        _negative("context-too-long", "length 4097", "one-byte", "Damaged", [{"op": "set", "at": 24, "bytes": "1001"}], **header),
        _negative("name-too-long", "length 256", "one-byte", "Damaged", [{"op": "set", "at": 26, "bytes": "0100"}], **header),
        _negative("context-broken", "a pair more than there is", "one-byte", "Damaged", [{"op": "set", "at": 28, "bytes": "0003"}], **header),
        _negative("padding", "a byte after the content name", "one-byte", "Damaged", [{"op": "set", "at": 4095, "bytes": "01"}], **header),
        _negative("archive-id", "both hashes cover it", "one-byte", "Damaged", [{"op": "set", "at": 8, "bytes": "00"}], **header),
        _negative("both-areas", "neither hash matches", "one-byte", "Damaged",
                  [{"op": "set", "at": 4100, "bytes": "01"}, {"op": "set", "at": 8196, "bytes": "01"}], **header),
        _negative("one-sequence", "two whole areas with one number", "one-byte", "Damaged", [area_edit(2, second, 1)], **header),
        _negative("sequence-zero", "neither area has a number of 1 or more", "one-byte", "Damaged",
                  [{"op": "set", "at": 4096, "bytes": _area_by_hand(0, 1, first)}, {"op": "set", "at": 8192, "bytes": _area_by_hand(0, 1, second)}], **header),
        _negative("wrong-key", "", "three-chunks", "VerificationFailed", data_key=bytes([1]) + DATA_KEY[1:]),
        _negative("no-payload", "", "one-byte", "Truncated", [{"op": "truncate", "at": 12288}]),
        _negative("salt-only", "", "one-byte", "Truncated", [{"op": "truncate", "at": 12288 + 24}]),
        _negative("no-chunk", "", "one-byte", "Truncated", [{"op": "truncate", "at": payload}]),
        _negative("part-of-a-tag", "", "one-byte", "Truncated", [{"op": "truncate", "at": payload + 15}]),
        _negative("last-byte-missing", "", "one-byte", "VerificationFailed", [{"op": "truncate", "at": small - 1}]),
        _negative("last-chunk-missing", "ends after a full chunk", "chunk", "Truncated", [{"op": "truncate", "at": payload + sealed}]),
        _negative("second-chunk-short", "", "three-chunks", "VerificationFailed", [{"op": "truncate", "at": payload + sealed + 100}]),
        _negative("salt", "", "one-byte", "VerificationFailed", [{"op": "set", "at": 12288, "bytes": "00"}]),
        _negative("commitment", "", "one-byte", "VerificationFailed", [{"op": "set", "at": 12288 + 24, "bytes": "0000"}]),
        _negative("chunk-swap", "chunks 0 and 1 change places", "three-chunks", "VerificationFailed",
                  [{"op": "swap", "at": payload, "with": payload + sealed, "length": sealed}]),
        _negative("appended-byte", "", "one-byte", "VerificationFailed", [{"op": "append", "bytes": "00"}]),
        _negative("appended-tag", "", "empty", "VerificationFailed", [{"op": "append", "bytes": "00" * 16}]),
        _negative("two-sectors-cut-to-one", "a fixed part of another length", "long-fixed-part", "Damaged",
                  [{"op": "set", "at": 24, "bytes": "0002"}], **header),
        _negative("no-slot", "right hashes, 0 slots", "one-byte", "Damaged", _both_areas(0, b""), **header),
        _negative("seventeen-slots", "right hashes, 17 slots", "one-byte", "Damaged", _both_areas(17, first * 17), **header),
        _negative("slot-padding", "right hashes, a byte after the slots", "one-byte", "Damaged", _both_areas(1, first + b"\x01"), **header),
        _negative("slot-format", "right hashes, a slot of another format", "one-byte", "Damaged", _both_areas(1, b"\x02" + first[1:]), **header),
        _negative("slot-of-version-zero", "right hashes, a slot without a key version", "one-byte", "Damaged",
                  _both_areas(1, b"\x01" + bytes(8) + first[9:]), **header),
    ]
    return {"format": "keyservice-archive-vectors-1", "spec": "docs/spec/archive.md", "positive": positives, "negative": negatives}


def _area_by_hand(sequence: int, count: int, body: bytes) -> str:
    """An area whose hash is right and whose content need not be."""
    fixed = archive.fixed_part(ARCHIVE_ID, PAIRS, "dump.sql")
    raw = sequence.to_bytes(8, "big") + bytes([count]) + body
    raw += bytes(archive.SECTOR - 32 - len(raw))
    return (raw + hashlib.sha256(fixed + raw).digest()).hex()


def _both_areas(count: int, body: bytes, sequences=(2, 1)) -> list:
    return [{"op": "set", "at": 4096 + 4096 * i, "bytes": _area_by_hand(sequence, count, body)} for i, sequence in enumerate(sequences)]


def apply(raw: bytes, edits) -> bytes:
    out = bytearray(raw)
    for edit in edits:
        if edit["op"] == "truncate":
            del out[edit["at"] :]
        elif edit["op"] == "append":
            out += bytes.fromhex(edit["bytes"])
        elif edit["op"] == "set":
            new = bytes.fromhex(edit["bytes"])
            out[edit["at"] : edit["at"] + len(new)] = new
        elif edit["op"] == "swap":
            a, b, n = edit["at"], edit["with"], edit["length"]
            out[a : a + n], out[b : b + n] = out[b : b + n], out[a : a + n]
        else:
            raise ValueError(f"unknown edit {edit['op']}")
    return bytes(out)


def _check_positive(vector: dict) -> bytes:
    raw = zlib.decompress(base64.b64decode(vector["archiveZlib"]))
    assert hashlib.sha256(raw).hexdigest() == vector["archiveSha256"] and len(raw) == vector["archiveLength"]
    source = io.BytesIO(raw)
    header = archive.read_header(source)
    assert header.encode() == raw[: vector["headerLength"]]
    assert header.archive_id.hex() == vector["archiveId"] and header.name == vector["contentName"]
    assert [list(pair) for pair in header.context] == vector["context"]
    assert header.active.sequence == vector["sequence"]
    assert sum(area is None for area in header.areas) == vector["damagedSlotAreas"]
    assert [slot.hex() for slot in header.active.slots] == vector["wrappedDataKeys"]
    data_key = bytes.fromhex(vector["dataKey"])
    for slot in header.active.slots:
        kek, encoded = bytes.fromhex(vector["kek"]), bytes.fromhex(vector["encodedContext"])
        assert wrapped.unwrap(kek, slot, aad.DATA_KEY_ARCHIVE, header.archive_id, encoded) == data_key
    keys = cobblestone.derive(data_key, bytes.fromhex(vector["salt"]), header.message_context)
    assert hashlib.sha256(header.message_context).hexdigest() == vector["messageContextSha256"]
    assert (keys.key.hex(), keys.base_nonce.hex(), keys.commitment.hex()) == (
        vector["derivedKey"], vector["baseNonce"], vector["commitment"])
    out = io.BytesIO()
    archive.open_(data_key, header, source, out)
    assert out.getvalue() == plaintext(vector["plaintextLength"])
    assert hashlib.sha256(out.getvalue()).hexdigest() == vector["plaintextSha256"]
    again = io.BytesIO()
    archive.make(data_key, bytes.fromhex(vector["salt"]), raw[: vector["headerLength"]], io.BytesIO(out.getvalue()), again)
    assert again.getvalue() == raw
    return raw


def check(document: dict) -> int:
    """Reads and makes every vector; the number checked."""
    archives = {vector["name"]: _check_positive(vector) for vector in document["positive"]}
    for vector in document["negative"]:
        source = io.BytesIO(apply(archives[vector["of"]], vector["edits"]))
        in_header = True
        try:
            header = archive.read_header(source)
            in_header = False
            archive.open_(bytes.fromhex(vector["dataKey"]), header, source, io.BytesIO())
        except FormatError as error:
            assert (error.fault, in_header) == (vector["fault"], vector["inHeader"]), (vector["name"], error.fault)
        else:
            raise AssertionError(f"{vector['name']} opened")
    return len(document["positive"]) + len(document["negative"])
