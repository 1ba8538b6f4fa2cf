"""Judges many inputs in one process: a line "FORMAT HEX" in, a line "ok HEX" or "no" out. The fuzzer compares it with its own verdict."""

import hashlib
import io
import struct

from . import approvals, archive, audit, blob, bundle, context, field, logs, slip39, transcript, transfer, wrapped
from .errors import FormatError

# The data key of the archives that the fuzzer makes: 00 01 02 ... 1f.
_ARCHIVE_KEY = bytes(range(32))


def _context(raw: bytes) -> str:
    return context.encode(context.decode(raw)).hex()


def _token(raw: bytes) -> str:
    return field.parse(raw).encode().hex()


def _token_text(raw: bytes) -> str:
    return field.from_text(raw.decode("utf-8", "replace")).hex()


def _wrapped(raw: bytes) -> str:
    return wrapped.parse(raw).encode().hex()


def _blob(raw: bytes) -> str:
    return (blob.parse_sealed(raw) if raw[:1] == bytes([blob.RSA_OAEP]) else blob.parse(raw)).hex()


def _audit(raw: bytes) -> str:
    return audit.encode(audit.parse(raw)).hex()


def _header(raw: bytes) -> str:
    return hashlib.sha256(archive.read_header(io.BytesIO(raw)).encode()).hexdigest()


def _archive(raw: bytes) -> str:
    source, sink = io.BytesIO(raw), io.BytesIO()
    archive.open_(_ARCHIVE_KEY, archive.read_header(source), source, sink)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _bundle(raw: bytes) -> str:
    return hashlib.sha256(bundle.encode(bundle.read(raw))).hexdigest()


def _note(raw: bytes) -> str:
    return logs.Note.parse(raw).encode().hex()


def _proof(raw: bytes) -> str:
    return logs.Proof.parse(raw).encode().hex()


def _entry(raw: bytes) -> str:
    return logs.Entry.parse(raw).encode().hex()


def _request(raw: bytes) -> str:
    return approvals.Request.parse(raw).encode().hex()


def _approval(raw: bytes) -> str:
    return approvals.Approval.parse(raw).encode().hex()


def _roster(raw: bytes) -> str:
    return approvals.Roster.parse(raw).encode().hex()


def _export(raw: bytes) -> str:
    return approvals.Export.parse(raw).encode().hex()


def _share(raw: bytes) -> str:
    if len(raw) % 2:
        raise FormatError("Length", "half a word")
    numbers = struct.unpack(f"<{len(raw) // 2}H", raw)
    return struct.pack(f"<{len(numbers)}H", *slip39.numbers_of(slip39.parse_numbers(numbers))).hex()


def _transcript(raw: bytes) -> str:
    parsed = transcript.Transcript.parse(raw)
    return f"{parsed.encode().hex()} {','.join(transcript.Verdict(parsed).findings)}"


def _transfer_key(raw: bytes) -> str:
    return transfer.TransferKey.parse(raw).encode().hex()


def _sealed_backup_key(raw: bytes) -> str:
    return transfer.SealedBackupKey.parse(raw).encode().hex()


_FORMATS = {
    "transcript": _transcript,
    "transfer-key": _transfer_key,
    "sealed-backup-key": _sealed_backup_key,
    "share": _share,
    "approval-request": _request,
    "approval": _approval,
    "officer-roster": _roster,
    "approval-export": _export,
    "signed-note": _note,
    "inclusion-proof": _proof,
    "directory-entry": _entry,
    "backup-bundle": _bundle,
    "context": _context,
    "field-token": _token,
    "field-token-text": _token_text,
    "wrapped-data-key": _wrapped,
    "key-blob": _blob,
    "audit-record": _audit,
    "archive-header": _header,
    "archive": _archive,
}
_WITH_FAULT = {"archive-header", "archive", "backup-bundle"}


def _verdict(name: str, raw: bytes) -> str:
    try:
        return "ok " + _FORMATS[name](raw)
    except FormatError as error:
        return f"no {error.fault}" if name in _WITH_FAULT else "no"


def run(source, sink) -> int:
    for line in source:
        name, _, digits = line.strip().partition(" ")
        print(_verdict(name, bytes.fromhex(digits)), file=sink)
    return 0
