"""Holds docs/recovery/keyservice_recover.py to the vectors, and changes what it reads.

recover_judge.py FILE VECTORS [--pure]          every vector of the formats that it reads
recover_judge.py FILE VECTORS --bare            the hashes' of them in a Python that was built without OpenSSL and ctypes
recover_judge.py FILE VECTORS --change FOLDER   share-*.txt, bundle.ksb, letter.ksa: changed and cut
recover_judge.py FILE VECTORS --terminal FOLDER share-*.txt: typed at a terminal, where they must not be seen

Prints a line for each; exit code 1 when one does not hold.
"""

import base64
import contextlib
import importlib.util
import io
import itertools
import json
import os
import pathlib
import pty
import re
import sys
import zlib

if "--bare" in sys.argv:
    sys.modules["_hashlib"] = sys.modules["ctypes"] = None

import hashlib  # noqa: E402


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

    def parsed(shares, letters=8):
        return [recover.parse_words([word[:letters] for word in text.split()], f"share {i}") for i, text in enumerate(shares)]

    def secret(shares):
        return recover.combine_shares(parsed(shares), passphrase)

    for v in document["positive"]:
        assert secret(v["shares"]) == unhex(v["secret"]), v["name"]
        assert parsed(v["shares"], 4) == parsed(v["shares"])
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
    # What is sealed to a token is no business of a recovery without tokens.
    for v in document["malformed"] + document["sealed"]:
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


def changed_words(folder):
    """Every word of every share in turn, by two others: refused, and the place is named."""
    count = 0
    for path in sorted(folder.glob("share-*.txt")):
        numbers = [recover.NUMBERS[word] for word in recover.words_of(path.read_text())]
        recover.parse_share(numbers, path.name)
        for place in range(len(numbers)):
            for other in (numbers[place] ^ 1, (numbers[place] + 517) % 1024):
                try:
                    recover.parse_share(numbers[:place] + [other] + numbers[place + 1:], path.name)
                    raise AssertionError(f"{path.name}: word {place} went through")
                except recover.Problem as problem:
                    assert (problem.kind, problem.place) == ("Checksum", place), problem.what
                    assert f"word {place + 1} was" in problem.what
                    count += 1
    assert count == 5 * 33 * 2
    return count


def refuses_every_change(raw, step):
    count = 0
    for at in range(0, len(raw), step):
        changed = bytearray(raw)
        changed[at] ^= 1 << at % 8
        assert fault_of(recover.read_bundle, io.BytesIO(bytes(changed))), f"byte {at} may change"
        count += 1
    for length in range(0, len(raw), step):
        fault = fault_of(recover.read_bundle, io.BytesIO(raw[:length]))
        assert fault == ("Truncated" if length else "Empty"), (length, fault)
        count += 1
    assert fault_of(recover.read_bundle, io.BytesIO(raw + b"\0")) == "Damaged"
    return count


def changed_bundle(folder):
    """Every byte of the smallest bundle, some of a larger one and of the installation's own."""
    vectors = json.loads((pathlib.Path(sys.argv[2]) / "backup-bundle.json").read_text("utf-8"))["positive"]
    least = next(v for v in vectors if v["name"] == "least: no key at all")
    return (refuses_every_change(unhex(least["encoded"]), 1) + refuses_every_change(unhex(vectors[0]["encoded"]), 11)
            + refuses_every_change((folder / "bundle.ksb").read_bytes(), 31))


def shares_of(folder):
    return [recover.parse_words(recover.words_of(path.read_text()), path.name) for path in sorted(folder.glob("share-*.txt"))]


def every_subset(folder):
    """Three of five shares or more give the backup key that the bundle names, fewer none."""
    with open(folder / "bundle.ksb", "rb") as file:
        needed_id = recover.read_bundle(file).backup_key_id
    shares, count = shares_of(folder), 0
    for size in range(1, 6):
        for chosen in itertools.combinations(shares[::-1], size):
            count += 1
            if size < 3:
                assert fault_of(recover.combine_shares, list(chosen)) == "TooFew"
            else:
                assert recover.backup_key_id(recover.combine_shares(list(chosen))) == needed_id
    assert count == 31
    return count


def changed_archive(folder):
    """Fixed part, salt, commitment and chunks: refused. One of the two slot areas: opens all the same."""
    raw, shares, versions = (folder / "letter.ksa").read_bytes(), shares_of(folder)[:3], {}
    with open(folder / "bundle.ksb", "rb") as file:
        recover.read_bundle(file, lambda name, version, attributes, material: versions.update({version: material}))
    backup_key = recover.combine_shares(shares)

    def opened(changed):
        source, sink = io.BytesIO(changed), io.BytesIO()
        header = recover.read_archive_header(source)
        for slot in header.slots:
            kek, _ = recover.open_version(backup_key, slot[1:9], versions[slot[1:9]])
            data_key = recover.unwrap_data_key(kek, slot, 3, header.id, header.context)
            if data_key:
                recover.open_archive(data_key, header, source, sink.write)
                return sink.getvalue()
        raise recover.Problem("VerificationFailed", "no slot opens")

    plain, count = opened(raw), 0
    for at in [*range(0, 4096, 37), *range(4096, 12288, 211), *range(12288, len(raw), 3)]:
        changed = bytearray(raw)
        changed[at] ^= 1 << at % 8
        if 4096 <= at < 12288:
            assert opened(bytes(changed)) == plain, at
        else:
            assert fault_of(opened, bytes(changed)), f"byte {at} may change"
        count += 1
    for length in [*range(0, 12344, 997), *range(12344, len(raw))]:
        assert fault_of(opened, raw[:length]), f"opens when cut to {length}"
        count += 1
    assert fault_of(opened, raw + b"\0")
    return count


def terminal(folder):
    """Three shares at a terminal of their own, a word a line: nothing is seen of them."""
    child, screen = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-I", "-S", sys.argv[1], "check"])
    shown = b""

    def until(text):
        nonlocal shown
        begin = len(shown)
        while text not in shown[begin:]:
            piece = os.read(screen, 4096)
            assert piece, shown
            shown += piece

    for number, path in enumerate(sorted(folder.glob("share-*.txt"))[:3], 1):
        typed = recover.words_of(path.read_text())
        for place, word in enumerate([*typed, ""], 1):
            until(b"share %d, word %d: " % (number, place))
            os.write(screen, word.encode() + b"\n")
    with contextlib.suppress(OSError):  # how a terminal ends
        until(b"never")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    behind_prompts = re.findall(rb"share \d, word \d+: ([^\r\n]*)", shown)
    assert len(behind_prompts) == 3 * 34 and not any(behind_prompts), "a word is seen"
    print(shown.decode().splitlines()[-1])


def main():
    recover.choose_aes("--pure" in sys.argv)
    vectors, failed = pathlib.Path(sys.argv[2]), False
    runs = [(name, check, json.loads((vectors / f"{name}.json").read_text("utf-8"))) for name, check in CHECKS.items()]
    if "--bare" in sys.argv:
        runs = [run for run in runs if run[0] in ("slip39", "key-blob", "archive")]
    if "--terminal" in sys.argv:
        runs = [("terminal", terminal, pathlib.Path(sys.argv[sys.argv.index("--terminal") + 1]))]
    if "--change" in sys.argv:
        folder = pathlib.Path(sys.argv[sys.argv.index("--change") + 1])
        runs = [(check.__name__, check, folder) for check in (every_subset, changed_words, changed_bundle, changed_archive)]
    for name, check, argument in runs:
        try:
            count = check(argument)
            print(f"{name}: holds" + (f", {count} changes" if count else ""))
        except AssertionError as error:
            failed = True
            print(f"{name}: FAILED: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
