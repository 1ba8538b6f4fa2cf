"""python3 -m keyservice_interop: checks the vectors; opens and makes archives, field tokens and wrapped data keys.

Keys come from files of hexadecimal digits, never from arguments. Exit code 0: done; 4: does not verify; 2: usage and other errors.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys

from . import aad, approvals, archive, archive_vectors, blob, bundle, cobblestone_vectors, context, exports, field, judge, logs, transcript, vectors, wrapped
from .errors import FormatError


def _key(path: str) -> bytes:
    return bytes.fromhex(pathlib.Path(path).read_text("ascii").strip())


def _pairs(arguments) -> list:
    return [tuple(pair.split("=", 1)) for pair in arguments.context or []]


def _source(path: str):
    return sys.stdin.buffer if path == "-" else open(path, "rb")


@contextlib.contextmanager
def _sink(path: str):
    """Standard output, or a new file that stays only when all went well."""
    if path == "-":
        yield sys.stdout.buffer
        return
    with open(path, "xb") as file:
        try:
            yield file
        except BaseException:
            os.unlink(path)
            raise


def _vectors(arguments) -> int:
    return vectors.run(arguments.directory)


def _make_vectors(arguments) -> int:
    pathlib.Path(arguments.file).write_text(json.dumps(archive_vectors.make(), indent=1) + "\n", "utf-8")
    return 0


def _make_cobblestone_vectors(arguments) -> int:
    pathlib.Path(arguments.file).write_text(json.dumps(cobblestone_vectors.make(), indent=1) + "\n", "utf-8")
    return 0


def _inspect(arguments) -> int:
    with _source(arguments.file) as source:
        header = archive.read_header(source)
    print(json.dumps({
        "archiveId": header.archive_id.hex(),
        "context": [list(pair) for pair in header.context],
        "contentName": header.name,
        "sequence": header.active.sequence,
        "damagedSlotAreas": sum(area is None for area in header.areas),
        "keyVersions": [wrapped.parse(slot).version.hex() for slot in header.active.slots],
        "wrappedDataKeys": [slot.hex() for slot in header.active.slots],
    }))
    return 0


def _archive_open(arguments) -> int:
    with _source(arguments.file) as source, _sink(arguments.output) as sink:
        archive.open_(_key(arguments.key_hex_file), archive.read_header(source), source, sink)
    return 0


def _archive_make(arguments) -> int:
    slots = [_key(path) for path in arguments.wrapped_hex_file]
    header = archive.new_header(bytes.fromhex(arguments.archive_id), _pairs(arguments), arguments.name, slots)
    with _source(arguments.file) as source, _sink(arguments.output) as sink:
        archive.make(_key(arguments.key_hex_file), os.urandom(24), header, source, sink)
    return 0


def _bundle_open(arguments) -> int:
    with _source(arguments.file) as source:
        read = bundle.read(source.read())
    backup_key = _key(arguments.key_hex_file)
    if blob.backup_key_id(backup_key) != read.backup_key_id:
        raise ValueError(f"the bundle is under the backup key {read.backup_key_id.hex()}")
    bundle.open_integrity_key(backup_key, read)
    for key in read.keys:
        for version in key.versions:
            if version.kek_blob is None:
                print(json.dumps({"key": key.name, "version": version.id.hex(), "opened": False}))
                continue
            opened = bundle.open_version(backup_key, version)
            made = {"key": key.name, "version": version.id.hex(), "opened": True}
            if arguments.show_keys:
                made |= {"kek": opened.kek.hex(), "bulkKey": opened.bulk_key.hex()}
            print(json.dumps(made))
    return 0


def _token_in(arguments) -> bytes:
    raw = sys.stdin.buffer.read()
    return field.from_text(raw.decode("ascii").strip()) if arguments.text else raw


def _field_open(arguments) -> int:
    sys.stdout.buffer.write(field.open_(_key(arguments.key_hex_file), _token_in(arguments), context.encode(_pairs(arguments))))
    return 0


def _field_make(arguments) -> int:
    fmt = {8: field.FORMAT_BULK_KEY, 16: field.FORMAT_DATA_KEY}[len(bytes.fromhex(arguments.key_id))]
    token = field.make(
        _key(arguments.key_hex_file), fmt, bytes.fromhex(arguments.key_id), os.urandom(24),
        context.encode(_pairs(arguments)), sys.stdin.buffer.read())
    sys.stdout.buffer.write(field.to_text(token).encode("ascii") if arguments.text else token)
    return 0


def _unwrap(arguments) -> int:
    key = wrapped.unwrap(
        _key(arguments.key_hex_file), _key(arguments.wrapped_hex_file), arguments.purpose,
        bytes.fromhex(arguments.subject), context.encode(_pairs(arguments)))
    print(key.hex())
    return 0


def _wrap(arguments) -> int:
    data_key = bytes.fromhex(sys.stdin.read().strip())
    print(wrapped.wrap(
        _key(arguments.key_hex_file), bytes.fromhex(arguments.version), os.urandom(12), arguments.purpose,
        bytes.fromhex(arguments.subject), context.encode(_pairs(arguments)), data_key).hex())
    return 0


def _read_all(paths) -> list:
    return [pathlib.Path(path).read_bytes() for path in paths or []]


def _keys(arguments) -> list:
    return [key for raw in _read_all(arguments.key) for key in exports.read_keys(raw.decode("utf-8"))]


def _audit_verify(arguments) -> int:
    held = [logs.Note.parse(raw) for raw in _read_all(arguments.checkpoint)]
    export = exports.Export(arguments.directory, _keys(arguments), held)
    print(json.dumps({
        "verdict": export.verdict,
        "installation": export.installation,
        "logs": [{"slot": slot, "start": start, "size": size, "heldSize": covered} for slot, (start, size, covered) in sorted(export.slots.items())],
        "findings": [list(finding) for finding in export.findings],
    }))
    return 4 if export.findings else 0


def _audit_verify_proof(arguments) -> int:
    keys = _keys(arguments)
    if not keys:
        raise ValueError("a proof proves nothing without the log's key")
    directory = pathlib.Path(arguments.directory).read_bytes() if arguments.directory else None
    record = exports.verify_proof(pathlib.Path(arguments.file).read_bytes(), directory, keys)
    print(json.dumps({name: record[name] for name in ("slot", "sequence", "event", "type", "outcome")}))
    return 0


def _approval_verify(arguments) -> int:
    export = approvals.Export.parse(pathlib.Path(arguments.file).read_bytes())
    finding, number = approvals.chain(export.rosters)
    if finding != "Valid":
        print(json.dumps({"verdict": "RosterNotVerified", "roster": number, "finding": finding}))
        return 4
    first = export.rosters[0].hash().hex()
    if arguments.first_roster not in (None, first):
        print(json.dumps({"verdict": "RosterNotVerified", "roster": 1, "finding": "AnotherFirstRoster", "firstRoster": first}))
        return 4
    verdict, worth = approvals.judge(export)
    print(json.dumps({
        "verdict": verdict, "digest": export.request.digest().hex(), "method": export.request.method, "requester": export.request.requester, "firstRoster": first,
        "decisions": [{"officer": each.officer, "decision": each.decision, "counts": counts} for each, counts in zip(export.approvals, worth)],
    }))
    return 0 if verdict == "Granted" else 4


def _transcript_verify(arguments) -> int:
    read = transcript.Transcript.parse(pathlib.Path(arguments.file).read_bytes())
    verdict = transcript.Verdict(read)
    print(json.dumps({
        "kind": read.kind, "rehearsal": read.is_rehearsal, "ending": verdict.ending, "entries": len(read.entries), "lastHash": read.head.hex(),
        "people": verdict.roles, "signedBy": [f"{each.kind} {each.signer}" for each in read.signatures], "notSignedBy": verdict.unsigned, "findings": verdict.findings,
    }))
    return 4 if verdict.findings else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m keyservice_interop", description=__doc__.split("\n")[0])
    areas = parser.add_subparsers(required=True)

    approval = areas.add_parser("approval", help="approvals of a quorum").add_subparsers(required=True)
    verify = approval.add_parser("verify", help="check an export with the file alone")
    verify.add_argument("file")
    verify.add_argument("--first-roster", help="hash of the first roster, 64 hexadecimal digits")
    verify.set_defaults(run=_approval_verify)

    ceremonies = areas.add_parser("transcript", help="transcripts of key ceremonies").add_subparsers(required=True)
    verify = ceremonies.add_parser("verify", help="check a transcript with the file alone")
    verify.add_argument("file")
    verify.set_defaults(run=_transcript_verify)

    check = areas.add_parser("vectors", help="check all vectors of a directory, reading and making each")
    check.add_argument("directory")
    check.set_defaults(run=_vectors)
    judged = areas.add_parser("judge", help="verdicts on many inputs, a line each, for the fuzzer")
    judged.set_defaults(run=lambda arguments: judge.run(sys.stdin, sys.stdout))
    make = areas.add_parser("make-archive-vectors", help="write the archive vectors")
    make.add_argument("file")
    make.set_defaults(run=_make_vectors)
    bare = areas.add_parser("make-cobblestone-vectors", help="write the vectors of the bare message")
    bare.add_argument("file")
    bare.set_defaults(run=_make_cobblestone_vectors)

    def command(area, name, run, *, key=True, pairs=True, file=False, output=False):
        sub = area.add_parser(name)
        sub.set_defaults(run=run)
        if key:
            sub.add_argument("--key-hex-file", required=True, help="file with the key in hexadecimal digits")
        if pairs:
            sub.add_argument("--context", action="append", metavar="KEY=VALUE")
        if output:
            sub.add_argument("-o", "--output", default="-", help="new file, - for standard output")
        if file:
            sub.add_argument("file", help="input file, - for standard input")
        return sub

    archives = areas.add_parser("archive").add_subparsers(required=True)
    command(archives, "inspect", _inspect, key=False, pairs=False, file=True)
    command(archives, "open", _archive_open, pairs=False, file=True, output=True)
    made = command(archives, "make", _archive_make, file=True, output=True)
    made.add_argument("--archive-id", required=True, metavar="HEX")
    made.add_argument("--name", default="")
    made.add_argument("--wrapped-hex-file", action="append", required=True)

    bundles = areas.add_parser("bundle").add_subparsers(required=True)
    opened = command(bundles, "open", _bundle_open, pairs=False, file=True)
    opened.add_argument("--show-keys", action="store_true", help="print KEKs and bulk keys: for tests alone")

    audits = areas.add_parser("audit").add_subparsers(required=True)
    verify = command(audits, "verify", _audit_verify, key=False, pairs=False)
    verify.add_argument("directory", help="what keyservice audit export wrote")
    verify.add_argument("--checkpoint", action="append", metavar="FILE", help="held elsewhere")
    proven = command(audits, "verify-proof", _audit_verify_proof, key=False, pairs=False, file=True)
    proven.add_argument("--directory", metavar="FILE", help="the directory's proof")
    for sub in (verify, proven):
        sub.add_argument("--key", action="append", metavar="FILE", help="vkeys, a line each")

    fields = areas.add_parser("field", help="token or plaintext on standard input and output").add_subparsers(required=True)
    command(fields, "open", _field_open).add_argument("--text", action="store_true")
    token = command(fields, "make", _field_make)
    token.add_argument("--text", action="store_true")
    token.add_argument("--key-id", required=True, metavar="HEX", help="8-byte key-version id or 16-byte data-key id")

    keys = areas.add_parser("data-key").add_subparsers(required=True)
    for name, run in (("unwrap", _unwrap), ("wrap", _wrap)):
        sub = command(keys, name, run)
        sub.add_argument("--purpose", type=int, choices=sorted(aad.RULES), required=True)
        sub.add_argument("--subject", default="", metavar="HEX")
        if name == "unwrap":
            sub.add_argument("--wrapped-hex-file", required=True)
        else:
            sub.add_argument("--version", required=True, metavar="HEX")
    return parser


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return arguments.run(arguments)
    except FormatError as error:
        print(f"{error.fault}: {error}", file=sys.stderr)
        return 4
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
