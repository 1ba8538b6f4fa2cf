"""Holds docs/recovery/keyservice_recover.py to the vectors: recover_vectors.py FILE VECTORS [--pure].

Prints a line for each file of vectors; exit code 1 when one does not hold.
"""

import base64
import hashlib
import importlib.util
import io
import json
import pathlib
import sys
import zlib


def load(path):
    spec = importlib.util.spec_from_file_location("keyservice_recover", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recover = load(sys.argv[1])
unhex = bytes.fromhex


class OneWay(io.RawIOBase):
    """A source that cannot be searched, as a pipe."""

    def __init__(self, raw):
        super().__init__()
        self._source = io.BytesIO(raw)

    def read(self, size=-1):
        return self._source.read(size)


def fault_of(call, *arguments):
    try:
        call(*arguments)
    except recover.Problem as problem:
        assert problem.kind in recover.ADVICE, problem.kind
        return problem.kind
    return None


def content(length):
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def slip39(document):
    passphrase = document["passphrase"].encode()

    def secret(shares):
        return recover.combine_shares([recover.parse_words(text.split(), f"share {i}") for i, text in enumerate(shares)], passphrase)

    for v in document["positive"]:
        assert secret(v["shares"]) == unhex(v["secret"]), v["name"]
        assert secret([" ".join(word[:4] for word in text.split()) for text in v["shares"]]) == unhex(v["secret"]), v["name"]
    for v in document["negative"]:
        assert fault_of(secret, v["shares"]), v["name"]


def key_blob(document):
    for v in document["positive"]:
        kek, version = unhex(v["kek"]), unhex(v["keyVersion"])
        for key, made in (("rootKey", "rootBlob"), ("backupKey", "backupBlob")):
            assert recover.unwrap_key_blob(unhex(v[key]), unhex(v[made])) == kek
            assert recover.key_wrap(unhex(v[key]), kek) == unhex(v[made])[1:]
        assert recover.unwrap_key_blob(unhex(v["backupKey"]), unhex(v["rootBlob"])) is None
        assert recover.unwrap_data_key(kek, unhex(v["checkValue"]), 5, b"", recover.NO_CONTEXT) == unhex(v["versionHash"])
        assert recover.associated_data(5, 1, version, b"", recover.NO_CONTEXT) == unhex(v["aad"])
        assert recover.backup_key_id(unhex(v["backupKey"])) == unhex(v["backupKeyId"])
    for v in document["malformed"]:
        assert fault_of(recover.unwrap_key_blob, bytes(32), unhex(v["blob"])) == "Malformed", v["name"]


def backup_bundle(document):
    backup = unhex(document["backupKey"])
    for v in document["positive"]:
        seen = []
        read = recover.read_bundle(io.BytesIO(unhex(v["encoded"])), lambda *entry: seen.append(entry))
        assert (read.installation, read.id, read.sequence, read.kind) == (unhex(v["installationId"]), unhex(v["bundleId"]), v["sequence"], v["kind"])
        assert (read.made_at, read.backup_key_id, read.left_out) == (int(v["madeAt"]), recover.backup_key_id(backup), v["omitted"])
        assert read.previous == (unhex(v["previous"]) or bytes(32)) and read.digest == unhex(v["digest"])
        assert hashlib.sha256(read.signing_key).hexdigest() == v["fingerprint"]
        expected = []
        for key in v["keys"]:
            expected.append((key["name"], None, {number: int(value) for number, value in key["attributes"]}))
            expected += [(key["name"], unhex(each["id"]), {number: int(value) for number, value in each["attributes"]}) for each in key["versions"]]
        assert [entry[:3] for entry in seen] == expected, v["name"]
        assert (read.keys, read.versions) == (len(v["keys"]), sum(len(key["versions"]) for key in v["keys"]))
        materials = {version: material for _, version, _, material in seen if version}
        for each in (each for key in v["keys"] for each in key["versions"]):
            material = materials[unhex(each["id"])]
            if each["kek"] is None:
                assert material is None
                continue
            assert recover.open_version(backup, unhex(each["id"]), material) == (unhex(each["kek"]), unhex(each["bulkKey"]))
            assert fault_of(recover.open_version, bytes(32), unhex(each["id"]), material) == "VerificationFailed"
    for v in document["negative"]:
        fault = fault_of(recover.read_bundle, io.BytesIO(unhex(v["encoded"])))
        assert fault == v["fault"], (v["name"], fault, v["fault"])


def archive(document):
    archives = {}

    def opened(data_key, raw, kind):
        source, sink = kind(raw), io.BytesIO()
        fault, in_header = None, True
        try:
            header = recover.read_archive_header(source)
            in_header = False
            recover.open_archive(data_key, header, source, sink.write)
        except recover.Problem as problem:
            fault = problem.kind
        return fault, in_header, sink.getvalue()

    for v in document["positive"]:
        raw = archives[v["name"]] = zlib.decompress(base64.b64decode(v["archiveZlib"]))
        header = recover.read_archive_header(io.BytesIO(raw))
        assert (header.id, header.name, header.damaged_areas) == (unhex(v["archiveId"]), v["contentName"], v["damagedSlotAreas"])
        assert header.context == unhex(v["encodedContext"]) and [list(pair) for pair in recover.decode_context(header.context)] == sorted(v["context"])
        slots = [unhex(slot) for slot in v["wrappedDataKeys"]]
        assert header.slots[:len(slots)] == slots
        for slot in slots:
            assert recover.unwrap_data_key(unhex(v["kek"]), slot, 3, header.id, header.context) == unhex(v["dataKey"])
            assert recover.unwrap_data_key(unhex(v["kek"]), slot, 3, bytes(16), header.context) is None
        for kind in (io.BytesIO, OneWay):
            assert opened(unhex(v["dataKey"]), raw, kind) == (None, False, content(v["plaintextLength"])), v["name"]
    for v in document["negative"]:
        raw = bytearray(archives[v["of"]])
        for edit in v["edits"]:
            at, length = edit.get("at"), edit.get("length")
            if edit["op"] == "truncate":
                del raw[at:]
            elif edit["op"] == "append":
                raw += unhex(edit["bytes"])
            elif edit["op"] == "set":
                raw[at:at + len(unhex(edit["bytes"]))] = unhex(edit["bytes"])
            else:
                raw[at:at + length], raw[edit["with"]:edit["with"] + length] = raw[edit["with"]:edit["with"] + length], raw[at:at + length]
        for kind in (io.BytesIO, OneWay):
            fault, in_header, released = opened(unhex(v["dataKey"]), bytes(raw), kind)
            assert (fault, in_header) == (v["fault"], v["inHeader"]), (v["name"], fault)
            assert content(len(released)) == released, v["name"]


def cobblestone(document):
    def opened(v, raw, kind):
        sink = io.BytesIO()
        fault = fault_of(recover.cobblestone_256_open, unhex(v["key"]), unhex(v["context"]), kind(raw), sink.write)
        return fault, sink.getvalue()

    def message(v):
        """Made here, where only the beginning is in the file: GCM's counter mode and tag by the functions that open."""
        if "message" in v:
            return unhex(v["message"])
        key, base, plain = recover.PureAes256(unhex(v["derivedKey"])), int(v["baseNonce"], 16), content(v["plaintextLength"])
        out = unhex(v["salt"]) + unhex(v["commitment"])
        for number in range(len(plain) // 16384 + 1):
            nonce, piece = (base ^ number).to_bytes(12, "big"), plain[16384 * number:16384 * (number + 1)]
            zeros = bytes(len(piece))
            stream = key.gcm_open(nonce, zeros + key.gcm_tag(nonce, zeros, b""))
            sealed = recover.xor(piece, stream)
            out += sealed + key.gcm_tag(nonce, sealed, b"")
        return out

    messages = {}
    pure = recover.Aes256 is recover.PureAes256
    for v in document["positive"]:
        if pure and v["plaintextLength"] > 100_000:
            continue
        raw = messages[v["name"]] = message(v)
        assert hashlib.sha256(raw).hexdigest() == v["messageSha256"], v["name"]
        for kind in (io.BytesIO, OneWay):
            assert opened(v, raw, kind) == (None, content(v["plaintextLength"])), v["name"]
    for v in document["negative"]:
        if v["of"] not in messages:
            continue
        raw, edit = bytearray(messages[v["of"]]), v["edit"]
        if "length" in edit:
            del raw[edit["length"]:]
        if "flip" in edit:
            raw[edit["flip"]] ^= 1
        if "swapChunks" in edit:
            a, b = (56 + 16400 * number for number in edit["swapChunks"])
            raw[a:a + 16400], raw[b:b + 16400] = raw[b:b + 16400], raw[a:a + 16400]
        raw += unhex(edit.get("append", ""))
        fault, released = opened(v, bytes(raw), OneWay)
        assert (fault, len(released)) == (v["fault"], v["released"]), (v["name"], fault, len(released))
        fault, released = opened(v, bytes(raw), io.BytesIO)
        assert fault in ("Truncated", "VerificationFailed") and content(len(released)) == released, v["name"]


def field_token(document):
    for v in document["positive"]:
        token, context = recover.parse_token(unhex(v["token"])), recover.encode_context(v["context"])
        assert recover.parse_token_text(v["text"]) == token and token.form == v["format"]
        assert recover.open_token(unhex(v["key"]), token, context) == unhex(v["plaintext"]), v["name"]
    for v in document["doesNotOpen"]:
        try:
            token = recover.parse_token(unhex(v["token"]))
        except recover.Problem:
            continue
        assert recover.open_token(unhex(v["key"]), token, recover.encode_context(v["context"])) is None, v["name"]
    for v in document["malformed"]:
        assert fault_of(recover.parse_token, unhex(v["token"])) == "Malformed", v["name"]
    for v in document["malformedText"]:
        assert fault_of(recover.parse_token_text, v["text"]) == "Malformed", v["name"]


def wrapped_data_key(document):
    for v in document["positive"]:
        wrapped, context = unhex(v["wrapped"]), recover.encode_context(v["context"])
        assert recover.is_wrapped_key(wrapped) and context == unhex(v["contextEncoded"])
        assert recover.unwrap_data_key(unhex(v["kek"]), wrapped, v["purpose"], unhex(v["subject"]), context) == unhex(v["dataKey"])
    for v in document["malformed"]:
        assert not recover.is_wrapped_key(unhex(v["wrapped"])), v["name"]


def context(document):
    for v in document["positive"]:
        encoded = unhex(v["encoded"])
        assert recover.encode_context(v["pairs"]) == encoded, v["name"]
        assert recover.encode_context(recover.decode_context(encoded)) == encoded, v["name"]
    for v in document["negativePairs"]:
        pairs = [tuple(unhex(text).decode("utf-16-be", "surrogatepass") for text in pair) for pair in v["pairsUtf16"]]
        assert fault_of(recover.encode_context, pairs) == "Malformed", v["name"]
    for v in document["negativeEncoded"]:
        try:
            assert fault_of(recover.decode_context, unhex(v["encoded"])) == "Malformed", v["name"]
        except UnicodeDecodeError:
            pass


CHECKS = {
    "slip39": slip39, "key-blob": key_blob, "backup-bundle": backup_bundle, "archive": archive, "cobblestone": cobblestone,
    "field-token": field_token, "wrapped-data-key": wrapped_data_key, "context": context,
}


def main():
    recover.choose_aes("--pure" in sys.argv)
    failed = False
    for name, check in CHECKS.items():
        try:
            check(json.loads((pathlib.Path(sys.argv[2]) / f"{name}.json").read_text("utf-8")))
            print(f"{name}: holds")
        except AssertionError as error:
            failed = True
            print(f"{name}: FAILED: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
