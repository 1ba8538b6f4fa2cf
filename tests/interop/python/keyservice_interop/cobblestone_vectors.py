"""Makes and checks tests/vectors/cobblestone.json: bare Cobblestone-256 messages, without an archive's header around them."""

import hashlib
import io

from . import cobblestone
from .archive_vectors import plaintext
from .errors import FormatError

CHUNK, SEALED, PREFIX = cobblestone.CHUNK, cobblestone.SEALED, cobblestone.SALT + cobblestone.COMMITMENT
_KEY = bytes(range(0x20, 0x40))
_SALT = bytes(range(0x80, 0x98))
# A message that is written out in the file, so that it can be looked at, has at most so many bytes.
_SHOWN = 200


def _message(vector: dict) -> bytes:
    sink = io.BytesIO()
    cobblestone.seal(
        bytes.fromhex(vector["key"]), bytes.fromhex(vector["salt"]), bytes.fromhex(vector["context"]),
        io.BytesIO(plaintext(vector["plaintextLength"])), sink)
    return sink.getvalue()


def _positive(name: str, length: int, context: bytes = b"", key: bytes = _KEY, salt: bytes = _SALT) -> dict:
    keys = cobblestone.derive(key, salt, context)
    vector = {
        "name": name, "key": key.hex(), "salt": salt.hex(), "context": context.hex(), "plaintextLength": length,
        "derivedKey": keys.key.hex(), "baseNonce": keys.base_nonce.hex(), "commitment": keys.commitment.hex(),
    }
    message = _message(vector)
    vector.update(messageLength=len(message), messageSha256=hashlib.sha256(message).hexdigest())
    if len(message) <= _SHOWN:
        vector["message"] = message.hex()
    return vector


def _edited(message: bytes, edit: dict) -> bytes:
    """Cut to a length, then pieces put in the place of what is there, then bytes added at the end."""
    message = bytearray(message[: edit.get("length", len(message))])
    if "flip" in edit:
        message[edit["flip"]] ^= 0x01
    if "swapChunks" in edit:
        one, other = (PREFIX + number * SEALED for number in edit["swapChunks"])
        message[one : one + SEALED], message[other : other + SEALED] = message[other : other + SEALED], message[one : one + SEALED]
    return bytes(message) + bytes.fromhex(edit.get("append", ""))


def _open(message: bytes, key: str, context: str):
    """The fault, or None, and what was released."""
    sink = io.BytesIO()
    try:
        cobblestone.open_(bytes.fromhex(key), bytes.fromhex(context), io.BytesIO(message), sink)
        return None, sink.getvalue()
    except FormatError as error:
        return error.fault, sink.getvalue()


def _negative(name: str, of: dict, edit=None, key=None, context=None) -> dict:
    vector = {"name": name, "of": of["name"], "edit": edit or {}, "key": (key or bytes.fromhex(of["key"])).hex(), "context": of["context"] if context is None else context.hex()}
    fault, released = _open(_edited(_message(of), vector["edit"]), vector["key"], vector["context"])
    if fault is None:
        raise AssertionError(f"{name} opens")
    return {**vector, "fault": fault, "released": len(released)}


def make() -> dict:
    positive = [
        _positive("empty", 0),
        _positive("one byte", 1),
        _positive("a hundred bytes with a context", 100, b"context"),
        _positive("a context of zeros is not no context", 1, bytes(1)),
        _positive("a long context", 1, bytes(range(256)) * 20),
        _positive("another key and salt", 33, b"context", bytes(reversed(range(32))), bytes(24)),
        _positive("one byte less than a chunk", CHUNK - 1),
        _positive("a chunk exactly", CHUNK),
        _positive("a chunk and a byte", CHUNK + 1),
        _positive("two chunks exactly", 2 * CHUNK),
        _positive("more than a segment of chunks", 65 * CHUNK + 5, b"context"),
    ]
    by_name = {vector["name"]: vector for vector in positive}
    hundred, chunk, two, many = (by_name[name] for name in ("a hundred bytes with a context", "a chunk exactly", "two chunks exactly", "more than a segment of chunks"))
    negative = [
        _negative("nothing at all", hundred, {"length": 0}),
        _negative("ends in the salt", hundred, {"length": 23}),
        _negative("ends in the commitment", hundred, {"length": PREFIX - 1}),
        _negative("ends before the first chunk", hundred, {"length": PREFIX}),
        _negative("ends inside the tag", hundred, {"length": PREFIX + 15}),
        _negative("a byte is missing", hundred, {"length": PREFIX + 115}),
        _negative("a byte too many", hundred, {"append": "00"}),
        _negative("a bit of the salt", hundred, {"flip": 0}),
        _negative("a bit of the commitment", hundred, {"flip": 55}),
        _negative("a bit of the ciphertext", hundred, {"flip": PREFIX}),
        _negative("a bit of the tag", hundred, {"flip": PREFIX + 115}),
        _negative("another key", hundred, key=_KEY[:-1] + b"\0"),
        _negative("another context", hundred, context=b"Context"),
        _negative("no context", hundred, context=b""),
        _negative("the empty last chunk is missing", chunk, {"length": PREFIX + SEALED}),
        _negative("the last chunk is missing", two, {"length": PREFIX + 2 * SEALED}),
        _negative("only the first of two chunks", two, {"length": PREFIX + SEALED}),
        _negative("two chunks are swapped", two, {"swapChunks": [0, 1]}),
        _negative("the second chunk is damaged", two, {"flip": PREFIX + SEALED}),
        _negative("the last chunk of many is damaged", many, {"flip": PREFIX + 65 * SEALED}),
        _negative("two chunks of different segments are swapped", many, {"swapChunks": [1, 64]}),
        _negative("many chunks without their end", many, {"length": PREFIX + 64 * SEALED}),
    ]
    return {
        "format": "keyservice-cobblestone-vectors-1",
        "spec": "docs/spec/archive.md",
        "note": "Bare messages of C2SP chunked encryption, Cobblestone-256. Byte i of a plaintext is i mod 251. An edit cuts to length, flips the lowest bit of the byte at flip, "
        "swaps two whole chunks by number, appends. released: bytes of plaintext that a reader which goes chunk by chunk gives out before it refuses.",
        "positive": positive,
        "negative": negative,
    }


def check(document: dict) -> int:
    by_name = {vector["name"]: vector for vector in document["positive"]}
    for vector in document["positive"]:
        message = _message(vector)
        if hashlib.sha256(message).hexdigest() != vector["messageSha256"] or vector.get("message", message.hex()) != message.hex():
            raise AssertionError(f"{vector['name']}: another message comes out")
        if _open(message, vector["key"], vector["context"]) != (None, plaintext(vector["plaintextLength"])):
            raise AssertionError(f"{vector['name']}: does not open")
    for vector in document["negative"]:
        fault, released = _open(_edited(_message(by_name[vector["of"]]), vector["edit"]), vector["key"], vector["context"])
        if (fault, len(released)) != (vector["fault"], vector["released"]):
            raise AssertionError(f"{vector['name']}: {fault} after {len(released)} bytes")
    return len(document["positive"]) + len(document["negative"])
