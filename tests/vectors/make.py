#!/usr/bin/env python3
"""Made the vectors in this folder, once, from docs/spec and python3-cryptography alone: it shares no code with the service.

The .json files are the reference and are fixed. Run it again only to add vectors (python3 make.py, in this folder); git diff must then
show additions only. Every key, nonce and id below comes out of SHA-256 over a label: they are test data, not secrets.
"""

import base64
import functools
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

LABEL = b"keyservice/v1\x00"


def draw(label, length):
    out = b""
    while len(out) < length:
        out += hashlib.sha256(f"{label}/{len(out)}".encode()).digest()
    return out[:length]


# ---------------------------------------------------------------- context
def context(pairs):
    items = sorted((k.encode(), v.encode()) for k, v in pairs)
    out = struct.pack(">H", len(items))
    for k, v in items:
        out += struct.pack(">H", len(k)) + k + struct.pack(">H", len(v)) + v
    return out


def raw(*pairs, count=None, tail=b""):
    out = struct.pack(">H", len(pairs) if count is None else count)
    for k, v in pairs:
        out += struct.pack(">H", len(k)) + k + struct.pack(">H", len(v)) + v
    return out + tail


def utf16(text):
    return text.encode("utf-16-be", "surrogatepass").hex()


def make_context():
    big = [(f"k{i:02d}", "v" * 250) for i in range(16)]
    room = 4096 - len(context(big))
    positive = [
        ("empty", []),
        ("one pair", [("tenant", "st-mary")]),
        ("given out of order", [("table", "observation"), ("column", "value"), ("tenant", "st-mary")]),
        ("a key that begins another sorts first", [("ab", "2"), ("a", "1"), ("abc", "3")]),
        ("empty value", [("note", "")]),
        ("sorted by bytes, not by UTF-16 units: U+FF01 before U+1F511", [("\U0001F511", "key"), ("\uFF01", "mark")]),
        ("capital letters before small ones", [("a", "1"), ("B", "2")]),
        ("nothing is normalised: composed and decomposed differ", [("\u00e9", "composed"), ("e\u0301", "decomposed")]),
        ("noncharacters and controls are text", [("\u0001", "\uffff\u007f")]),
        ("longest key and longest value", [("k" * 255, "v" * 1024)]),
        ("16 pairs of 4096 bytes encoded", big[:-1] + [("k15", "v" * (250 + room))]),
    ]
    negative_pairs = [
        ("17 pairs", [(f"k{i:02d}", "") for i in range(17)]),
        ("a key twice", [("a", "1"), ("b", "2"), ("a", "1")]),
        ("empty key", [("", "x")]),
        ("key of 256 bytes", [("k" * 256, "")]),
        ("key of 128 characters and 256 bytes", [("\u00e9" * 128, "")]),
        ("value of 1025 bytes", [("k", "v" * 1025)]),
        ("4097 bytes encoded", big[:-1] + [("k15", "v" * (251 + room))]),
        ("U+FFFD in a key", [("a\ufffd", "x")]),
        ("U+FFFD in a value", [("a", "\ufffd")]),
        ("U+0000 in a key", [("a\u0000", "x")]),
        ("U+0000 in a value", [("a", "x\u0000")]),
        ("lone high surrogate", [("a", "\ud83d")]),
        ("lone low surrogate", [("\udd11", "x")]),
        ("surrogates in the wrong order", [("a", "\udd11\ud83d")]),
    ]
    a, b = (b"a", b"1"), (b"b", b"2")
    negative_encoded = [
        ("nothing", b""),
        ("half a count", b"\x00"),
        ("a byte after the empty context", b"\x00\x00\x00"),
        ("keys in descending order", raw(b, a)),
        ("a key twice", raw(a, a)),
        ("a key twice with different values", raw(a, (b"a", b"2"))),
        ("count too large", raw(a, count=2)),
        ("count too small", raw(a, b, count=1)),
        ("a byte after the last pair", raw(a, tail=b"\x00")),
        ("17 pairs", raw(*[(b"k%02d" % i, b"") for i in range(17)])),
        ("empty key", raw((b"", b"x"))),
        ("key of 256 bytes", raw((b"k" * 256, b""))),
        ("value of 1025 bytes", raw((b"k", b"v" * 1025))),
        ("4097 bytes", raw(*[(b"k%02d" % i, b"v" * 250) for i in range(15)], (b"k15", b"v" * (251 + room)))),
        ("key length beyond the end", b"\x00\x01\x00\x05abc"),
        ("value length beyond the end", b"\x00\x01\x00\x01a\x00\x05b"),
        ("value missing", b"\x00\x01\x00\x01a"),
        ("U+FFFD in a value", raw((b"a", "\ufffd".encode()))),
        ("U+0000 in a value", raw((b"a", b"\x00"))),
        ("stray continuation byte", raw((b"a", b"\x80"))),
        ("overlong slash", raw((b"a", b"\xc0\xaf"))),
        ("overlong U+0000", raw((b"a", b"\xc0\x80"))),
        ("surrogate in UTF-8", raw((b"a", b"\xed\xa0\x80"))),
        ("above U+10FFFF", raw((b"a", b"\xf4\x90\x80\x80"))),
        ("cut scalar in a key", raw((b"a\xc3", b""))),
    ]
    return {
        "spec": "docs/spec/context.md",
        "note": "Texts of negativePairs are hexadecimal UTF-16BE code units, because JSON cannot carry a lone surrogate.",
        "positive": [
            {"name": n, "pairs": [list(p) for p in ps], "encoded": context(ps).hex(), "sha256": hashlib.sha256(context(ps)).hexdigest()}
            for n, ps in positive],
        "negativePairs": [{"name": n, "pairsUtf16": [[utf16(k), utf16(v)] for k, v in ps]} for n, ps in negative_pairs],
        "negativeEncoded": [{"name": n, "encoded": e.hex()} for n, e in negative_encoded],
    }


# ---------------------------------------------------------------- associated data
PURPOSES = {
    1: ("data key, general", 0x01, 0, True), 2: ("data key, field", 0x01, 16, True), 3: ("data key, archive", 0x01, 16, True),
    4: ("bulk key", 0x01, 0, True), 5: ("check value", 0x01, 0, True), 6: ("field token", 0x11, 0, True),
    7: ("field token under a data key", 0x12, 16, False), 8: ("data key, blind index", 0x01, 16, True),
}


def aad(purpose, fmt, version, subject, encoded_context):
    return LABEL + bytes([purpose, fmt]) + version + bytes([len(subject)]) + subject + encoded_context


SAMPLE = [("tenant", "st-mary"), ("table", "observation")]


def make_associated_data():
    positive, negative = [], []
    for purpose, (name, fmt, length, has_version) in PURPOSES.items():
        version = draw("version", 8) if has_version else bytes(8)
        subject = draw("subject", length)
        for suffix, pairs in (("", SAMPLE), (", empty context", [])):
            positive.append({
                "name": name + suffix, "purpose": purpose, "format": fmt, "keyVersion": version.hex(), "subject": subject.hex(),
                "context": [list(p) for p in pairs], "aad": aad(purpose, fmt, version, subject, context(pairs)).hex()})
        negative += [
            {"name": f"{name}: wrong format byte", "purpose": purpose, "format": fmt ^ 0x80, "keyVersion": version.hex(), "subject": subject.hex()},
            {"name": f"{name}: wrong subject length", "purpose": purpose, "format": fmt, "keyVersion": version.hex(), "subject": draw("subject", 8).hex()},
            {"name": f"{name}: key version where there is none or the other way round", "purpose": purpose, "format": fmt,
             "keyVersion": bytes(8).hex() if has_version else draw("version", 8).hex(), "subject": subject.hex()},
        ]
    for purpose in (0, 9, 255):
        negative.append({"name": f"purpose {purpose} does not exist", "purpose": purpose, "format": 1, "keyVersion": draw("version", 8).hex(), "subject": ""})
    return {"spec": "docs/spec/associated-data.md", "positive": positive, "negative": negative}


# ---------------------------------------------------------------- wrapped data key
def make_wrapped_data_key():
    positive, does_not_open = [], []
    for purpose in (1, 2, 3, 4, 8):
        name, fmt, length, _ = PURPOSES[purpose]
        kek, iv, key = draw(f"kek{purpose}", 32), draw(f"iv{purpose}", 12), draw(f"dek{purpose}", 32)
        version, subject = draw(f"version{purpose}", 8), draw(f"subject{purpose}", length)
        pairs = [] if purpose == 4 else SAMPLE
        bound = aad(purpose, fmt, version, subject, context(pairs))
        sealed = AESGCM(kek).encrypt(iv, key, bound)
        positive.append({
            "name": name, "kek": kek.hex(), "keyVersion": version.hex(), "keyVersionText": version.hex(), "purpose": purpose, "subject": subject.hex(),
            "context": [list(p) for p in pairs], "contextEncoded": context(pairs).hex(), "aad": bound.hex(), "iv": iv.hex(), "dataKey": key.hex(),
            "ciphertext": sealed[:32].hex(), "tag": sealed[32:].hex(), "wrapped": (bytes([fmt]) + version + iv + sealed).hex()})
    first = positive[0]
    whole, bound = bytes.fromhex(first["wrapped"]), bytes.fromhex(first["aad"])

    def flip(data, at, bit=0x01):
        return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]

    for name, at in (("IV flipped", 9), ("first ciphertext bit flipped", 21), ("last ciphertext bit flipped", 52), ("tag flipped", 68)):
        does_not_open.append({"name": name, "kek": first["kek"], "wrapped": flip(whole, at).hex(), "aad": bound.hex()})
    other = aad(1, 1, bytes.fromhex(first["keyVersion"]), b"", context([("tenant", "st-mary"), ("table", "patient")]))
    field = aad(2, 1, bytes.fromhex(first["keyVersion"]), draw("subject2", 16), context(SAMPLE))
    bulk = aad(4, 1, bytes.fromhex(first["keyVersion"]), b"", context([]))
    does_not_open += [
        {"name": "another context", "kek": first["kek"], "wrapped": first["wrapped"], "aad": other.hex()},
        {"name": "another purpose with a subject", "kek": first["kek"], "wrapped": first["wrapped"], "aad": field.hex()},
        {"name": "submitted as a bulk key", "kek": first["kek"], "wrapped": first["wrapped"], "aad": bulk.hex()},
        {"name": "another key", "kek": draw("kek9", 32).hex(), "wrapped": first["wrapped"], "aad": bound.hex()},
    ]
    malformed = [
        ("nothing", b""), ("68 bytes", whole[:-1]), ("70 bytes", whole + b"\x00"), ("format 0x00", b"\x00" + whole[1:]),
        ("format 0x02", b"\x02" + whole[1:]), ("format of a field token", b"\x11" + whole[1:]), ("key version zero", whole[:1] + bytes(8) + whole[9:]),
    ]
    return {"spec": "docs/spec/wrapped-data-key.md", "positive": positive, "doesNotOpen": does_not_open,
            "malformed": [{"name": n, "wrapped": w.hex()} for n, w in malformed]}


# ---------------------------------------------------------------- field token
def xaes(key, nonce, plaintext, bound):
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    block = ecb.update(bytes(16))
    k1 = (int.from_bytes(block, "big") << 1) & ((1 << 128) - 1)
    if block[0] & 0x80:
        k1 ^= 0x87
    derived = b""
    for counter in (1, 2):
        message = bytes([0, counter, 0x58, 0]) + nonce[:12]
        derived += ecb.update((int.from_bytes(message, "big") ^ k1).to_bytes(16, "big"))
    sealed = AESGCM(derived).encrypt(nonce[12:], plaintext, bound)
    return {"l": block.hex(), "k1": k1.to_bytes(16, "big").hex(), "derivedKey": derived.hex(), "derivedNonce": nonce[12:].hex()}, sealed


def text(token):
    return "ks1." + base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def make_field_token():
    positive = []
    plaintexts = [("empty", b""), ("16 bytes", b"1985-04-12T23:20"), ("a name", "Zoë Müller".encode()), ("100 bytes", draw("plain", 100)), ("1 KiB", draw("plain", 1024))]
    for fmt in (0x11, 0x12):
        for i, (name, plaintext) in enumerate(plaintexts):
            key, nonce = draw(f"field{fmt}{i}", 32), draw(f"nonce{fmt}{i}", 24)
            pairs = [] if i == 0 else SAMPLE + [("row", str(i))]
            ident = draw(f"ident{fmt}", 8 if fmt == 0x11 else 16)
            bound = aad(6, fmt, ident, b"", context(pairs)) if fmt == 0x11 else aad(7, fmt, bytes(8), ident, context(pairs))
            steps, sealed = xaes(key, nonce, plaintext, bound)
            token = bytes([fmt]) + ident + nonce + sealed
            positive.append({
                "name": f"format 0x{fmt:02x}, {name}", "format": fmt, "key": key.hex(),
                "keyVersion" if fmt == 0x11 else "dataKeyId": ident.hex(), "context": [list(p) for p in pairs], "aad": bound.hex(),
                "nonce": nonce.hex(), **steps, "plaintext": plaintext.hex(), "ciphertext": sealed[:-16].hex(), "tag": sealed[-16:].hex(),
                "token": token.hex(), "text": text(token)})
    does_not_open = []
    for source in (positive[2], positive[7]):
        token = bytes.fromhex(source["token"])
        ident_end = 9 if source["format"] == 0x11 else 17
        for name, at in (("identity flipped", ident_end - 1), ("first nonce half flipped", ident_end), ("second nonce half flipped", ident_end + 23),
                         ("ciphertext flipped", ident_end + 24), ("tag flipped", len(token) - 1)):
            bad = token[:at] + bytes([token[at] ^ 0x80]) + token[at + 1:]
            does_not_open.append({"name": f"0x{source['format']:02x}: {name}", "key": source["key"], "context": source["context"], "token": bad.hex()})
        does_not_open += [
            {"name": f"0x{source['format']:02x}: cut by one byte", "key": source["key"], "context": source["context"], "token": token[:-1].hex()},
            {"name": f"0x{source['format']:02x}: longer by one byte", "key": source["key"], "context": source["context"], "token": (token + b"\x00").hex()},
            {"name": f"0x{source['format']:02x}: another context", "key": source["key"], "context": [["tenant", "st-mary"]], "token": token.hex()},
            {"name": f"0x{source['format']:02x}: empty context", "key": source["key"], "context": [], "token": token.hex()},
            {"name": f"0x{source['format']:02x}: another key", "key": draw("other", 32).hex(), "context": source["context"], "token": token.hex()},
        ]
    one, two = bytes.fromhex(positive[0]["token"]), bytes.fromhex(positive[5]["token"])
    malformed = [
        ("nothing", b""), ("format byte alone", b"\x11"), ("0x11 of 48 bytes", one[:-1]), ("0x12 of 56 bytes", two[:-1]),
        ("0x12 as long as an empty 0x11", two[:49]), ("format 0x10", b"\x10" + one[1:]), ("format 0x13", b"\x13" + two[1:]),
        ("wrapped data key", b"\x01" + bytes(68)), ("key version zero", one[:1] + bytes(8) + one[9:]),
    ]
    good = positive[1]["text"]
    short = positive[0]["text"]  # 49 bytes: the last character carries 2 bits that must be zero
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    malformed_text = [
        ("nothing", ""), ("prefix alone", "ks1."), ("no prefix", good[4:]), ("capital prefix", "KS1." + good[4:]), ("another version", "ks2." + good[4:]),
        ("padding", short + "=="), ("space before", " " + good), ("space after", good + " "), ("line break inside", good[:20] + "\n" + good[20:]),
        ("standard alphabet, plus", good[:10] + "+" + good[11:]), ("standard alphabet, slash", good[:10] + "/" + good[11:]),
        ("bits beyond the last byte", short[:-1] + last[last.index(short[-1]) | 1]), ("length 1 modulo 4", "ks1." + "A" * 65),
        ("not a token inside", "ks1." + base64.urlsafe_b64encode(b"\x13" + bytes(60)).rstrip(b"=").decode()), ("cut to 48 bytes", text(one[:-1])),
    ]
    return {"spec": "docs/spec/field-token.md", "positive": positive, "doesNotOpen": does_not_open,
            "malformed": [{"name": n, "token": t.hex()} for n, t in malformed],
            "malformedText": [{"name": n, "text": t} for n, t in malformed_text]}


# ---------------------------------------------------------------- audit record
AUDIT = {
    "time": (1, 8), "slot": (2, 4), "sequence": (3, 8), "event": (4, 2), "type": (5, 1), "outcome": (6, 1), "principal": (7, None),
    "principalType": (8, None), "authentication": (9, None), "onBehalfOf": (10, None), "source": (11, None), "device": (12, None), "key": (13, None),
    "keyVersion": (14, "hex"), "contextDigest": (15, "hex"), "itemCount": (16, 8), "byteCount": (17, 8), "reason": (18, None), "traceId": (19, None),
    "requestId": (20, None), "durationMicroseconds": (21, 8), "automated": (22, 1), "detail": (23, None), "changes": (24, "rows"),
}


def field(number, value):
    return struct.pack(">HI", number, len(value)) + value


def changed_row(table, row_id, revision, digest):
    return bytes([len(table)]) + table + struct.pack(">H", len(row_id)) + row_id + struct.pack(">Q", revision) + digest


def changes(rows):
    return b"".join(changed_row(r["table"].encode(), r["row"].encode(), int(r["revision"]), bytes.fromhex(r["digest"])) for r in rows)


def audit(fields):
    out = b"\x01"
    for name, (number, kind) in AUDIT.items():
        if name not in fields:
            continue
        value = fields[name]
        if kind is None:
            value = value.encode()
        elif kind == "hex":
            value = bytes.fromhex(value)
        elif kind == "rows":
            value = changes(value)
        else:
            value = int(value).to_bytes(kind, "big", signed=name == "time")
        out += field(number, value)
    return out


def make_audit_record():
    least = {"time": "1795389600000000000", "slot": 0, "sequence": "0", "event": 1, "type": 4, "outcome": 1, "automated": 1}
    full = {
        "time": "1795389600123456789", "slot": 3, "sequence": "18446744073709551615", "event": 65535, "type": 1, "outcome": 1,
        "principal": "ehr-database", "principalType": "service", "authentication": "mtls", "onBehalfOf": "dr.müller@st-mary.example",
        "source": "192.0.2.17:50432", "device": "spiffe://st-mary.example/ehr", "key": "ehr/fields", "keyVersion": "00f1e2d3c4b5a697",
        "contextDigest": hashlib.sha256(context(SAMPLE)).hexdigest(), "itemCount": "1000", "byteCount": "102400", "reason": "ACCESS_DENIED",
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "requestId": "018f3c5e-7a10-7c2e-8d55-2f6f4b1c9d00", "durationMicroseconds": "412",
        "automated": 1, "detail": "batch",
    }
    refused = {"time": "-1", "slot": 4294967295, "sequence": "7", "event": 2, "type": 2, "outcome": 2, "source": "unix", "reason": "UNAUTHENTICATED",
               "itemCount": "0", "automated": 0, "detail": "replacement \ufffd is text here"}
    edge = dict(least, principal="p" * 512, detail="d" * 4096, outcome=5)
    def row(table, row_id, revision):
        return {"table": table, "row": row_id, "revision": revision, "digest": draw(f"row/{table}/{row_id}/{revision}", 32).hex()}

    rotated = dict(least, event=303, key="ehr/fields", changes=[row("key_versions", "00f1e2d3c4b5a697", "2"), row("keys", "ehr/fields", "17")])
    # 65,536 bytes: 116 rows of 564 bytes, and one that fills the rest.
    most = dict(least, changes=[row("t" * 21, f"{i:0500d}", "9223372036854775807") for i in range(116)])
    room = 65536 - len(changes(most["changes"]))
    most["changes"].append(row("t" * 21, "y" * (room - 64), "1"))
    assert len(changes(most["changes"])) == 65536
    positive = [("least", least), ("every field", full), ("before 1970, refused, zero count", refused), ("longest texts", edge),
                ("two changed rows", rotated), ("names at their limits", dict(least, changes=[row("a_9" * 21, "\u00fc" * 256, "1"), row("b", "1", "1")])),
                ("a row twice", dict(least, changes=[row("keys", "a", "1"), row("keys", "a", "2")])), ("as many rows as fit", most)]
    whole = audit(least)
    parts = [whole[1:15], whole[15:25], whole[25:39], whole[39:47], whole[47:54], whole[54:61], whole[61:68]]  # time .. automated
    assert b"\x01" + b"".join(parts) == whole

    def joined(*chosen):
        return b"\x01" + b"".join(chosen)

    one = changed_row(b"keys", b"1", 1, bytes(32))
    head, automated = parts[:6], parts[6]
    negative = [
        ("nothing", b""), ("version 0x00", b"\x00" + whole[1:]), ("version 0x02", b"\x02" + whole[1:]), ("version alone", b"\x01"),
        ("cut by one byte", whole[:-1]), ("a byte more", whole + b"\x00"), ("cut inside a field's header", whole[:-4]),
        ("time missing", joined(*parts[1:])), ("sequence missing", joined(parts[0], parts[1], *parts[3:])), ("automated missing", joined(*head)),
        ("two fields swapped", joined(parts[1], parts[0], *parts[2:])), ("a field twice", joined(parts[0], parts[0], *parts[1:])),
        ("the last field twice", joined(*parts, automated)), ("unknown field 24", joined(*parts, field(24, b"x"))), ("unknown field 0", joined(field(0, b"x"), *parts)),
        ("empty text", joined(*head, field(7, b""), automated)), ("bad UTF-8", joined(*head, field(7, b"\xff"), automated)),
        ("surrogate in UTF-8", joined(*head, field(7, b"\xed\xa0\x80"), automated)), ("text of 513 bytes", joined(*head, field(7, b"p" * 513), automated)),
        ("detail of 4097 bytes", joined(*parts, field(23, b"d" * 4097))), ("time of 7 bytes", joined(field(1, bytes(7)), *parts[1:])),
        ("time of 9 bytes", joined(field(1, bytes(9)), *parts[1:])), ("type 0", joined(*parts[:4], field(5, b"\x00"), *parts[5:])),
        ("type 5", joined(*parts[:4], field(5, b"\x05"), *parts[5:])), ("outcome 0", joined(*parts[:5], field(6, b"\x00"), automated)),
        ("outcome 6", joined(*parts[:5], field(6, b"\x06"), automated)), ("automated 2", joined(*head, field(22, b"\x02"))),
        ("key version zero", joined(*head, field(14, bytes(8)), automated)), ("digest of 31 bytes", joined(*head, field(15, bytes(31)), automated)),
        ("digest of 0 bytes", joined(*head, field(15, b""), automated)), ("field after automated that belongs before it", joined(*parts, field(7, b"p"))),
        ("length beyond the end", joined(*head, automated[:2] + struct.pack(">I", 2) + b"\x01")),
        ("unknown field 25", joined(*parts, field(25, b"x"))), ("no changed rows", joined(*parts, field(24, b""))),
        ("changed rows before detail", joined(*parts, field(24, one), field(23, b"d"))),
        ("a changed row cut by one byte", joined(*parts, field(24, one[:-1]))), ("a byte after the changed rows", joined(*parts, field(24, one + b"\x00"))),
        ("a changed row without a table", joined(*parts, field(24, changed_row(b"", b"1", 1, bytes(32))))),
        ("a table of 64 characters", joined(*parts, field(24, changed_row(b"t" * 64, b"1", 1, bytes(32))))),
        ("a table with a capital letter", joined(*parts, field(24, changed_row(b"Keys", b"1", 1, bytes(32))))),
        ("a changed row without an id", joined(*parts, field(24, changed_row(b"keys", b"", 1, bytes(32))))),
        ("a row id of 513 bytes", joined(*parts, field(24, changed_row(b"keys", b"r" * 513, 1, bytes(32))))),
        ("a row id of bad UTF-8", joined(*parts, field(24, changed_row(b"keys", b"\xff", 1, bytes(32))))),
        ("revision 0", joined(*parts, field(24, changed_row(b"keys", b"1", 0, bytes(32))))),
        ("revision 2^63", joined(*parts, field(24, changed_row(b"keys", b"1", 1 << 63, bytes(32))))),
        ("a digest of 31 bytes in a changed row", joined(*parts, field(24, changed_row(b"keys", b"1", 1, bytes(31))))),
        ("65,537 bytes of changed rows", joined(*parts, field(24, changes(most["changes"][:-1]) + changed_row(b"t" * 21, b"y" * (room - 63), 1, bytes(32))))),
        ("length of 4 GiB", joined(*head, automated[:2] + b"\xff\xff\xff\xff" + b"\x01")),
    ]
    return {"spec": "docs/spec/audit-record.md", "note": "64-bit numbers are decimal texts, because JSON readers round them.",
            "positive": [{"name": n, "fields": f, "encoded": audit(f).hex(), "leafHash": hashlib.sha256(b"\x00" + audit(f)).hexdigest()} for n, f in positive],
            "negative": [{"name": n, "encoded": e.hex()} for n, e in negative]}


# ---------------------------------------------------------------- row MAC
def make_row_mac():
    def encode(table, columns):
        out = b"keyservice/row/v1\x00" + struct.pack(">H", len(table)) + table.encode()
        for kind, value in columns:
            data = {"null": lambda: b"", "int64": lambda: int(value).to_bytes(8, "big", signed=True), "text": lambda: value.encode(),
                    "bytes": lambda: bytes.fromhex(value)}[kind]()
            out += bytes([["null", "int64", "text", "bytes"].index(kind)]) + struct.pack(">I", len(data)) + data
        return out

    key = draw("integrity", 32)
    rows = [
        ("no columns", "keys", []),
        ("each type", "keys", [("text", "ehr/fields"), ("int64", "-1"), ("bytes", "00ff"), ("null", None)]),
        ("empty is not null", "keys", [("text", ""), ("bytes", ""), ("null", None)]),
        ("text and bytes differ", "grants", [("text", "a"), ("bytes", "61")]),
        ("bounds", "key_versions", [("int64", "-9223372036854775808"), ("int64", "9223372036854775807"), ("text", "Zoë")]),
    ]
    return {"spec": "docs/spec/row-mac.md", "integrityKey": key.hex(),
            "positive": [{"name": n, "table": t, "columns": [list(c) for c in cs], "encoded": encode(t, cs).hex(),
                          "mac": hmac.new(key, encode(t, cs), hashlib.sha256).hexdigest()} for n, t, cs in rows]}


# ---------------------------------------------------------------- key blob
def make_key_blob():
    positive = []
    for name in ("first", "second"):
        root, backup, kek = draw(f"root {name}", 32), draw(f"backup {name}", 32), draw(f"kek {name}", 32)
        version, iv = draw(f"version {name}", 8), draw(f"iv {name}", 12)
        bound = aad(5, 1, version, b"", context([]))
        integrity = draw(f"integrity {name}", 32)
        pattern = aes_key_wrap(backup, bytes(range(32)))
        positive.append({
            "name": name, "rootKey": root.hex(), "backupKey": backup.hex(), "kek": kek.hex(), "keyVersion": version.hex(),
            "rootBlob": (b"\x01" + aes_key_wrap(root, kek)).hex(), "backupBlob": (b"\x01" + aes_key_wrap(backup, kek)).hex(),
            "versionHash": hashlib.sha256(version).hexdigest(), "aad": bound.hex(), "iv": iv.hex(),
            "checkValue": (b"\x01" + version + iv + AESGCM(kek).encrypt(iv, hashlib.sha256(version).digest(), bound)).hex(),
            "integrityKey": integrity.hex(), "integrityRootBlob": (b"\x01" + aes_key_wrap(root, integrity)).hex(),
            "integrityCheckValue": hmac.new(integrity, b"keyservice/integrity-check/v1", hashlib.sha256).hexdigest(),
            "backupPattern": pattern.hex(), "backupKeyId": hashlib.sha256(b"keyservice/backup-key-id/v1" + pattern).hexdigest()[:16]})
    whole = bytes.fromhex(positive[0]["rootBlob"])
    malformed = [
        ("nothing", b""), ("algorithm byte alone", whole[:1]), ("40 bytes", whole[:-1]), ("42 bytes", whole + b"\x00"), ("algorithm 0x00", b"\x00" + whole[1:]),
        ("algorithm 0x02", b"\x02" + whole[1:]), ("AES-KWP of 32 bytes is as long and is not known", b"\x03" + whole[1:]),
    ]
    n, pkcs8 = transfer_pair()
    kek = bytes.fromhex(positive[0]["kek"])
    seal = oaep(n, kek, draw("a peer's seed", 20))
    sealed = [
        ("sealed", seal, kek), ("another seed", oaep(n, kek, draw("another peer's seed", 20)), kek), ("another KEK", oaep(n, bytes.fromhex(positive[1]["kek"]), draw("a peer's seed", 20)), bytes.fromhex(positive[1]["kek"])),
        ("a changed bit", seal[:200] + bytes([seal[200] ^ 1]) + seal[201:], None), ("zeros", bytes(384), None), ("the modulus", n.to_bytes(384, "big"), None), ("the modulus less one", (n - 1).to_bytes(384, "big"), None),
        ("OAEP with SHA-256", oaep(n, kek, draw("a peer's seed", 32), "sha256"), None), ("OAEP with a label", oaep(n, kek, draw("a peer's seed", 20), label=b"kek"), None), ("as long as 4,096 bits", draw("a seal", 512), None),
    ]
    not_sealed = [
        ("nothing", b""), ("algorithm byte 0x02 alone", b"\x02"), ("a ciphertext of 383 bytes", b"\x02" + seal[1:]), ("a ciphertext of 513 bytes", b"\x02" + draw("a seal", 513)), ("algorithm 0x01", b"\x01" + seal), ("algorithm 0x03", b"\x03" + seal), ("no algorithm byte", seal),
        ("a key blob", whole), ("a key blob by that name", b"\x02" + whole[1:]),
    ]
    return {"spec": "docs/spec/key-blob.md", "positive": positive, "malformed": [{"name": n, "blob": b.hex()} for n, b in malformed],
            "privateKey": pkcs8.hex(), "sealed": [{"name": name, "blob": (b"\x02" + c).hex(), "kek": None if k is None else k.hex()} for name, c, k in sealed],
            "notSealed": [{"name": name, "blob": b.hex()} for name, b in not_sealed]}


# ---------------------------------------------------------------- blind index
def hkdf_sha256(ikm, info, length):
    prk = hmac.new(bytes(32), ikm, hashlib.sha256).digest()
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
        counter += 1
    return out[:length]


def make_blind_index():
    def text(value):
        return struct.pack(">H", len(value.encode())) + value.encode()

    ids = [{"name": name, "key": key, "index": index,
            "id": hashlib.sha256(b"keyservice/v1/blind-index-id\x00" + text(key) + text(index)).digest()[:16].hex()}
           for name, key, index in (("usual", "ehr/index", "default"), ("another name", "ehr/index", "phone"), ("another key", "ehr/index2", "default"),
                                    ("what is key and what is name", "ehr/indexd", "efault"))]
    column = [("database", "ehr"), ("table", "patient"), ("column", "mrn")]
    positive = []
    for name, pairs, length, value in (
            ("a record number", column, 16, b"MRN00042"), ("another value", column, 16, b"MRN00043"), ("the empty value", column, 16, b""),
            ("another column", [*column[:2], ("column", "phone")], 16, b"MRN00042"), ("a tenant's", [*column, ("tenant", "st-mary")], 16, b"MRN00042"),
            ("the shortest", column, 4, b"MRN00042"), ("the whole MAC", column, 32, b"MRN00042"),
            ("bytes beyond ASCII", column, 16, "Pe\u00f1a".encode()), ("longer than a block of the hash", column, 16, bytes(range(200)))):
        key = draw("index key", 32)
        info = b"keyservice/v1/blind-index\x00" + bytes([length]) + context(pairs)
        column_key = hkdf_sha256(key, info, 32)
        positive.append({
            "name": name, "indexKey": key.hex(), "column": [list(p) for p in pairs], "length": length, "info": info.hex(),
            "columnKey": column_key.hex(), "value": value.hex(), "index": hmac.new(column_key, value, hashlib.sha256).digest()[:length].hex()})
    negative = [{"name": f"{length} bytes", "length": length} for length in (0, 3, 33)]
    normalised = [{"name": f"{how}: {value!r}", "how": how, "value": value, "becomes": becomes} for how, value, becomes in (
        ("exact", " a B ", " a B "), ("trimmed-upper", "\t mrn 7 \r\n", "MRN 7"), ("trimmed-upper", "stra\u00dfe \u00e9", "STRA\u00dfE \u00e9"),
        ("trimmed-upper", "\u00a0x\u00a0", "\u00a0X\u00a0"), ("digits", "+1 (555) 010-7788", "15550107788"), ("digits", "\u0661\u0662 3", "3"),
        ("letters-and-digits", "mrn-000 42/b", "MRN00042B"), ("letters-and-digits", "--", ""))]
    return {"spec": "docs/spec/blind-index.md", "ids": ids, "positive": positive, "negative": negative, "normalisation": normalised}


# ---------------------------------------------------------------- row context
def make_row_context():
    column = ["ehr", "patient", "ssn"]
    positive = []
    for name, also, row in (
            ("a number", [], [["int64", "4711", "4711"]]), ("a negative number", [], [["int64", "-1", "-1"]]),
            ("the largest number", [], [["uint64", "18446744073709551615", "18446744073709551615"]]),
            ("a UUID", [], [["uuid", "9F0C5E62-6C1B-4A0F-8D43-0B6D3C1C2A11", "9f0c5e62-6c1b-4a0f-8d43-0b6d3c1c2a11"]]),
            ("text", [], [["text", " A\u00e9 7", " A\u00e9 7"]]), ("the text of a number is the number", [], [["text", "4711", "4711"]]),
            ("a date", [], [["date", "2026-01-09", "2026-01-09"]]),
            ("two values", [], [["int64", "7", "7"], ["date", "2026-11-23", "2026-11-23"]]),
            ("four values, empty and zero among them", [], [["int64", "0", "0"], ["text", "", ""], ["text", "b", "b"], ["int64", "3", "3"]]),
            ("a tenant beside it", [["tenant", "st-mary"]], [["int64", "4711", "4711"]]),
            ("pairs on both sides", [["a", "1"], ["site", "2"], ["z", "3"]], [["int64", "1", "1"], ["int64", "2", "2"]])):
        keys = ["row"] if len(row) == 1 else [f"row{i + 1}" for i in range(len(row))]
        pairs = [("database", column[0]), ("table", column[1]), ("column", column[2]), *also, *zip(keys, (value[2] for value in row))]
        positive.append({"name": name, "column": column, "also": also, "row": [value[:2] for value in row], "encoded": context(pairs).hex()})
    return {"spec": "docs/spec/row-context.md", "positive": positive}


# ---------------------------------------------------------------- backup bundle
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
P256_BASE = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
             0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
SPKI_START = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


# ---------------------------------------------------------------- grant terms
EXACT, PREFIX, ONE_OF = 1, 2, 3


def terms_rule(key, kind, values, count=None):
    out = struct.pack(">H", len(key)) + key + bytes([kind]) + struct.pack(">H", len(values) if count is None else count)
    for value in values:
        out += struct.pack(">H", len(value)) + value
    return out


def terms_quota(measure, window, limit):
    return struct.pack(">BBQ", measure, window, limit)


def terms(rules, quotas, fmt=1, rule_count=None, quota_count=None, tail=b""):
    return (bytes([fmt, len(rules) if rule_count is None else rule_count]) + b"".join(terms_rule(*rule) for rule in rules)
            + bytes([len(quotas) if quota_count is None else quota_count]) + b"".join(terms_quota(*quota) for quota in quotas) + tail)


def make_grant_terms():
    ehr = (b"table", PREFIX, [b"ehr/"])
    tenants = (b"tenant", ONE_OF, [b"north", b"south"])
    daily = (2, 2, 10000)
    many = [f"v{i:02d}".encode() for i in range(64)]
    positive = [
        ("example", [ehr, tenants], [daily]),
        ("a quota alone", [], [(1, 1, 1)]),
        ("every quota, to the limit", [], [(m, w, (1 << 53) - 1) for m in (1, 2, 3) for w in (1, 2)]),
        ("exact beside a prefix", [(b"a", EXACT, [b""]), ehr], []),
        ("exact and a quota", [(b"tenant", EXACT, [b"north"])], [daily]),
        ("every delimiter", [(bytes([97 + i]), PREFIX, [b"x" + d]) for i, d in enumerate((b"/", b":", b".", b"|", b"#"))], []),
        ("sixteen rules", [(f"k{i:02d}".encode(), PREFIX, [b"/"]) for i in range(16)], []),
        ("sixty-four values", [(b"tenant", ONE_OF, many)], []),
        ("values by bytes, not by UTF-16 units", [(b"k", ONE_OF, ["\uFF01".encode(), "\U0001F511".encode()])], []),
    ]
    negative = [
        ("nothing", b""),
        ("another format", terms([ehr], [], fmt=2)),
        ("plain: no rule, no quota", terms([], [])),
        ("plain: exact only", terms([(b"tenant", EXACT, [b"north"])], [])),
        ("keys not ascending", terms([tenants, ehr], [])),
        ("a key twice", terms([ehr, ehr], [])),
        ("kind 0", terms([(b"k", 0, [b"v"])], [daily])),
        ("kind 4", terms([(b"k", 4, [b"v"])], [daily])),
        ("exact with two values", terms([(b"k", EXACT, [b"a", b"b"])], [daily])),
        ("prefix with two values", terms([(b"k", PREFIX, [b"a/", b"b/"])], [])),
        ("a set of one", terms([(b"k", ONE_OF, [b"a"])], [])),
        ("a set of none", terms([(b"k", ONE_OF, [])], [])),
        ("a set of sixty-five", terms([(b"k", ONE_OF, [f"v{i:02d}".encode() for i in range(65)])], [])),
        ("a set out of order", terms([(b"k", ONE_OF, [b"b", b"a"])], [])),
        ("a value twice in a set", terms([(b"k", ONE_OF, [b"a", b"a"])], [])),
        ("a prefix that ends at no delimiter", terms([(b"k", PREFIX, [b"st-mary"])], [])),
        ("a prefix that ends at a hyphen", terms([(b"k", PREFIX, [b"st-"])], [])),
        ("an empty prefix", terms([(b"k", PREFIX, [b""])], [])),
        ("an empty key", terms([(b"", PREFIX, [b"a/"])], [])),
        ("a key of 256 bytes", terms([(b"k" * 256, PREFIX, [b"a/"])], [])),
        ("a value of 1025 bytes", terms([(b"k", PREFIX, [b"a" * 1024 + b"/"])], [])),
        ("no UTF-8", terms([(b"k", PREFIX, [b"\xc3/"])], [])),
        ("U+FFFD", terms([(b"k", PREFIX, ["\uFFFD/".encode()])], [])),
        ("U+0000", terms([(b"k\0", PREFIX, [b"a/"])], [])),
        ("seventeen rules", terms([(f"k{i:02d}".encode(), PREFIX, [b"/"]) for i in range(17)], [])),
        ("fewer rules than said", terms([ehr], [], rule_count=2)),
        ("more rules than said", terms([ehr, tenants], [], rule_count=1)),
        ("measure 0", terms([ehr], [(0, 1, 5)])),
        ("measure 4", terms([ehr], [(4, 1, 5)])),
        ("window 0", terms([ehr], [(1, 0, 5)])),
        ("window 3", terms([ehr], [(1, 3, 5)])),
        ("limit 0", terms([ehr], [(1, 1, 0)])),
        ("limit 2^53", terms([ehr], [(1, 1, 1 << 53)])),
        ("limit below zero", terms([ehr], [(1, 1, (1 << 64) - 1)])),
        ("quotas out of order", terms([], [(2, 1, 5), (1, 1, 5)])),
        ("a quota twice", terms([], [(1, 1, 5), (1, 1, 6)])),
        ("more quotas than said", terms([], [(1, 1, 5), (1, 2, 6)], quota_count=1)),
        ("a byte too many", terms([ehr], [daily], tail=b"\0")),
        ("a byte too few", terms([ehr], [daily])[:-1]),
        ("over 8192 bytes", terms([(f"k{i}".encode(), PREFIX, [b"a" * 1023 + b"/"]) for i in range(8)], [])),
    ]
    met = [
        ("prefix goes on", [ehr], {"table": "ehr/labs"}, True),
        ("prefix itself", [ehr], {"table": "ehr/"}, False),
        ("prefix without its delimiter", [ehr], {"table": "ehrlabs"}, False),
        ("prefix of another case", [ehr], {"table": "EHR/labs"}, False),
        ("in the set", [tenants], {"tenant": "south"}, True),
        ("not in the set", [tenants], {"tenant": "east"}, False),
        ("begins like one of the set", [tenants], {"tenant": "northern"}, False),
        ("absent key", [tenants], {"table": "ehr/labs"}, False),
        ("no pair at all", [ehr], {}, False),
        ("both rules and more", [ehr, tenants], {"table": "ehr/labs", "tenant": "north", "row": "17"}, True),
        ("one rule of two", [ehr, tenants], {"table": "ehr/labs", "tenant": "east"}, False),
        ("exact empty value", [(b"a", EXACT, [b""]), ehr], {"a": "", "table": "ehr/x"}, True),
        ("absent is not empty", [(b"a", EXACT, [b""]), ehr], {"table": "ehr/x"}, False),
    ]
    return {
        "spec": "docs/spec/grant-terms.md",
        "positive": [{
            "name": name,
            "rules": [{"key": key.decode(), "kind": kind, "values": [value.decode() for value in values]} for key, kind, values in rules],
            "quotas": [list(quota) for quota in quotas],
            "encoded": terms(rules, quotas).hex(),
            "text": base64.urlsafe_b64encode(terms(rules, quotas)).decode().rstrip("="),
        } for name, rules, quotas in positive],
        "negative": [{"name": name, "encoded": encoded.hex()} for name, encoded in negative],
        "met": [{"name": name, "encoded": terms(rules, []).hex(), "context": list(map(list, pairs.items())), "met": answer} for name, rules, pairs, answer in met],
    }


def p256_add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P256_PRIME == 0:
        return None
    slope = (3 * (a[0] * a[0] - 1) * pow(2 * a[1], -1, P256_PRIME) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P256_PRIME)) % P256_PRIME
    x = (slope * slope - a[0] - b[0]) % P256_PRIME
    return x, (slope * (a[0] - x) - a[1]) % P256_PRIME


def p256_times(number):
    out, power = None, P256_BASE
    while number:
        if number & 1:
            out = p256_add(out, power)
        power = p256_add(power, power)
        number >>= 1
    return out


def spki(secret):
    x, y = p256_times(secret)
    return SPKI_START + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def sign(secret, digest, small=True):
    """ECDSA with a nonce out of key and digest: the same vector each time. Not for anything but test data."""
    nonce = int.from_bytes(hashlib.sha512(secret.to_bytes(32, "big") + digest).digest(), "big") % P256_ORDER
    r = p256_times(nonce)[0] % P256_ORDER
    s = pow(nonce, -1, P256_ORDER) * (int.from_bytes(digest, "big") + r * secret) % P256_ORDER
    if (s > P256_ORDER // 2) == small:
        s = P256_ORDER - s
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def bundle_attributes(pairs):
    return bytes([len(pairs)]) + b"".join(bytes([number]) + struct.pack(">q", value) for number, value in pairs)


def bundle_entry(kind, body):
    return bytes([kind]) + struct.pack(">H", len(body)) + body


def bundle_key(name, pairs):
    return bundle_entry(2, bytes([len(name)]) + name.encode("latin-1") + bundle_attributes(pairs))


def bundle_version(version, pairs, material):
    return bundle_entry(3, version + bundle_attributes(pairs) + (b"\x01" + material if material else b"\x00"))


def bundle_header(sequence=1, kind=1, previous=bytes(32), backup_key_id=bytes(8), magic=b"KSBNDL01"):
    return (magic + draw("installation", 16) + draw(f"bundle {sequence}", 16) + struct.pack(">QBq", sequence, kind, 1764316800000000000)
            + backup_key_id + previous)


def bundle_seal(body, keys, versions, secret, omitted=0, small=True, key=None, tail=b""):
    unsigned = body + b"\xff" + struct.pack(">H", 24 + 91 + 64) + struct.pack(">QQQ", keys, versions, omitted) + (key or spki(secret))
    digest = hashlib.sha256(unsigned).digest()
    return unsigned + sign(secret, hashlib.sha256(b"keyservice/v1/backup-bundle\x00" + digest).digest(), small) + tail


def make_backup_bundle():
    backup = draw("backup first", 32)
    backup_key_id = hashlib.sha256(b"keyservice/backup-key-id/v1" + aes_key_wrap(backup, bytes(range(32)))).digest()[:8]
    secret = int.from_bytes(draw("bundle signing key", 32), "big") % P256_ORDER
    made = 1764316800000000000
    day = 86_400_000_000_000

    integrity = draw("integrity first", 32)
    integrity_check = hmac.new(integrity, b"keyservice/integrity-check/v1", hashlib.sha256).digest()
    first = bundle_entry(1, b"\x01" + aes_key_wrap(backup, integrity) + integrity_check)

    def numbered(label):
        # Ids ascend with their labels, as the versions of a key must.
        return bytes([int(label[-1]) * 16]) + draw(f"bundle version {label}", 7)

    def material(label):
        version, kek, bulk = numbered(label), draw(f"bundle kek {label}", 32), draw(f"bundle bulk key {label}", 32)
        def under_kek(purpose, iv, value):
            return b"\x01" + version + iv + AESGCM(kek).encrypt(iv, value, aad(purpose, 1, version, b"", context([])))
        check = under_kek(5, draw(f"bundle check iv {label}", 12), hashlib.sha256(version).digest())
        return check + b"\x01" + aes_key_wrap(backup, kek) + under_kek(4, draw(f"bundle bulk iv {label}", 12), bulk)

    def times(state, age):
        pairs = [(1, made - age * day), (16, state)]
        if state != 1:
            pairs.append((17, made - age * day))
        if state == 4:
            pairs.append((18, made - (age - 90) * day))
        return [*pairs, (23, 65536)]

    def policy(primary, age, purpose=1):
        return [(1, made - age * day), (2, purpose), (3, struct.unpack(">q", primary)[0]), (4, 90 * 86400)]

    header = bundle_header(backup_key_id=backup_key_id)
    a1, a2, b1 = numbered("a1"), numbered("a2"), numbered("b1")
    key_a, key_b = bundle_key("ehr/fields", policy(a2, 100)), bundle_key("ehr/index", policy(b1, 3, 2))
    version_a1 = bundle_version(a1, times(4, 100), material("a1"))
    version_a2 = bundle_version(a2, times(2, 10), material("a2"))
    version_b1 = bundle_version(b1, times(2, 3), material("b1"))
    whole = header + first + key_a + version_a1 + version_a2 + key_b + version_b1
    full = bundle_seal(whole, 2, 3, secret)
    digest = hashlib.sha256(full[:-64]).digest()
    destroyed = bundle_version(a1, [(1, made - 100 * day), (16, 6), (23, 65536)], None)
    more = [(number, number) for number in (5, 6, 7)]

    def version_text(version, pairs, label):
        return {"id": version.hex(), "attributes": [[n, str(v)] for n, v in pairs],
                "kek": draw(f"bundle kek {label}", 32).hex() if label else None,
                "bulkKey": draw(f"bundle bulk key {label}", 32).hex() if label else None}

    def key_text(name, pairs, versions):
        return {"name": name, "attributes": [[n, str(v)] for n, v in pairs], "versions": versions}

    def positive(name, encoded, sequence, kind, previous, keys, omitted=0):
        return {"name": name, "encoded": encoded.hex(), "installationId": draw("installation", 16).hex(), "bundleId": draw(f"bundle {sequence}", 16).hex(),
                "sequence": sequence, "kind": kind, "madeAt": str(made), "backupKeyId": backup_key_id.hex(), "previous": previous.hex(),
                "integrityKey": integrity.hex(), "keys": keys, "omitted": omitted, "digest": hashlib.sha256(encoded[:-64]).hexdigest(),
                "fingerprint": hashlib.sha256(encoded[-155:-64]).hexdigest()}

    next_header = bundle_header(2, 2, digest, backup_key_id)
    third_header = bundle_header(7, 1, digest, backup_key_id)
    key_all = bundle_key("a", policy(a1, 9) + more + [(200, -1)])
    positives = [
        positive("full, two keys, three versions", full, 1, 1, b"", [
            key_text("ehr/fields", policy(a2, 100), [version_text(a1, times(4, 100), "a1"), version_text(a2, times(2, 10), "a2")]),
            key_text("ehr/index", policy(b1, 3, 2), [version_text(b1, times(2, 3), "b1")])]),
        positive("least: no key at all", bundle_seal(header + first, 0, 0, secret), 1, 1, b"", []),
        positive("incremental", bundle_seal(next_header + first + key_b + version_b1, 1, 1, secret), 2, 2, digest, [
            key_text("ehr/index", policy(b1, 3, 2), [version_text(b1, times(2, 3), "b1")])]),
        positive("a destroyed version without its keys, one left out, a gap in the numbers",
                 bundle_seal(third_header + first + key_a + destroyed, 1, 1, secret, omitted=1), 7, 1, digest, [
                     key_text("ehr/fields", policy(a2, 100), [version_text(a1, [(1, made - 100 * day), (16, 6), (23, 65536)], None)])], 1),
        positive("attributes that nobody knows yet", bundle_seal(header + first + key_all, 1, 0, secret), 1, 1, b"", [
            key_text("a", policy(a1, 9) + more + [(200, -1)], [])]),
        positive("a selection of one key, behind bundle 2", bundle_seal(bundle_header(2, 3, digest, backup_key_id) + first + key_b + version_b1, 1, 1, secret), 2, 3, digest, [
            key_text("ehr/index", policy(b1, 3, 2), [version_text(b1, times(2, 3), "b1")])]),
    ]

    other = bytes(32 - 1) + b"\x01"
    malformed_version = bundle_version(a1, times(4, 100), material("a1"))
    def version_with(at, value):
        changed = bytearray(malformed_version)
        changed[at] = value
        return bytes(changed)
    # Offsets in the entry of a version: 3 head, 8 id, 1 count, 4 attributes of 9 and one for deactivated, 1 material.
    start = 3 + 8 + 1 + 5 * 9
    negative = [
        ("nothing", b"", "Empty"),
        ("another file", b"PK\x03\x04" + full[4:], "NotABundle"),
        ("another version of the format", bundle_seal(bundle_header(magic=b"KSBNDL02", backup_key_id=backup_key_id) + first, 0, 0, secret), "UnsupportedVersion"),
        ("half a header", full[:50], "Truncated"),
        ("header alone", full[:97], "Truncated"),
        ("cut inside an entry", full[:400], "Truncated"),
        ("cut between entries", whole, "Truncated"),
        ("cut inside the trailer", full[:-1], "Truncated"),
        ("a byte follows the end", full + b"\x00", "Damaged"),
        ("two bundles in one file", full + full, "Damaged"),
        ("sequence zero", bundle_seal(bundle_header(0, backup_key_id=backup_key_id) + first, 0, 0, secret), "Damaged"),
        ("kind 0", bundle_seal(bundle_header(1, 0, digest, backup_key_id) + first, 0, 0, secret), "Damaged"),
        ("kind 4", bundle_seal(bundle_header(1, 4, digest, backup_key_id) + first, 0, 0, secret), "Damaged"),
        ("incremental without a bundle before it", bundle_seal(bundle_header(2, 2, backup_key_id=backup_key_id) + first, 0, 0, secret), "Damaged"),
        ("no integrity key", bundle_seal(header + key_b + version_b1, 1, 1, secret), "Damaged"),
        ("the integrity key twice", bundle_seal(header + first + first, 0, 0, secret), "Damaged"),
        ("the integrity key by another algorithm", bundle_seal(header + bundle_entry(1, b"\x02" + first[4:]), 0, 0, secret), "Damaged"),
        ("an integrity key of 72 bytes", bundle_seal(header + bundle_entry(1, first[3:-1]), 0, 0, secret), "Damaged"),
        ("an entry of type 4", bundle_seal(header + first + bundle_entry(4, b"\x00"), 0, 0, secret), "Damaged"),
        ("keys in descending order", bundle_seal(header + first + key_b + version_b1 + key_a + version_a1, 2, 2, secret), "Damaged"),
        ("a key twice", bundle_seal(header + first + key_b + version_b1 + key_b, 2, 1, secret), "Damaged"),
        ("a version before any key", bundle_seal(header + first + version_b1, 0, 1, secret), "Damaged"),
        ("versions in descending order", bundle_seal(header + first + key_a + version_a2 + version_a1, 1, 2, secret), "Damaged"),
        ("a version twice", bundle_seal(header + first + key_a + version_a1 + version_a1, 1, 2, secret), "Damaged"),
        ("a version with id zero", bundle_seal(header + first + key_a + bundle_version(bytes(8), times(6, 1), None), 1, 1, secret), "Damaged"),
        ("a name that is empty", bundle_seal(header + first + bundle_key("", policy(a1, 9)), 1, 0, secret), "Damaged"),
        ("a name of 129 characters", bundle_seal(header + first + bundle_key("k" * 129, policy(a1, 9)), 1, 0, secret), "Damaged"),
        ("a name with a space", bundle_seal(header + first + bundle_key("a b", policy(a1, 9)), 1, 0, secret), "Damaged"),
        ("a name that is not ASCII", bundle_seal(header + first + bundle_key("\u00e9", policy(a1, 9)), 1, 0, secret), "Damaged"),
        ("an attribute twice", bundle_seal(header + first + bundle_key("a", [*policy(a1, 9), (4, 1)]), 1, 0, secret), "Damaged"),
        ("attributes in another order", bundle_seal(header + first + bundle_key("a", policy(a1, 9)[::-1]), 1, 0, secret), "Damaged"),
        ("attribute zero", bundle_seal(header + first + bundle_key("a", [(0, 1), *policy(a1, 9)]), 1, 0, secret), "Damaged"),
        ("33 attributes", bundle_seal(header + first + bundle_key("a", policy(a1, 9) + [(30 + i, 0) for i in range(29)]), 1, 0, secret), "Damaged"),
        ("a key without its purpose", bundle_seal(header + first + bundle_key("a", [p for p in policy(a1, 9) if p[0] != 2]), 1, 0, secret), "Damaged"),
        ("a version without its state", bundle_seal(header + first + key_a + bundle_version(a1, [(1, 0), (23, 0)], None), 1, 1, secret), "Damaged"),
        ("a byte too many in a key", bundle_seal(header + first + bundle_entry(2, key_a[3:] + b"\x00"), 1, 0, secret), "Damaged"),
        ("a byte too many in a version", bundle_seal(header + first + key_a + bundle_entry(3, version_a1[3:] + b"\x00"), 1, 1, secret), "Damaged"),
        ("material 2", bundle_seal(header + first + key_a + version_with(start, 2), 1, 1, secret), "Damaged"),
        ("material said and absent", bundle_seal(header + first + key_a + bundle_entry(3, malformed_version[3:start] + b"\x01"), 1, 1, secret), "Damaged"),
        ("another version's check value", bundle_seal(header + first + key_a + version_with(start + 2, 0xEE), 1, 1, secret), "Damaged"),
        ("another version's bulk key", bundle_seal(header + first + key_a + version_with(start + 1 + 69 + 41 + 1, 0xEE), 1, 1, secret), "Damaged"),
        ("a KEK by another algorithm", bundle_seal(header + first + key_a + version_with(start + 1 + 69, 2), 1, 1, secret), "Damaged"),
        ("an entry longer than any", bundle_seal(header + first + bundle_entry(2, bytes(600)), 1, 0, secret), "Damaged"),
        ("a key more counted than there is", bundle_seal(whole, 3, 3, secret), "Damaged"),
        ("a version fewer counted than there is", bundle_seal(whole, 2, 2, secret), "Damaged"),
        ("a signing key of another curve", bundle_seal(whole, 2, 3, secret, key=SPKI_START[:21] + b"\x06" + SPKI_START[22:] + spki(secret)[27:]), "Damaged"),
        ("a signing key that is no point", bundle_seal(whole, 2, 3, secret, key=SPKI_START + spki(secret)[27:-1] + bytes([spki(secret)[-1] ^ 1])), "SignatureInvalid"),
        ("signed by another key than it says", bundle_seal(whole, 2, 3, secret, key=spki(int.from_bytes(draw("other", 32), "big") % P256_ORDER)), "SignatureInvalid"),
        ("the greater of the two s", bundle_seal(whole, 2, 3, secret, small=False), "SignatureInvalid"),
        ("r and s zero", full[:-64] + bytes(64), "SignatureInvalid"),
        ("a bit of the signature", full[:-1] + bytes([full[-1] ^ 1]), "SignatureInvalid"),
        ("a bit of the time", full[:50] + bytes([full[50] ^ 1]) + full[51:], "SignatureInvalid"),
        ("a bit of a wrapped KEK", full.replace(material("b1")[70:110], material("b1")[70:109] + bytes([material("b1")[109] ^ 1])), "SignatureInvalid"),
        ("one left out more", full[:-64 - 91 - 1] + b"\x01" + full[-64 - 91:], "SignatureInvalid"),
        ("another bundle before it", bundle_seal(next_header + first, 0, 0, secret).replace(digest, other), "SignatureInvalid"),
    ]
    return {"spec": "docs/spec/backup-bundle.md", "backupKey": backup.hex(), "signingSecret": f"{secret:064x}", "signingKey": spki(secret).hex(),
            "signed": hashlib.sha256(b"keyservice/v1/backup-bundle\x00" + digest).hexdigest(),
            "positive": positives, "negative": [{"name": n, "encoded": e.hex(), "fault": f} for n, e, f in negative]}


# ---------------------------------------------------------------- audit log
def tree_root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + tree_root(leaves[:half]) + tree_root(leaves[half:])).digest()


def tree_path(index, leaves):
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) < 2:
        return []
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if index < half:
        return tree_path(index, leaves[:half]) + [tree_root(leaves[half:])]
    return tree_path(index - half, leaves[half:]) + [tree_root(leaves[:half])]


def tree_consistency(old, leaves, whole=True):
    """SUBPROOF of RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if whole else [tree_root(leaves)]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if old <= half:
        return tree_consistency(old, leaves[:half], whole) + [tree_root(leaves[half:])]
    return tree_consistency(old - half, leaves[half:], False) + [tree_root(leaves[:half])]


def der_integer(number):
    raw = number.to_bytes(33, "big").lstrip(b"\x00") or b"\x00"
    raw = b"\x00" + raw if raw[0] & 0x80 else raw
    return b"\x02" + bytes([len(raw)]) + raw


def der_signature(raw):
    body = der_integer(int.from_bytes(raw[:32], "big")) + der_integer(int.from_bytes(raw[32:], "big"))
    return b"\x30" + bytes([len(body)]) + body


def note_key_id(name, kind, key):
    return hashlib.sha256(key if kind == 2 else name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]


def vkey(name, kind, key):
    return f"{name}+{note_key_id(name, kind, key).hex()}+{base64.b64encode(bytes([kind]) + key).decode()}"


def note_line(name, key_id, signature):
    return f"\u2014 {name} {base64.b64encode(key_id + signature).decode()}\n"


def make_audit_log():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    leaves = [hashlib.sha256(b"\x00" + bytes([i] * i)).digest() for i in range(70)]
    sizes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 70]
    hexes = lambda hashes: [each.hex() for each in hashes]  # noqa: E731
    inclusion = [(i, n) for n in sizes for i in sorted({0, 1, n // 2, n - 2, n - 1}) if 0 <= i < n]
    consistency = [(m, n) for m in sizes for n in sizes if m <= n]
    proven = [{"name": f"leaf {i} of {n}", "index": i, "size": n, "leafHash": leaves[i].hex(), "root": tree_root(leaves[:n]).hex(),
               "proof": hexes(tree_path(i, leaves[:n]))} for i, n in inclusion]
    grown = [{"name": f"{m} to {n}", "oldSize": m, "size": n, "oldRoot": tree_root(leaves[:m]).hex(), "root": tree_root(leaves[:n]).hex(),
              "proof": hexes(tree_consistency(m, leaves[:n]) if m else [])} for m, n in consistency]

    def wrong(vector, name, **changes):
        return {**vector, "name": f"{vector['name']}: {name}", **changes}

    of = {v["name"]: v for v in proven}
    a, b, one = of["leaf 4 of 9"], of["leaf 69 of 70"], of["leaf 0 of 1"]
    not_included = [
        wrong(a, "a hash too few", proof=a["proof"][:-1]), wrong(a, "a hash too many", proof=a["proof"] + [a["root"]]),
        wrong(a, "in another order", proof=a["proof"][::-1]), wrong(a, "another place", index=5), wrong(a, "another size", size=8),
        wrong(a, "another leaf", leafHash=leaves[5].hex()), wrong(a, "another root", root=b["root"]),
        wrong(a, "a place that the tree does not have", index=9), wrong(a, "a negative place", index=-1),
        wrong(b, "the sibling changed", proof=[leaves[3].hex()] + b["proof"][1:]), wrong(b, "a hash of 31 bytes", proof=[b["proof"][0][:-2]] + b["proof"][1:]),
        wrong(one, "a hash too many", proof=[leaves[1].hex()]), wrong(one, "size zero", size=0),
    ]
    of = {v["name"]: v for v in grown}
    a, b, same, none = of["5 to 9"], of["8 to 70"], of["7 to 7"], of["0 to 9"]
    not_grown = [
        wrong(a, "a hash too few", proof=a["proof"][:-1]), wrong(a, "a hash too many", proof=a["proof"] + [a["root"]]), wrong(a, "nothing", proof=[]),
        wrong(a, "in another order", proof=a["proof"][::-1]), wrong(a, "another old root", oldRoot=tree_root(leaves[:4]).hex()),
        wrong(a, "another root", root=tree_root(leaves[:8]).hex()), wrong(a, "another old size", oldSize=6), wrong(a, "another size", size=17),
        wrong(a, "the old tree is the larger one", oldSize=9, size=5, oldRoot=a["root"], root=a["oldRoot"]),
        wrong(b, "one hash changed", proof=[leaves[0].hex()] + b["proof"][1:]), wrong(b, "nothing", proof=[]),
        wrong(same, "a proof that is not needed", proof=[leaves[0].hex()]), wrong(same, "two roots of one size", root=tree_root(leaves[:6] + [leaves[9]]).hex()),
        wrong(none, "a proof that is not needed", proof=[leaves[0].hex()]), wrong(none, "an old root that is not that of nothing", oldRoot=leaves[0].hex()),
    ]

    installation = "keyservice/" + draw("installation", 16).hex()
    origin = installation + "/directory"
    secret = int.from_bytes(draw("checkpoint key", 32), "big") % P256_ORDER
    log_key = spki(secret)
    seeds = {name: draw(f"witness {name}", 32) for name in ("audit.example/w1", "audit.example/w2", "plain.example")}
    private = {name: Ed25519PrivateKey.from_private_bytes(seed) for name, seed in seeds.items()}
    public = {name: key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for name, key in private.items()}

    def checkpoint_text(where, size, root, *extensions):
        return f"{where}\n{size}\n{base64.b64encode(root).decode()}\n" + "".join(f"{line}\n" for line in extensions)

    def by_log(text, name=origin, small=True):
        raw = sign(secret, hashlib.sha256(text.encode()).digest(), small)
        return note_line(name, note_key_id(name, 2, log_key), der_signature(raw))

    def by_witness(text, name, time=1764316860):
        signature = private[name].sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        return note_line(name, note_key_id(name, 4, public[name]), struct.pack(">Q", time) + signature)

    def by_plain(text, name="plain.example"):
        return note_line(name, note_key_id(name, 1, public[name]), private[name].sign(text.encode()))

    text = checkpoint_text(origin, 70, tree_root(leaves))
    keys = {"log": vkey(origin, 2, log_key), "w1": vkey("audit.example/w1", 4, public["audit.example/w1"]),
            "w2": vkey("audit.example/w2", 4, public["audit.example/w2"]), "plain": vkey("plain.example", 1, public["plain.example"])}
    flipped = bytearray(base64.b64decode(by_log(text).split(" ")[2]))
    flipped[-1] ^= 1
    broken = f"\u2014 {origin} {base64.b64encode(bytes(flipped)).decode()}\n"
    several = text + "\n" + by_log(text) + by_witness(text, "audit.example/w1") + by_plain(text)
    notes = [
        ("a checkpoint of the directory", text + "\n" + by_log(text), ["log"]),
        ("with a witness and a plain signature", several, ["log", "w1", "plain"]),
        ("two witnesses, another's line between", text + "\n" + by_log(text) + by_witness(text, "audit.example/w1") + note_line("nobody.example", b"abcd", b"x") + by_witness(text, "audit.example/w2", 0), ["log", "w1", "w2"]),
        ("an empty line in the text", f"a\n\n\u00e4 b\n\n" + by_plain("a\n\n\u00e4 b\n"), ["plain"]),
        ("the greater of the two s does not verify", text + "\n" + by_log(text, small=False), []),
        ("a bit of the signature does not verify", text + "\n" + broken, []),
        ("one line of the key verifies and one does not", text + "\n" + by_log(text) + broken, []),
        ("the right key under another name is unknown", text + "\n" + by_log(text, "keyservice/other/directory"), []),
        ("a signature of another text", checkpoint_text(origin, 69, tree_root(leaves)) + "\n" + by_log(text) + by_witness(text, "audit.example/w1"), []),
        ("a cosignature with another time", text + "\n" + by_witness(text, "audit.example/w1").replace(
            base64.b64encode(note_key_id("audit.example/w1", 4, public["audit.example/w1"]) + struct.pack(">Q", 1764316860)).decode()[:14],
            base64.b64encode(note_key_id("audit.example/w1", 4, public["audit.example/w1"]) + struct.pack(">Q", 1764316860 + (1 << 40))).decode()[:14]), []),
    ]
    line = by_log(text)
    not_notes = [
        ("nothing", b""), ("no signature", (text + "\n").encode()), ("no empty line", (text + line).encode()), ("only a signature", line.encode()),
        ("an empty text", ("\n" + line).encode()), ("no newline at the end", (text + "\n" + line[:-1]).encode()),
        ("a tab", (text.replace("7", "\t7") + "\n" + line).encode()), ("a carriage return", (text + "\n" + line[:-1] + "\r\n").encode()), ("a zero byte", (text + "\0\n\n" + line).encode()),
        ("a hyphen instead of the dash", (text + "\n" + line.replace("\u2014", "-")).encode()), ("two spaces behind the dash", (text + "\n" + line.replace("\u2014 ", "\u2014  ")).encode()),
        ("a plus in the name", (text + "\n" + line.replace("/directory", "+directory")).encode()), ("a no-break space in the name", (text + "\n" + line.replace("/directory", "\u00a0directory")).encode()),
        ("no name", (text + "\n" + "\u2014 " + line.split(" ")[2]).encode()), ("no signature behind the name", (text + "\n\u2014 name\n").encode()),
        ("a signature of four bytes", (text + "\n" + note_line("name", b"abcd", b"")).encode()),
        ("base64 without its padding", (text + "\n" + note_line("name", b"abcd", b"1").replace("=", "")).encode()),
        ("base64 with stray bits", (text + "\n\u2014 name YWJjZDF=\n").encode()), ("base64 of the other alphabet", (text + "\n\u2014 name YWJjZD_-\n").encode()),
        ("a blank in the base64", (text + "\n\u2014 name YWJj ZDEy\n").encode()), ("bytes that are not UTF-8", b"a\xff\n\n" + line.encode()),
        ("65 signatures", (text + "\n" + note_line("name", b"abcd", b"1") * 65).encode()),
    ]
    checkpoints = [
        ("of the directory", text, origin, 70, []), ("empty", checkpoint_text(installation + "/slot/0", 0, tree_root([])), installation + "/slot/0", 0, []),
        ("the greatest size", checkpoint_text("example.com/log", (1 << 63) - 1, leaves[0]), "example.com/log", (1 << 63) - 1, []),
        ("with extension lines", checkpoint_text("a b+c", 7, leaves[1], "x", "y z"), "a b+c", 7, ["x", "y z"]),
    ]
    good = base64.b64encode(leaves[0]).decode()
    not_checkpoints = [
        ("two lines", "o\n1\n"), ("no newline at the end", f"o\n1\n{good}"), ("no origin", f"\n1\n{good}\n"), ("an empty extension line", f"o\n1\n{good}\n\n"),
        ("a leading zero", f"o\n01\n{good}\n"), ("a sign", f"o\n+1\n{good}\n"), ("negative", f"o\n-1\n{good}\n"), ("2^63", f"o\n{1 << 63}\n{good}\n"),
        ("no digits", f"o\n\n{good}\n"), ("a blank before the size", f"o\n 1\n{good}\n"), ("a root of 31 bytes", f"o\n1\n{base64.b64encode(bytes(31)).decode()}\n"),
        ("a root in hexadecimal", f"o\n1\n{leaves[0].hex()}\n"), ("stray bits in the root", f"o\n1\n{good[:-2] + chr(ord(good[-2]) + 1)}=\n"), ("nothing", ""),
    ]
    log = keys["log"]
    not_vkeys = [
        ("nothing", ""), ("one part", "name"), ("two parts", "name+01020304"), ("no name", log[log.index("+"):]), ("another id", log.replace(log.split("+")[1], "00000000")),
        ("the id in capitals", log.replace(log.split("+")[1], log.split("+")[1].upper())), ("a key of 31 bytes", vkey("n", 1, bytes(31))), ("type 3", vkey("n", 3, bytes(32))),
        ("type 6", vkey("n", 6, bytes(1312))), ("an ECDSA key of another curve", vkey("n", 2, SPKI_START[:21] + b"\x06" + log_key[22:])), ("a blank in the name", vkey("a b", 1, bytes(32))),
        ("a byte too many", vkey("n", 4, bytes(33))), ("base64 without its padding", keys["w1"].rstrip("=")[:-1]),
    ]
    record = bytes.fromhex("0100")
    proof_leaf = hashlib.sha256(b"\x00" + bytes([4] * 4)).digest()
    proof_head = "c2sp.org/tlog-proof@v1\n"
    path = "".join(base64.b64encode(each).decode() + "\n" for each in tree_path(4, leaves))
    note = text + "\n" + line
    proofs = [
        ("with the entry", f"{proof_head}extra {base64.b64encode(bytes([4] * 4)).decode()}\nindex 4\n{path}\n{note}", bytes([4] * 4).hex(), 4),
        ("without extra data", f"{proof_head}index 4\n{path}\n{note}", None, 4),
        ("empty extra data", f"{proof_head}extra \nindex 4\n{path}\n{note}", "", 4),
    ]
    lone = checkpoint_text(origin, 1, leaves[0])
    proofs.append(("the only entry", f"{proof_head}index 0\n\n{lone}\n{by_log(lone)}", None, 0))
    not_proofs = [
        ("another first line", f"c2sp.org/tlog-proof@v2\nindex 4\n{path}\n{note}"), ("no index", f"{proof_head}{path}\n{note}"), ("a leading zero", f"{proof_head}index 04\n{path}\n{note}"),
        ("a negative index", f"{proof_head}index -4\n{path}\n{note}"), ("extra data behind the index", f"{proof_head}index 4\nextra AA==\n{path}\n{note}"),
        ("extra data that is not base64", f"{proof_head}extra ?\nindex 4\n{path}\n{note}"), ("a hash of 31 bytes", f"{proof_head}index 4\n{base64.b64encode(bytes(31)).decode()}\n\n{note}"),
        ("64 hashes", f"{proof_head}index 4\n{(base64.b64encode(bytes(32)).decode() + chr(10)) * 64}\n{note}"), ("no checkpoint", f"{proof_head}index 4\n{path}\n"),
        ("no empty line", f"{proof_head}index 4\n{path}{note}"), ("carriage returns", f"{proof_head}index 4\r\n{path}\n{note}"), ("a letter that is not ASCII", f"{proof_head}index 4\n\u00e4\n\n{note}"),
    ]

    def slot_entry(kind, slot, size, root, time=1764316800000000000, version=1):
        return bytes([version, kind]) + struct.pack(">qIq", time, slot, size) + root

    entries = [
        ("lease", slot_entry(1, 0, 0, tree_root([])), {"kind": 1, "time": "1764316800000000000", "slot": 0, "size": "0", "value": tree_root([]).hex()}),
        ("checkpoint", slot_entry(2, 4294967295, (1 << 63) - 1, leaves[5], -1), {"kind": 2, "time": "-1", "slot": 4294967295, "size": str((1 << 63) - 1), "value": leaves[5].hex()}),
        ("seal", slot_entry(3, 7, 70, tree_root(leaves)), {"kind": 3, "time": "1764316800000000000", "slot": 7, "size": "70", "value": tree_root(leaves).hex()}),
        ("key", b"\x01\x04" + struct.pack(">q", 5) + log_key, {"kind": 4, "time": "5", "slot": 0, "size": "0", "value": log_key.hex()}),
        ("peer key", b"\x01\x05" + struct.pack(">q", 6) + log_key, {"kind": 5, "time": "6", "slot": 0, "size": "0", "value": log_key.hex()}),
    ]
    not_entries = [
        ("nothing", b""), ("version 2", slot_entry(1, 0, 0, leaves[0], version=2)), ("kind 0", slot_entry(0, 0, 0, leaves[0])), ("kind 5 of a slot", slot_entry(5, 0, 0, leaves[0])), ("kind 6", slot_entry(6, 0, 0, leaves[0])),
        ("a byte too few", slot_entry(1, 0, 0, leaves[0])[:-1]), ("a byte too many", slot_entry(1, 0, 0, leaves[0]) + b"\x00"), ("a negative size", slot_entry(2, 0, -1, leaves[0])),
        ("a key of another curve", b"\x01\x04" + bytes(8) + SPKI_START[:21] + b"\x06" + log_key[22:]), ("a key a byte short", b"\x01\x04" + bytes(8) + log_key[:-1]), ("only the head", b"\x01\x04" + bytes(8)), ("a key of kind 6", b"\x01\x06" + bytes(8) + log_key),
    ]
    bundle = b"".join(struct.pack(">I", len(each)) + each for each in (b"", record, bytes(70_000)))
    return {
        "spec": "docs/spec/audit-log.md", "note": "64-bit numbers are decimal texts where they may exceed 2^53.",
        "leaves": hexes(leaves), "roots": [{"name": f"{n} leaves", "size": n, "root": tree_root(leaves[:n]).hex()} for n in sizes],
        "inclusion": proven, "notIncluded": not_included, "consistency": grown, "notConsistent": not_grown,
        "installation": installation, "logSecret": f"{secret:064x}", "seeds": {name: seed.hex() for name, seed in seeds.items()}, "keys": keys,
        "notes": [{"name": n, "encoded": e.encode().hex(), "verifies": v} for n, e, v in notes],
        "notNotes": [{"name": n, "encoded": e.hex()} for n, e in not_notes],
        "checkpoints": [{"name": n, "text": t, "origin": o, "size": str(s), "extensions": x} for n, t, o, s, x in checkpoints],
        "notCheckpoints": [{"name": n, "text": t} for n, t in not_checkpoints],
        "vkeys": [{"name": n, "text": t} for n, t in keys.items()], "notVkeys": [{"name": n, "text": t} for n, t in not_vkeys],
        "proofs": [{"name": n, "encoded": e.encode().hex(), "extra": x, "index": i, "leafHash": (leaves[0] if i == 0 else proof_leaf).hex()} for n, e, x, i in proofs],
        "notProofs": [{"name": n, "encoded": e.encode().hex()} for n, e in not_proofs],
        "entries": [{"name": n, "encoded": e.hex(), **fields} for n, e, fields in entries], "notEntries": [{"name": n, "encoded": e.hex()} for n, e in not_entries],
        "bundles": [{"name": "three entries, one longer than 16 bits say", "sha256": hashlib.sha256(bundle).hexdigest(), "lengths": [0, 2, 70000]}],
        "paths": [{"level": 0, "index": "0", "width": 256, "path": "tile/0/000"}, {"level": 1, "index": "1234067", "width": 256, "path": "tile/1/x001/x234/067"},
                  {"level": 0, "index": "273", "width": 112, "path": "tile/0/273.p/112"}, {"level": 2, "index": "0", "width": 1, "path": "tile/2/000.p/1"},
                  {"level": 7, "index": "1000", "width": 255, "path": "tile/7/x001/000.p/255"}],
    }


# ---------------------------------------------------------------- installation keys
def make_installation_keys():
    integrity_key, installation = draw("installation-keys integrity", 32), draw("installation-keys installation", 16)
    label = "keyservice/v1/context-digest"
    message = struct.pack(">I", 1) + label.encode() + b"\x00" + installation + struct.pack(">I", 256)
    key = hmac.digest(integrity_key, message, "sha256")
    return {
        "spec": "docs/spec/installation-keys.md",
        "integrityKey": integrity_key.hex(), "installation": installation.hex(),
        "positive": [{"name": "context digest", "label": label, "input": message.hex(), "key": key.hex()}],
        "contextDigests": [
            {"name": name, "pairs": [list(pair) for pair in pairs], "digest": hmac.digest(key, context(pairs), "sha256").hex()}
            for name, pairs in (("empty", []), ("one pair", [("tenant", "st-mary")]), ("a record", SAMPLE))
        ],
    }


# ---------------------------------------------------------------- approvals
def approval_request(**changes):
    of = {"label": "keyservice/approval-request/v1", "installation": draw("installation", 16).hex(), "roster": draw("a roster", 32).hex(), "method": "keyservice.v1.Destructions/ScheduleDestruction",
          "requester": "ehr-admin", "created": "2026-03-01T10:00:00Z", "expires": "2026-03-04T10:00:00Z", "nonce": draw("a nonce", 32).hex(),
          "parameters": [("request_id", "7f1c3bd2-0d8e-4a2c-9b51-4d9f0f6a1d11"), ("key", "lab/results"), ("key_versions[0]", "00c4e6b1a2d3f405"), ("wait", "604800s"), ("reason", "moved to the new key")]}
    of.update(changes)
    head = of["label"] + "\n" + "".join(f"{name} {of[name]}\n" for name in ("installation", "roster", "method", "requester", "created", "expires", "nonce"))
    return head + f"parameters {of.get('count', len(of['parameters']))}\n" + "".join(f"{name} {value}\n" for name, value in of["parameters"])


def approval_document(secret, digest, officer, decision="approve", time="2026-03-01T11:00:00Z", small=True, label="keyservice/approval/v1"):
    text = f"{label}\nrequest {digest.hex()}\nofficer {officer}\ndecision {decision}\ntime {time}\n"
    return text + f"signature {base64.b64encode(sign(secret, hashlib.sha256(text.encode()).digest(), small)).decode()}\n"


def roster_text(officers, quorum=2, sequence=1, previous=None, valid_from="2026-01-01T00:00:00Z", installation=None, count=None):
    head = (f"keyservice/roster/v1\ninstallation {installation or draw('installation', 16).hex()}\nsequence {sequence}\nprevious {previous.hex() if previous else 'none'}\n"
            f"valid-from {valid_from}\nquorum {quorum}\nofficers {len(officers) if count is None else count}\n")
    return head + "".join(f"{name} {base64.b64encode(key).decode()}\n" for name, key in officers)


def roster_document(text, signers):
    lines = [f"{word} {name} {base64.b64encode(sign(secret, hashlib.sha256(text.encode()).digest(), small)).decode()}\n" for word, name, secret, small in signers]
    return text + f"signatures {len(lines)}\n" + "".join(lines)


def make_approvals():
    names = ["alice", "bob", "carol", "dave", "erin"]
    secrets = {name: int.from_bytes(draw(f"officer {name}", 32), "big") % P256_ORDER for name in names}
    secrets["bob's second"] = int.from_bytes(draw("officer bob again", 32), "big") % P256_ORDER
    keys = {name: spki(secret) for name, secret in secrets.items()}

    def officers(*chosen):
        return [(name, keys[name]) for name in chosen]

    def accepts(*chosen):
        return [("accepts", name, secrets[name], True) for name in chosen]

    def appoints(*chosen):
        return [("appoints", name, secrets[name], True) for name in chosen]

    requests = [
        ("a destruction", approval_request()), ("no parameters", approval_request(parameters=[])), ("an empty value", approval_request(parameters=[("reason", "")])),
        ("a value that would look like a line", approval_request(parameters=[("reason", "a\\u{a}nonce 00")])),
        ("letters, a backslash, a turn of direction", approval_request(parameters=[("reason", "Schl\\u{fc}ssel \\\\ \\u{202e}\\u{1f511}")])),
        ("spaces at both ends", approval_request(parameters=[("reason", "  a  ")])), ("a path in a message", approval_request(parameters=[("policy.rotation_period", "86400s"), ("a[0].b[11]", "x")])),
        ("31 days", approval_request(expires="2026-04-01T10:00:00Z")), ("a second", approval_request(expires="2026-03-01T10:00:01Z")),
    ]
    not_requests = [
        ("nothing", ""), ("another label", approval_request(label="keyservice/approval-request/v2")), ("no newline at the end", approval_request()[:-1]), ("an empty line at the end", approval_request() + "\n"),
        ("carriage returns", approval_request().replace("\n", "\r\n")), ("a letter outside ASCII", approval_request(parameters=[("reason", "\u00fc")])), ("a tab", approval_request(parameters=[("reason", "\t")])),
        ("an id of 15 bytes", approval_request(installation="00" * 15)), ("great hexadecimal digits", approval_request(roster="AB" * 32)), ("a nonce of 31 bytes", approval_request(nonce="00" * 31)),
        ("no requester", approval_request(requester="")), ("a requester with a space", approval_request(requester="a b")), ("a requester in capitals", approval_request(requester="Alice")),
        ("a requester of 65 letters", approval_request(requester="a" * 65)), ("a method without a service", approval_request(method="/Schedule")), ("a method with two slashes", approval_request(method="/a/b")),
        ("it ends when it begins", approval_request(expires="2026-03-01T10:00:00Z")), ("more than 31 days", approval_request(expires="2026-04-01T10:00:01Z")), ("an hour 24", approval_request(expires="2026-03-03T24:00:00Z")),
        ("the 30th of February", approval_request(created="2026-02-30T10:00:00Z")), ("a fraction of a second", approval_request(created="2026-03-01T10:00:00.5Z")), ("another time zone", approval_request(created="2026-03-01T10:00:00+00:00")),
        ("a parameter fewer than said", approval_request(count=6)), ("a parameter more than said", approval_request(count=4)), ("a leading zero", approval_request(count="05")), ("a parameter twice", approval_request(parameters=[("a", "1"), ("a", "2")])),
        ("a parameter's name in capitals", approval_request(parameters=[("A", "1")])), ("a parameter without a name", approval_request(parameters=[("", "1")])),
        ("an escape of what needs none", approval_request(parameters=[("reason", "\\u{41}")])), ("an escape in great digits", approval_request(parameters=[("reason", "\\u{FC}")])), ("an escape with a zero in front", approval_request(parameters=[("reason", "\\u{0fc}")])),
        ("an escaped surrogate", approval_request(parameters=[("reason", "\\u{d800}")])), ("an escaped U+FFFD", approval_request(parameters=[("reason", "\\u{fffd}")])), ("an escape beyond Unicode", approval_request(parameters=[("reason", "\\u{110000}")])),
        ("an escape of nothing", approval_request(parameters=[("reason", "\\u{}")])), ("a lone backslash", approval_request(parameters=[("reason", "a\\")])), ("another escape", approval_request(parameters=[("reason", "\\n")])),
        ("fields in another order", approval_request().replace("requester ehr-admin\n", "").replace("method ", "requester ehr-admin\nmethod ")),
    ]
    digest = hashlib.sha256(approval_request().encode()).digest()
    approvals = [
        ("approved", approval_document(secrets["alice"], digest, "alice"), ["alice"]), ("rejected", approval_document(secrets["bob"], digest, "bob", "reject"), ["bob"]),
        ("the greater of the two s", approval_document(secrets["alice"], digest, "alice", small=False), []), ("another's key", approval_document(secrets["bob"], digest, "alice"), ["bob"]),
        ("the decision changed", approval_document(secrets["alice"], digest, "alice", "reject").replace("reject", "approve"), []),
        ("r and s of zero", approval_document(secrets["alice"], digest, "alice").split("signature ")[0] + f"signature {base64.b64encode(bytes(64)).decode()}\n", []),
        ("r of the order", approval_document(secrets["alice"], digest, "alice").split("signature ")[0] + f"signature {base64.b64encode(P256_ORDER.to_bytes(32, 'big') + bytes(31) + bytes([1])).decode()}\n", []),
    ]
    good = approvals[0][1]
    not_approvals = [
        ("nothing", ""), ("another label", good.replace("/v1", "/v2")), ("another decision", approval_document(secrets["alice"], digest, "alice", "abstain")), ("a decision in capitals", approval_document(secrets["alice"], digest, "alice", "Approve")),
        ("no signature", good.split("signature ")[0]), ("a signature of 63 bytes", good.split("signature ")[0] + f"signature {base64.b64encode(bytes(63)).decode()}\n"),
        ("a signature in DER", good.split("signature ")[0] + f"signature {base64.b64encode(der_signature(sign(secrets['alice'], digest))).decode()}\n"),
        ("base64 without padding", good.replace("=", "")), ("a line behind", good + "note x\n"), ("a name in capitals", good.replace("alice", "Alice")), ("a digest of 31 bytes", good.replace(digest.hex(), digest.hex()[2:])),
    ]

    first = roster_text(officers("alice", "bob", "carol"))
    second = roster_text(officers("alice", "bob", "dave", "erin"), 3, 2, hashlib.sha256(first.encode()).digest(), "2026-02-01T00:00:00Z")
    signed_first = roster_document(first, accepts("alice", "bob", "carol"))
    signed_second = roster_document(second, accepts("dave", "erin") + appoints("alice", "carol"))
    hash1, hash2 = (hashlib.sha256(each.encode()).digest() for each in (first, second))
    renewed = roster_text([("alice", keys["alice"]), ("bob", keys["bob's second"]), ("carol", keys["carol"])], 2, 2, hash1, "2026-02-01T00:00:00Z")
    by_new_bob = [("accepts", "bob", secrets["bob's second"], True)]

    def following(text, signers):
        return [signed_first, roster_document(text, signers)]

    def second_with(**changes):
        of = {"quorum": 2, "sequence": 2, "previous": hash1, "valid_from": "2026-02-01T00:00:00Z"}
        of.update(changes)
        return roster_text(officers("alice", "bob", "carol"), **of)

    chains = [
        ("the first", [signed_first], "Valid", 1), ("a second", [signed_first, signed_second], "Valid", 2), ("nothing", [], "Missing", 0),
        ("an officer's key renewed", following(renewed, by_new_bob + appoints("alice", "bob")), "Valid", 2),
        ("a renewed key that appoints itself", following(renewed, by_new_bob + appoints("alice") + [("appoints", "bob", secrets["bob's second"], True)]), "WrongSignature", 2),
        ("more than a quorum appoint", following(second_with(), appoints("alice", "bob", "carol")), "Valid", 2),
        ("one of the first did not accept", [roster_document(first, accepts("alice", "carol"))], "NotAccepted", 1),
        ("nobody signed", [roster_document(first, [])], "NotAccepted", 1),
        ("the first with an appointing signature", [roster_document(first, accepts("alice", "bob", "carol") + appoints("alice"))], "WrongSignature", 1),
        ("one appoints where two must", following(second_with(), appoints("alice")), "NotAppointed", 2), ("a new officer did not accept", following(second, accepts("dave") + appoints("alice", "bob")), "NotAccepted", 2),
        ("a stranger appoints", following(second_with(), appoints("alice", "dave")), "WrongSignature", 2), ("the greater of the two s", [roster_document(first, accepts("alice", "bob") + [("accepts", "carol", secrets["carol"], False)])], "WrongSignature", 1),
        ("the new officers appoint themselves", following(second, accepts("dave", "erin") + appoints("dave", "erin")), "WrongSignature", 2),
        ("a number left out", following(second_with(sequence=3), appoints("alice", "bob")), "NotNext", 2), ("another roster before", following(second_with(previous=hash2), appoints("alice", "bob")), "NotNext", 2),
        ("the second alone", [signed_second], "NotNext", 1), ("the first twice", [signed_first, signed_first], "NotNext", 2),
        ("valid before the first", following(second_with(valid_from="2025-12-31T23:59:59Z"), appoints("alice", "bob")), "ValidTooEarly", 2),
        ("another installation", following(second_with(installation="00" * 16), appoints("alice", "bob")), "AnotherInstallation", 2),
    ]
    not_rosters = [
        ("nothing", ""), ("a quorum of one", roster_document(roster_text(officers("alice", "bob"), 1), [])), ("a quorum of zero", roster_document(roster_text(officers("alice", "bob"), 0), [])),
        ("a quorum above the officers", roster_document(roster_text(officers("alice", "bob"), 3), [])), ("a quorum of 65", roster_document(roster_text(officers("alice", "bob"), 65), [])), ("no officers", roster_document(roster_text([]), [])),
        ("an officer twice", roster_document(roster_text(officers("alice", "alice", "bob")), [])), ("one key twice", roster_document(roster_text([("alice", keys["alice"]), ("bob", keys["alice"])]), [])),
        ("officers in another order", roster_document(roster_text(officers("bob", "alice")), [])), ("an officer fewer than said", roster_document(roster_text(officers("alice", "bob"), count=3), [])),
        ("a key that is no point", roster_document(roster_text([("alice", keys["alice"][:-1] + bytes([keys["alice"][-1] ^ 1])), ("bob", keys["bob"])]), [])),
        ("a key of another curve", roster_document(roster_text([("alice", keys["alice"][:21] + b"\x06" + keys["alice"][22:]), ("bob", keys["bob"])]), [])),
        ("the first with one before", roster_document(roster_text(officers("alice", "bob"), previous=hash1), [])), ("the second without one before", roster_document(roster_text(officers("alice", "bob"), sequence=2), [])),
        ("sequence 0", roster_document(roster_text(officers("alice", "bob"), sequence=0), [])), ("no signatures' number", first), ("a signature more than said", signed_first + signed_first.splitlines()[-1] + "\n"),
        ("signatures in another order", roster_document(first, accepts("bob", "alice", "carol"))), ("a signature twice", roster_document(first, accepts("alice", "alice", "bob"))),
        ("a signature without its word", signed_first.replace("accepts alice", "alice")), ("a signature with another word", signed_first.replace("accepts alice", "admits alice")),
    ]

    def export(rosters, request, *documents):
        parts = [("roster", each) for each in rosters] + [("request", request)] + [("approval", each) for each in documents]
        return "keyservice/approval-export/v1\n" + "".join(f"{kind} {len(each)}\n{each}" for kind, each in parts)

    def case(name, verdict, worth, rosters=None, said=(), **changes):
        request = approval_request(**{"roster": hash1.hex(), **changes})
        of = hashlib.sha256(request.encode()).digest()
        documents = [approval_document(secrets[each[1] if len(each) > 1 else each[0]], each[3] if len(each) > 3 else of, each[0], **(each[2] if len(each) > 2 else {})) for each in said]
        return {"name": name, "encoded": export(rosters or [signed_first], request, *documents).encode().hex(), "verdict": verdict, "worth": worth}

    other = hashlib.sha256(approval_request(roster=hash1.hex(), nonce="11" * 32).encode()).digest()
    cases = [
        case("two of three", "Granted", ["Approves", "Approves"], said=[("alice",), ("bob",)]), case("all three", "Granted", ["Approves"] * 3, said=[("alice",), ("bob",), ("carol",)]),
        case("one of three", "TooFew", ["Approves"], said=[("alice",)]), case("nobody", "TooFew", []), case("one officer twice", "TooFew", ["Approves", "Repeated"], said=[("alice",), ("alice",)]),
        case("one officer twice, at two times", "TooFew", ["Approves", "Repeated"], said=[("alice",), ("alice", "alice", {"time": "2026-03-01T12:00:00Z"})]),
        case("one rejects", "Rejected", ["Approves", "Approves", "Rejects"], said=[("alice",), ("bob",), ("carol", "carol", {"decision": "reject"})]),
        case("who approved rejects", "Rejected", ["Approves", "Approves", "Rejects"], said=[("alice",), ("bob",), ("bob", "bob", {"decision": "reject"})]),
        case("who asked approves", "TooFew", ["OwnRequest", "Approves"], said=[("alice",), ("bob",)], requester="alice"), case("who asked rejects", "Granted", ["OwnRequest", "Approves", "Approves"],
             said=[("alice", "alice", {"decision": "reject"}), ("bob",), ("carol",)], requester="alice"),
        case("an approval of another request", "TooFew", ["Approves", "AnotherRequest"], said=[("alice",), ("bob", "bob", {}, other)]),
        case("signed by another's key", "TooFew", ["Approves", "WrongSignature"], said=[("alice",), ("bob", "alice")]), case("the greater of the two s", "TooFew", ["Approves", "WrongSignature"], said=[("alice",), ("bob", "bob", {"small": False})]),
        case("not in the roster", "TooFew", ["Approves", "NotInRoster"], said=[("alice",), ("dave",)]),
        case("before it was asked", "TooFew", ["Approves", "OutsideTime"], said=[("alice",), ("bob", "bob", {"time": "2026-03-01T09:59:59Z"})]), case("in the second it ends", "TooFew", ["Approves", "OutsideTime"],
             said=[("alice",), ("bob", "bob", {"time": "2026-03-04T10:00:00Z"})]),
        case("in its last second and its first", "Granted", ["Approves", "Approves"], said=[("alice", "alice", {"time": "2026-03-01T10:00:00Z"}), ("bob", "bob", {"time": "2026-03-04T09:59:59Z"})]),
        case("another installation", "AnotherInstallation", ["Approves", "Approves"], said=[("alice",), ("bob",)], installation="00" * 16), case("a roster that is not there", "UnknownRoster", [], said=[("alice",), ("bob",)], roster="00" * 32),
        case("before its roster", "RosterNotValid", ["Approves", "Approves"], said=[("alice", "alice", {"time": "2026-01-01T12:00:00Z"}), ("bob", "bob", {"time": "2026-01-01T12:00:00Z"})], created="2025-12-31T23:59:59Z", expires="2026-01-03T00:00:00Z"),
        case("under the second roster", "Granted", ["Approves"] * 3, rosters=[signed_first, signed_second], said=[("alice",), ("dave",), ("erin",)], roster=hash2.hex()),
        case("two where the second roster has three", "TooFew", ["Approves"] * 2, rosters=[signed_first, signed_second], said=[("alice",), ("dave",)], roster=hash2.hex()),
        case("under a roster that was replaced", "RosterNotValid", ["OutsideTime", "OutsideTime"], rosters=[signed_first, signed_second], said=[("alice",), ("bob",)]),
        case("decided before its roster was replaced", "Granted", ["Approves", "Approves"], rosters=[signed_first, signed_second], said=[("alice", "alice", {"time": "2026-01-31T23:59:59Z"}), ("bob", "bob", {"time": "2026-01-31T23:59:59Z"})],
             created="2026-01-31T10:00:00Z", expires="2026-02-03T10:00:00Z"),
        case("decided after its roster was replaced", "TooFew", ["Approves", "OutsideTime"], rosters=[signed_first, signed_second], said=[("alice", "alice", {"time": "2026-01-31T23:59:59Z"}), ("bob", "bob", {"time": "2026-02-01T00:00:00Z"})],
             created="2026-01-31T10:00:00Z", expires="2026-02-03T10:00:00Z"),
    ]
    request = approval_request(roster=hash1.hex())
    whole = export([signed_first], request, approval_document(secrets["alice"], hashlib.sha256(request.encode()).digest(), "alice"))
    not_exports = [
        ("nothing", ""), ("another label", whole.replace("approval-export/v1", "approval-export/v2")), ("no request", export([signed_first], request).split("request ")[0]), ("no roster", export([], request)), ("two requests", whole + f"request {len(request)}\n{request}"),
        ("a roster behind the request", whole + f"roster {len(signed_first)}\n{signed_first}"), ("cut off", whole[:-1]), ("a byte too many", whole + "\n"), ("a part of another kind", whole + "note 2\nx\n"),
        ("a length with a zero in front", whole.replace("request ", "request 0", 1)), ("a length below zero", whole + "approval -1\n"), ("a length beyond the end", whole + "approval 1\n"), ("257 approvals", export([signed_first], request, *([good] * 257))),
    ]
    return {
        "spec": "docs/spec/approvals.md", "secrets": {name: f"{secret:064x}" for name, secret in secrets.items()}, "keys": {name: key.hex() for name, key in keys.items()},
        "requests": [{"name": n, "encoded": e.encode().hex(), "digest": hashlib.sha256(e.encode()).hexdigest()} for n, e in requests], "notRequests": [{"name": n, "encoded": e.encode().hex()} for n, e in not_requests],
        "values": [{"name": n, "value": v, "escaped": e} for n, v, e in [("plain", "a b", "a b"), ("a backslash", "\\", "\\\\"), ("a newline", "\n", "\\u{a}"), ("an umlaut", "\u00fc", "\\u{fc}"), ("outside the first plane", "\U0001f511", "\\u{1f511}"), ("the last", "\U0010ffff", "\\u{10ffff}"), ("delete", "\x7f", "\\u{7f}")]],
        "approvals": [{"name": n, "encoded": e.encode().hex(), "verifies": v} for n, e, v in approvals], "notApprovals": [{"name": n, "encoded": e.encode().hex()} for n, e in not_approvals],
        "rosters": [{"name": n, "encoded": e.encode().hex(), "hash": hashlib.sha256(t.encode()).hexdigest(), "officers": o, "quorum": q} for n, e, t, o, q in
                    [("the first", signed_first, first, ["alice", "bob", "carol"], 2), ("the second", signed_second, second, ["alice", "bob", "dave", "erin"], 3), ("unsigned", roster_document(first, []), first, ["alice", "bob", "carol"], 2)]],
        "notRosters": [{"name": n, "encoded": e.encode().hex()} for n, e in not_rosters],
        "chains": [{"name": n, "rosters": [each.encode().hex() for each in r], "finding": f, "sequence": q} for n, r, f, q in chains],
        "exports": cases, "notExports": [{"name": n, "encoded": e.encode().hex()} for n, e in not_exports],
    }


# ---------------------------------------------------------------- access review
def access_statement(of):
    head = f"keyservice/access/v1\nprincipal {of['principal']}\ntype {of['type']}\ncredential {of['credentialKind']} {of['credential']}\n"
    return head + "".join(
        f"grant {g['id']} {g['keyPattern']} {'-' if g['expires'] is None else g['expires']} {g['permissions']} {g['contextConstraint']}\n" for g in of["grants"])


def review_entry(principal, type_="person", manager="dave", finding="-", verdict="keep", time="2026-12-01T10:00:00Z", access=None, note=None):
    access = draw(f"access of {principal}", 32).hex() if access is None else access
    return f"{principal} {type_} {manager} {finding} {verdict} {time} {access}" + ("" if note is None else f" {note}") + "\n"


def review_result(entries, count=None, **changes):
    of = {"origin": f"keyservice/{draw('installation', 16).hex()}/access-reviews", "review": "00c4e6b1a2d3f405", "started": "2026-11-29T15:00:00Z alice",
          "due": "2026-12-13T15:00:00Z", "closed": "2026-12-13T15:00:04Z -", "roster": draw("the list", 32).hex()}
    of.update(changes)
    return (f"{of['origin']}\nreview {of['review']}\nstarted {of['started']}\ndue {of['due']}\nclosed {of['closed']}\nroster {of['roster']}\n"
            + f"principals {len(entries) if count is None else count}\n" + "".join(entries))


def make_access_review():
    secret = int.from_bytes(draw("reviews key", 32), "big") % P256_ORDER
    other = int.from_bytes(draw("another reviews key", 32), "big") % P256_ORDER
    origin = f"keyservice/{draw('installation', 16).hex()}/access-reviews"
    key = vkey(origin, 2, spki(secret))
    zoe = review_entry("zoe", finding="left", verdict="suspend", note="left on 1 December, ticket 4711 \u2013 Pr\u00fcfung")
    everybody = [
        review_entry("alice", verdict="keep"), review_entry("backup", "service", "-", "orphan", "suspended-at-deadline", "2026-12-13T15:00:02Z"),
        review_entry("database", "service", note="the EHR's own"), review_entry("dave", manager="erin"),
        review_entry("root", manager="-", finding="manager-not-active", verdict="kept-as-last-administrator", time="2026-12-13T15:00:02Z"),
        review_entry("triage", "ai-system", "erin", "manager-started-review", "disabled-meanwhile", "2026-12-13T15:00:04Z", "-"), zoe,
    ]
    whole = review_result(everybody)

    def note(text, by=secret, under=origin):
        return f"{text}\n" + note_line(under, note_key_id(under, 2, spki(by)), der_signature(sign(by, hashlib.sha256(text.encode()).digest())))

    by_hand = review_result([review_entry("alice")], closed="2026-12-02T08:00:00Z dave")
    results = [
        ("one that ended by itself", note(whole), True), ("one that was closed before its time", note(by_hand), True),
        ("signed by another key", note(whole, other), False), ("a verdict changed", note(whole).replace("dave left suspend", "dave left keep"), False),
        ("a digest changed", note(whole).replace(draw("access of alice", 32).hex(), draw("access of zoe", 32).hex(), 1), False),
        ("a principal left out", note(whole).replace(everybody[3], "").replace("principals 7", "principals 6"), False),
        ("signed as a month of findings is", note(whole, under=origin.replace("access-reviews", "reviews")), False),
    ]
    one = review_entry("alice")
    not_results = [
        ("nothing", ""), ("no principal", review_result([])), ("a principal twice", review_result([one, one])), ("another order", review_result([zoe, one])), ("one principal fewer", review_result([one], 2)),
        ("a number with a zero in front", review_result([one], "01")), ("another origin", review_result([one], origin=origin.replace("access-", ""))), ("an origin that overlaps", review_result([one], origin="keyservice/access-reviews")),
        ("an installation of 15 bytes", review_result([one], origin=origin.replace("keyservice/" + draw("installation", 1).hex(), "keyservice/"))), ("review 0", review_result([one], review="0" * 16)),
        ("a review's number in capitals", review_result([one], review="00C4E6B1A2D3F405")), ("a review's number of 7 bytes", review_result([one], review="c4e6b1a2d3f405")),
        ("started by nobody", review_result([one], started="2026-11-29T15:00:00Z -")), ("due before it was started", review_result([one], due="2026-11-29T15:00:00Z")), ("closed before it was started", review_result([one], closed="2026-11-29T14:59:59Z -")),
        ("a time with its fraction", review_result([one], due="2026-12-13T15:00:00.0Z")), ("the 31st of November", review_result([one], due="2026-11-31T15:00:00Z")), ("a list of 31 bytes", review_result([one], roster=draw("the list", 31).hex())),
        ("attested by who started it", review_result([review_entry("zoe", manager="alice")])), ("attested by itself", review_result([review_entry("zoe", manager="zoe")])), ("kept without a manager", review_result([review_entry("zoe", manager="-")])),
        ("suspended without a note", review_result([review_entry("zoe", verdict="suspend")])), ("a note on what nobody attested", review_result([review_entry("zoe", verdict="suspended-at-deadline", note="x")])),
        ("an empty note", review_result([review_entry("zoe", note="")])), ("a note of 513 bytes", review_result([review_entry("zoe", note="x" * 513)])), ("a note with a delete character", review_result([review_entry("zoe", note="a\x7fb")])),
        ("a note with a control character of the second kind", review_result([review_entry("zoe", note="a\u0085b")])), ("another verdict", review_result([review_entry("zoe", verdict="pending")])), ("another finding", review_result([review_entry("zoe", finding="late")])),
        ("another type", review_result([review_entry("zoe", type_="robot")])), ("a name in capitals", review_result([review_entry("Zoe")])), ("a digest in capitals", review_result([review_entry("zoe", access="AB" * 32)])), ("a digest of 31 bytes", review_result([review_entry("zoe", access="ab" * 31)])),
        ("no digest", review_result([review_entry("zoe", access="-")])), ("a digest of who was disabled", review_result([review_entry("zoe", verdict="disabled-meanwhile")])), ("decided before it was started", review_result([review_entry("zoe", time="2026-11-29T14:59:59Z")])),
        ("decided after it was closed", review_result([review_entry("zoe", time="2026-12-13T15:00:05Z")])), ("two blanks", review_result([one.replace(" person ", "  person ")])), ("a blank at the end", review_result([one.replace("\n", " \n")])),
        ("a line behind", review_result([one]) + "more\n"), ("no newline at the end", review_result([one])[:-1]), ("carriage returns", review_result([one]).replace("\n", "\r\n")),
    ]
    constraint = context([("tenant", "st-mary")]).hex()
    nothing = context([]).hex()
    statements = [
        ("no grant", {"principal": "zoe", "type": "person", "credentialKind": "unix-uid", "credential": "1000", "grants": []}),
        ("two grants", {"principal": "database", "type": "service", "credentialKind": "certificate-san-uri", "credential": "keyservice:principal/database", "grants": [
            {"id": "00c4e6b1a2d3f405", "keyPattern": "ehr/*", "expires": None, "permissions": "encrypt,decrypt", "contextConstraint": constraint},
            {"id": "fedcba9876543210", "keyPattern": "*", "expires": 1795310000000000000, "permissions": "read-key,role:backup-job", "contextConstraint": nothing}]}),
        ("terms", {"principal": "labs", "type": "service", "credentialKind": "oidc-subject", "credential": "https://id.example.org/realm labs", "grants": [
            {"id": "0000000000000001", "keyPattern": "ehr/labs", "expires": None, "permissions": "if:decrypt,terms:AQABAgIAAAAAAAAnEA", "contextConstraint": nothing}]}),
    ]
    return {
        "spec": "docs/spec/access-review.md", "key": key,
        "results": [{"name": n, "note": t.encode().hex(), "verifies": v} for n, t, v in results], "notResults": [{"name": n, "text": t.encode().hex()} for n, t in not_results],
        "statements": [{"name": n, **of, "text": access_statement(of), "sha256": hashlib.sha256(access_statement(of).encode()).hexdigest()} for n, of in statements],
    }


# ---------------------------------------------------------------- transcript
def transcript_header(**changes):
    of = {"label": "keyservice/transcript/v1", "ceremony": draw("ceremony", 16).hex(), "kind": "genesis", "rehearsal": "no", "script": draw("script", 32).hex()}
    of.update(changes)
    return of["label"] + "\n" + "".join(f"{name} {of[name]}\n" for name in ("ceremony", "kind", "rehearsal", "script"))


def transcript_chain(header, entries):
    """The lines of the entries, and the last hash. An entry without a time of its own gets one by its place."""
    entries = [entry.replace("@", f"2026-12-01T09:{i // 60:02}:{i % 60:02}Z", 1) if entry.startswith("@ ") else entry for i, entry in enumerate(entries)]
    hashes = [hashlib.sha256(header.encode()).digest()]
    for entry in entries:
        hashes.append(hashlib.sha256(hashes[-1] + entry.encode()).digest())
    return "".join(f"{digest.hex()} {entry}\n" for digest, entry in zip(hashes[1:], entries)), hashes[-1]


def transcript_signed(head, count, signer, ceremony=None):
    return f"keyservice/transcript-signature/v1\nceremony {ceremony or draw('ceremony', 16).hex()}\nentries {count}\nhash {head.hex()}\nas {signer}\n"


def transcript_signature(kind, signer, secret, text, small=True):
    return f"{kind} {signer} {base64.b64encode(spki(secret)).decode()} {base64.b64encode(sign(secret, hashlib.sha256(text.encode()).digest(), small)).decode()}\n"


def make_transcript():
    names = ["hsm", "alice", "bob", "carol", "dave", "erin", "stranger"]
    secrets = {name: int.from_bytes(draw(f"key of {name}", 32), "big") % P256_ORDER for name in names}

    def entry(kind, subject, text, time="@"):
        return f"{time} {kind} {subject} {text}"

    people = [entry("person", "alice", "administrator Alice Adams"), entry("person", "bob", "witness Bob Baker"), entry("person", "carol", "custodian Carol Chen"), entry("person", "dave", "custodian Dave O'Neill-Nu\\u{f1}ez")]
    first = [entry("begin", "1", "Who is here"), *people, entry("done", "1", "alice bob")]
    second = [entry("begin", "2", "The HSM"), entry("fact", "hsm.serial", "A1B2C3D4"), entry("expect", "2", "backup key on the token: none"), entry("observe", "2", "backup key on the token: none"), entry("done", "2", "alice bob")]
    digests = [draw(f"digest of a share {i}", 32).hex() for i in (1, 2)]
    third = [entry("begin", "3/1", "Share 1 goes to Carol Chen"), entry("share", "12345/1", f"threshold 2 digest {digests[0]} custodian carol bag BAG-0001"), entry("done", "3/1", "carol bob"),
             entry("begin", "3/2", "Share 2 goes to Dave"), entry("deviation", "3/2", "The first bag tore; it was destroyed \\u{2013} C:\\\\bags"), entry("share", "12345/2", f"threshold 2 digest {digests[1]} custodian dave bag BAG-0003"), entry("done", "3/2", "dave bob"),
             entry("attach", "sealed-a1b2.txt", f"{draw('a file', 32).hex()} 812")]
    completed = entry("end", "completed", "Every step of the script is done.")
    whole = [*first, *second, *third, completed]
    everybody = [("hsm", "a1b2c3d4", "hsm"), ("person", "alice", "alice"), ("person", "bob", "bob"), ("person", "carol", "carol"), ("person", "dave", "dave")]
    needed = everybody[:3]

    def document(entries, signers=(), header=None, count=None, tail="", **otherwise):
        head_text = header or transcript_header()
        lines, head = transcript_chain(head_text, entries)
        text = head_text + lines
        if entries and entries[-1].split(" ")[1] == "end":
            signatures = "".join(transcript_signature(kind, name, secrets[secret], transcript_signed(
                otherwise.get("head", head), otherwise.get("of", len(entries)), otherwise.get("signer", name), otherwise.get("ceremony")), otherwise.get("small", True)) for kind, name, secret in signers)
            text += f"signatures {len(signers) if count is None else count}\n{signatures}"
        return text + tail

    def case(name, findings, entries, signers=(), unsigned=None, **more):
        header = more.get("header") or transcript_header()
        ending = entries[-1].split(" ")[2] if entries and entries[-1].split(" ")[1] == "end" else None
        roles = [each.split(" ")[2] for each in entries if each.split(" ")[1] == "person" and each.split(" ")[3] in ("administrator", "witness", "custodian", "alternate", "auditor", "former-custodian", "officer")]
        absent = sorted(set(roles) - {who for kind, who, _ in signers if kind == "person"}) if unsigned is None else unsigned
        return {"name": name, "encoded": document(entries, signers, **more).encode().hex(), "entries": len(entries), "head": transcript_chain(header, entries)[1].hex(),
                "signatures": len(signers) if ending else 0, "ending": ending, "findings": findings, "unsigned": absent}

    def ended(*entries, how="completed", why="Every step of the script is done."):
        return [*entries, entry("end", how, why)]

    none = entry("fact", "hsm.none", "No token takes part in a share check.")
    kinds = ["genesis", "officer-enrolment", "backup-key", "backup-export", "share-check", "restore", "restore-drill", "token-enrolment", "root-change", "key-destruction", "break-glass-review"]
    open_two = [*first, entry("begin", "2", "The HSM")]
    transcripts = [
        case("all have signed", [], whole, everybody), case("custodians have not signed", [], whole, needed), case("a rehearsal", [], whole, needed, header=transcript_header(rehearsal="yes")),
        *[case(f"kind {kind}", [], whole, needed, header=transcript_header(kind=kind)) for kind in kinds[1:]],
        case("nothing but a header", ["NotEnded"], []), case("one that goes on", ["NotEnded"], [*first, *second[:2]]), case("one that goes on, at its last entry", ["NotEnded"], whole[:-1]),
        case("nobody has signed", ["Unsigned"], whole), case("the administrator has not signed", ["Unsigned"], whole, [everybody[0], everybody[2]]), case("the witness has not signed", ["Unsigned"], whole, everybody[:2]),
        case("a second witness has not signed", ["Unsigned"], ended(*first[:-1], entry("person", "erin", "witness Erin Evans"), first[-1]), needed), case("the HSM has not signed", ["Unsigned"], whole, everybody[1:3]),
        case("there is no HSM", [], ended(*first, none), everybody[1:3]), case("there is no HSM, and one has signed", [], ended(*first, none), needed), case("two HSMs have signed", [], whole, [everybody[0], ("hsm", "b2", "erin"), *needed[1:]]),
        case("postponed before anybody was there", [], ended(entry("deviation", "1", "Nobody came."), none, how="postponed", why="Another day."), []), case("postponed", [], ended(*first[:3], none, how="postponed", why="Bob is ill."), everybody[1:3]),
        case("void with a step open", [], ended(*open_two, how="void", why="A fire alarm."), needed), case("void, and nobody has signed", ["Unsigned"], ended(*open_two, how="void", why="A fire alarm."), []),
        case("a step that was interrupted begins again", [], ended(*open_two, entry("begin", "2", "The HSM"), entry("done", "2", "alice bob")), needed), case("two entries in a second", [], [entry("fact", "a", "x", "2026-12-01T09:00:01Z"), *whole], needed),
        case("somebody without a name", ["Roles"], ended(*first[:4], entry("person", "erin", "auditor"), *first[4:]), needed), case("an unknown role", ["Roles"], ended(*first[:4], entry("person", "erin", "visitor Erin Evans"), *first[4:]), needed), case("somebody twice", ["Roles"], ended(*first[:4], entry("person", "alice", "custodian Alice Adams"), *first[4:]), needed),
        case("no administrator", ["Unattended", "Steps"], ended(first[0], *people[1:], first[-1]), [everybody[0], everybody[2]]), case("no witness", ["Unattended", "Steps"], ended(first[0], people[0], *people[2:], first[-1]), everybody[:2]),
        case("a step begins while another is open", ["Steps"], ended(*open_two, entry("begin", "3", "Shares"), entry("done", "3", "alice bob")), needed), case("a step ends that had not begun", ["Steps"], ended(*first, entry("done", "2", "alice bob")), needed),
        case("another step ends", ["Steps"], ended(*open_two, entry("done", "3", "alice bob")), needed), case("done by one alone", ["Steps"], ended(*open_two, entry("done", "2", "alice alice")), needed), case("done by somebody who is not there", ["Steps"], ended(*open_two, entry("done", "2", "alice erin")), needed),
        case("done by three", ["Steps"], ended(*open_two, entry("done", "2", "alice bob carol")), needed), case("done by one name", ["Steps"], ended(*open_two, entry("done", "2", "alice")), needed), case("done with two blanks", ["Steps"], ended(*open_two, entry("done", "2", "alice  bob")), needed),
        case("completed with a step open", ["Ending"], ended(*open_two), needed), case("another ending", ["Ending"], ended(*first, how="done"), needed), case("a time before the one before", ["Time"], [*whole[:-1], entry("end", "completed", "Done.", "2026-12-01T08:59:59Z")], needed),
        case("a signature over another hash", ["WrongSignature"], whole, needed, head=draw("another", 32)), case("a signature under another name", ["WrongSignature"], whole, needed, signer="mallory"), case("a signature for another number of entries", ["WrongSignature"], whole, needed, of=len(whole) - 1),
        case("a signature for another ceremony", ["WrongSignature"], whole, needed, ceremony="00" * 16), case("the greater of the two s", ["WrongSignature"], whole, needed, small=False),
        case("somebody signs who is not there", ["UnknownSigner"], whole, [*needed, ("person", "stranger", "stranger")]), case("two names, one key", ["UnknownSigner"], whole, [*needed, ("person", "carol", "bob")]), case("the HSM's key is a person's", ["UnknownSigner"], whole, [("hsm", "a1b2c3d4", "alice"), *needed[1:]]),
        case("an entry more than was signed", ["WrongSignature"], [*whole[:-1], entry("fact", "late", "x"), entry("end", "completed", "Every step of the script is done.")], needed, head=transcript_chain(transcript_header(), whole)[1], of=len(whole)),
        case("much is wrong", ["Roles", "Unattended", "Steps", "Ending", "Time", "WrongSignature", "UnknownSigner", "Unsigned"],
             ended(entry("person", "carol", "visitor Carol"), entry("begin", "1", "a", "2026-12-01T08:00:00Z"), entry("done", "2", "x y"), entry("begin", "3", "open")), [("person", "stranger", "stranger")], small=False),
        case("every escape", ["NotEnded"], [entry("fact", "a", text) for text in ("\\\\", "\\u{a}", "\\u{fc}\\u{202e}", "\\u{1f511}", "\\u{10ffff}", "\\u{7f}\\u{0}", " ", "  a  ", "\\\\u{a}")]),
        case("the longest subject and text", ["NotEnded"], [entry("fact", "a" * 64, "x" * 4096), entry("fact", "0./_-", "\\u{1f511}" * 2048)]),
        case("the first and the last year", ["NotEnded", "Time"], [entry("fact", "a", "x", "9999-12-31T23:59:59Z"), entry("fact", "a", "x", "0001-01-01T00:00:00Z")]), case("the 29th of February", ["NotEnded"], [entry("fact", "a", "x", "2028-02-29T00:00:00Z")]),
        case("every type", ["NotEnded", "Roles", "Steps"], [entry(kind, "a", "x") for kind in ("person", "fact", "begin", "expect", "observe", "share", "attach", "deviation", "done")]),
    ]
    good = document(whole, needed)
    body, last = transcript_chain(transcript_header(), whole)
    lines = good.split("\n")
    signed = document(whole, everybody)
    rows = [f"{line}\n" for line in signed.split("\n")[-6:-1]]
    unsigned = signed[: -len("".join(rows))]

    def with_line(index, line):
        return "\n".join([*lines[:index], *([line] if line is not None else []), *lines[index + 1:]])

    def one(text, header=None):
        """An entry that is chained rightly, and breaks a rule of its own."""
        return document([text], header=header)

    base = "2026-12-01T09:00:00Z fact a x"
    not_transcripts = [
        ("nothing", ""), ("another first line", good.replace("/v1", "/v2", 1)), ("another document's first line", transcript_header(label="keyservice/roster/v1")), ("no newline at the end", good[:-1]), ("an empty line at the end", good + "\n"),
        ("carriage returns", good.replace("\n", "\r\n")), ("a tab", good.replace("Alice Adams", "Alice\tAdams")), ("a letter outside ASCII", good.replace("Alice", "\u00c4lice")),
        ("a ceremony of 15 bytes", document([], header=transcript_header(ceremony="00" * 15))), ("a ceremony in great digits", document([], header=transcript_header(ceremony="AB" * 16))), ("an unknown kind", document([], header=transcript_header(kind="party"))), ("a kind in capitals", document([], header=transcript_header(kind="Genesis"))),
        ("rehearsal maybe", document([], header=transcript_header(rehearsal="maybe"))), ("rehearsal in capitals", document([], header=transcript_header(rehearsal="No"))), ("a script of 31 bytes", document([], header=transcript_header(script="00" * 31))), ("no script", document([], header=transcript_header()).split("script ")[0]),
        ("header lines in another order", transcript_header().replace("rehearsal no\n", "") + "rehearsal no\n"), ("a header line twice", transcript_header() + f"script {draw('script', 32).hex()}\n"),
        ("a text changed", good.replace("Bob Baker", "Bob Maker")), ("a time changed", good.replace("2026-12-01T09:00:01Z", "2026-12-01T09:00:00Z")), ("a rehearsal made a ceremony", document(whole, needed, header=transcript_header(rehearsal="yes")).replace("rehearsal yes", "rehearsal no")),
        ("another script put in", good.replace(draw("script", 32).hex(), draw("another script", 32).hex())), ("an entry taken out", with_line(8, None)), ("two entries changed places", "\n".join([*lines[:7], lines[8], lines[7], *lines[9:]])), ("an entry twice", "\n".join([*lines[:8], lines[7], *lines[8:]])),
        ("a hash of zeros", with_line(6, "00" * 32 + lines[6][64:])), ("a hash in great digits", with_line(6, lines[6][:64].upper() + lines[6][64:])), ("a hash of 31 bytes", with_line(6, lines[6][2:])), ("no hash", with_line(6, lines[6][65:])), ("a blank before the hash", with_line(6, " " + lines[6])), ("cut within a line", good[: len(transcript_header()) + 90]),
        ("an empty line between entries", "\n".join([*lines[:8], "", *lines[8:]])), ("a fraction of a second", one(base.replace("00Z", "00.5Z"))), ("another time zone", one(base.replace("Z", "+00:00"))), ("an hour 24", one(base.replace("T09", "T24"))), ("a second 60", one(base.replace("00Z", "60Z"))), ("the 29th of February of 2026", one(base.replace("12-01", "02-29"))), ("the year 0", one(base.replace("2026", "0000"))),
        ("an unknown type", one(base.replace("fact", "note"))), ("a type in capitals", one(base.replace("fact", "Fact"))), ("no subject", one(base.replace(" a ", "  "))), ("a subject in capitals", one(base.replace(" a ", " A "))), ("a subject of 65 characters", one(base.replace(" a ", f" {'a' * 65} "))), ("a subject that begins with a point", one(base.replace(" a ", " .a "))),
        ("a subject with a colon", one(base.replace(" a ", " a:b "))), ("no text", one(base[:-1])), ("no text and no blank", one(base[:-2])), ("a text of 4097 characters", one(base + "x" * 4096)), ("a text of 2049 letters outside the first plane", one(base[:-1] + "\\u{1f511}" * 2049)),
        ("an escape of what needs none", one(base + "\\u{41}")), ("an escape in great digits", one(base + "\\u{FC}")), ("an escape with a zero in front", one(base + "\\u{0fc}")), ("an escaped surrogate", one(base + "\\u{d800}")), ("an escaped U+FFFD", one(base + "\\u{fffd}")), ("an escape beyond Unicode", one(base + "\\u{110000}")), ("an escape of nothing", one(base + "\\u{}")), ("a lone backslash", one(base + "\\")), ("another escape", one(base + "\\n")),
        ("an end without signatures' line", transcript_header() + body), ("signatures before the end", document(whole[:-1]) + "signatures 0\n"), ("an entry behind the end", transcript_header() + transcript_chain(transcript_header(), [*whole, base])[0] + "signatures 0\n"), ("two ends", document([*whole, entry("end", "void", "x")])),
        ("a signature fewer than said", document(whole, needed, count=4)), ("a signature more than said", document(whole, needed, count=2)), ("a count with a zero in front", document(whole, needed, count="03")), ("a negative count", document(whole, count=-1)), ("66 signatures", document(whole, needed, count=66)),
        ("signatures of people in another order", unsigned + "".join([rows[0], rows[2], rows[1], *rows[3:]])), ("the HSM's signature behind a person's", unsigned + "".join([rows[1], rows[0], *rows[2:]])), ("a signature twice", unsigned + "".join([*rows[:4], rows[3]])), ("two signatures of one name", document(whole, [*needed, ("person", "bob", "carol")])),
        ("another kind of signer", good.replace("\nperson alice ", "\nowner alice ")), ("a signer in capitals", good.replace("\nperson alice ", "\nperson Alice ")), ("a signer with a blank", good.replace("\nperson alice ", "\nperson al ice ")), ("a signature without key", good.replace(base64.b64encode(spki(secrets["alice"])).decode() + " ", "")),
        ("a key that is no point", good.replace(base64.b64encode(spki(secrets["alice"])).decode(), base64.b64encode(SPKI_START + bytes(63) + b"\1").decode())), ("a key of 90 bytes", good.replace(base64.b64encode(spki(secrets["alice"])).decode(), base64.b64encode(spki(secrets["alice"])[:-1]).decode())),
        ("a signature of 63 bytes", with_line(-2, " ".join([*lines[-2].split(" ")[:3], base64.b64encode(bytes(63)).decode()]))), ("base64 without padding", good.replace("=\n", "\n").replace("==\n", "\n")), ("a blank behind a signature", with_line(-2, lines[-2] + " ")), ("a line behind the signatures", good + "note x\n"),
    ]
    shown = [next(v for v in transcripts if v["name"] == name) for name in ("all have signed", "there is no HSM")]
    with open("slip39.json", encoding="utf-8") as file:
        mnemonics = [v["shares"][0] for v in json.load(file)["positive"]]
    with open("../../src/KeyService.Crypto/Shares/words.txt", encoding="ascii") as file:
        words = file.read().split()

    def digest(mnemonic):
        return hashlib.sha256(b"keyservice/v1/share-digest\x00" + b"".join(struct.pack(">H", words.index(word)) for word in mnemonic.split(" "))).hexdigest()

    return {
        "spec": "docs/spec/transcript.md", "secrets": {name: f"{secret:064x}" for name, secret in secrets.items()}, "transcripts": transcripts,
        "notTranscripts": [{"name": n, "encoded": t.encode().hex()} for n, t in not_transcripts],
        "signedTexts": [{"name": v["name"], "encoded": v["encoded"], "signer": signer, "text": transcript_signed(bytes.fromhex(v["head"]), v["entries"], signer)} for v in shown for signer in ("alice", "a1b2c3d4")],
        "shareDigests": [{"name": f"{len(mnemonic.split(' '))} words, {number}", "words": mnemonic, "digest": digest(mnemonic)} for number, mnemonic in enumerate(mnemonics, 1)],
    }


# ---------------------------------------------------------------- key transfer
def probable_prime(label, bits):
    """The first prime behind a drawn number whose two top bits are set. Fermat's test at four bases: enough for test data."""
    small = [p for p in range(3, 2000, 2) if all(p % q for q in range(3, int(p ** 0.5) + 1, 2))]
    candidate = int.from_bytes(draw(label, bits // 8), "big") | 3 << (bits - 2) | 1
    while any(candidate % p == 0 for p in small) or (candidate - 1) % 65537 == 0 or any(pow(base, candidate - 1, candidate) != 1 for base in (2, 3, 5, 7)):
        candidate += 2
    return candidate


def der(tag, *parts):
    body = b"".join(parts)
    size = b"" if len(body) < 128 else len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([0x80 | len(size)]) + size if size else bytes([len(body)])) + body


def der_number(number):
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


RSA_ALGORITHM = der(0x30, bytes.fromhex("06092a864886f70d010101"), b"\x05\x00")


def rsa_spki(modulus, exponent=65537, algorithm=RSA_ALGORITHM):
    return der(0x30, algorithm, der(0x03, b"\x00", der(0x30, der_number(modulus), der_number(exponent))))


def mgf1(seed, length, name="sha1"):
    return b"".join(hashlib.new(name, seed + struct.pack(">I", i)).digest() for i in range(length // 20 + 1))[:length]


def oaep(modulus, value, seed, name="sha1", label=b""):
    """RFC 8017, 7.1.1, with the exponent 65537 and the seed given."""
    size, hashed = (modulus.bit_length() + 7) // 8, hashlib.new(name, label).digest()
    block = hashed + bytes(size - len(value) - 2 * len(hashed) - 2) + b"\x01" + value
    masked = bytes(a ^ b for a, b in zip(block, mgf1(seed, len(block), name)))
    masked_seed = bytes(a ^ b for a, b in zip(seed, mgf1(masked, len(seed), name)))
    return pow(int.from_bytes(b"\x00" + masked_seed + masked, "big"), 65537, modulus).to_bytes(size, "big")


@functools.cache
def transfer_pair():
    """Modulus and PKCS #8 of the one pair whose private half is in the vectors."""
    p, q = sorted((probable_prime("transfer key p", 1536), probable_prime("transfer key q", 1536)), reverse=True)
    n = p * q
    d = pow(65537, -1, (p - 1) * (q - 1))
    return n, der(0x30, der_number(0), RSA_ALGORITHM, der(0x04, der(0x30, *map(der_number, (0, n, 65537, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))))))


def make_key_transfer():
    n, pkcs8 = transfer_pair()

    def modulus(bits):
        """As good as a key where nobody opens anything."""
        return int.from_bytes(draw(f"a modulus of {bits} bits", (bits + 7) // 8), "big") >> -bits % 8 | 1 << (bits - 1) | 1

    def transfer(key=None, token="A1B2C3D4E5F60718", label="keyservice/transfer-key/v1", text=None):
        return f"{label}\ntoken {token}\npublic-key {text or base64.b64encode(rsa_spki(n) if key is None else key).decode()}\n"

    value = draw("backup key", 32)
    value_id = hashlib.sha256(b"keyservice/backup-key-id/v1" + aes_key_wrap(value, bytes(range(32)))).digest()[:8]
    fingerprint = hashlib.sha256(rsa_spki(n)).digest()
    wrapped = oaep(n, value, draw("a seed", 20))

    def sealed(ciphertext=None, token="A1B2C3D4E5F60718", key=None, backup=None, label="keyservice/sealed-backup-key/v1"):
        return f"{label}\ntoken {token}\ntransfer-key {key or fingerprint.hex()}\nbackup-key {backup or value_id.hex()}\nwrapped {base64.b64encode(wrapped if ciphertext is None else ciphertext).decode()}\n"

    good, long_length = transfer(), b"\x30\x83\x00" + rsa_spki(n)[2:]
    transfer_keys = [("3,072 bits", rsa_spki(n), "A1B2C3D4E5F60718")] + [(f"{bits} bits", rsa_spki(modulus(bits)), "1") for bits in (3080, 3584, 4096)] + [
        ("a serial number of one character", rsa_spki(n), "~"), ("a serial number with marks", rsa_spki(n), "a/B:c=\"'\\")]
    not_transfer_keys = [
        ("nothing", ""), ("another first line", transfer(label="keyservice/transfer-key/v2")), ("no newline at the end", good[:-1]), ("a line behind", good + "note x\n"), ("carriage returns", good.replace("\n", "\r\n")), ("lines in another order", "\n".join([good.split("\n")[i] for i in (0, 2, 1, 3)])),
        ("a serial number with a space", transfer(token="A1 B2")), ("a serial number with a space at its end", transfer(token="A1B2 ")), ("a serial number of 17 characters", transfer(token="A" * 17)), ("no serial number", transfer(token="")),
        *[(f"{bits} bits", transfer(rsa_spki(modulus(bits)))) for bits in (2048, 3064, 3071, 3073, 4095, 4097, 4104)],
        ("an even modulus", transfer(rsa_spki(n - 1))), ("the exponent 3", transfer(rsa_spki(n, 3))), ("the exponent 65539", transfer(rsa_spki(n, 65539))), ("a key of P-256", transfer(spki(1))), ("a PKCS #1 key", transfer(der(0x30, der_number(n), der_number(65537)))), ("a private key", transfer(text="AAAA")),
        ("a length in more bytes than it needs", transfer(long_length)), ("a zero before the modulus", transfer(der(0x30, RSA_ALGORITHM, der(0x03, b"\x00", der(0x30, der(0x02, b"\x00" + n.to_bytes(385, "big")), der_number(65537)))))), ("a negative modulus", transfer(der(0x30, RSA_ALGORITHM, der(0x03, b"\x00", der(0x30, der(0x02, n.to_bytes(384, "big")), der_number(65537)))))),
        ("no parameters", transfer(rsa_spki(n, algorithm=der(0x30, bytes.fromhex("06092a864886f70d010101"))))), ("the algorithm of RSAES-OAEP", transfer(rsa_spki(n, algorithm=der(0x30, bytes.fromhex("06092a864886f70d010107"), b"\x05\x00")))), ("a byte behind the key", transfer(rsa_spki(n) + b"\x00")), ("a byte inside, behind the numbers", transfer(der(0x30, RSA_ALGORITHM, der(0x03, b"\x00", der(0x30, der_number(n), der_number(65537), b"\x05\x00"))))),
        ("unused bits", transfer(der(0x30, RSA_ALGORITHM, der(0x03, b"\x01", der(0x30, der_number(n), der_number(65537)))))), ("a key that is cut", transfer(rsa_spki(n)[:-1])), ("base64 without padding", transfer(rsa_spki(modulus(4096))).replace("=", "")), ("base64url", transfer(text=base64.urlsafe_b64encode(rsa_spki(n)).decode())),
        ("stray bits in base64", transfer(text=base64.b64encode(rsa_spki(modulus(4096))).decode().replace("AQAB", "AQAB").replace("E=", "F=").replace("AQ==", "AR=="))), ("a blank in base64", good.replace("MII", "MI I")), ("longer than 2,048 bytes", transfer(text="A" * 2000)),
    ]
    other = draw("another backup key", 32)
    tampered = bytes([wrapped[0], wrapped[1] ^ 1]) + wrapped[2:]
    sealed_keys = [
        ("sealed", sealed(), value, True), ("another seed", sealed(oaep(n, value, draw("another seed", 20))), value, True), ("under another id", sealed(backup=draw("id", 8).hex()), value, False), ("another key under the id", sealed(oaep(n, other, draw("a seed", 20))), other, False), ("31 bytes", sealed(oaep(n, value[:31], draw("a seed", 20))), value[:31], False),
        ("a changed bit", sealed(tampered), None, False), ("OAEP with SHA-256", sealed(oaep(n, value, draw("a seed", 32), "sha256")), None, False), ("OAEP with a label", sealed(oaep(n, value, draw("a seed", 20), label=b"backup")), None, False),
        ("PKCS #1, version 1.5", sealed(pow(int.from_bytes(b"\x00\x02" + b"\x55" * (384 - 35) + b"\x00" + value, "big"), 65537, n).to_bytes(384, "big")), None, False), ("zeros", sealed(bytes(384)), None, False), ("as long as 4,096 bits", sealed(draw("a ciphertext", 512)), None, False), ("for another token", sealed(token="X", key=draw("another", 32).hex()), value, True),
    ]
    document = sealed()
    not_sealed_keys = [
        ("nothing", ""), ("another first line", sealed(label="keyservice/sealed-backup-key/v2")), ("a transfer key's first line", sealed(label="keyservice/transfer-key/v1")), ("no newline at the end", document[:-1]), ("a line behind", document + "note x\n"), ("lines in another order", "\n".join([document.split("\n")[i] for i in (0, 1, 3, 2, 4, 5)])),
        ("a line left out", "\n".join([document.split("\n")[i] for i in (0, 1, 2, 4, 5)])), ("no serial number", sealed(token="")), ("a serial number with a space", sealed(token="A B")), ("a serial number of 17 characters", sealed(token="A" * 17)), ("a fingerprint of 31 bytes", sealed(key="00" * 31)), ("a fingerprint in great digits", sealed(key="AB" * 32)),
        ("an id of 7 bytes", sealed(backup="00" * 7)), ("an id of 9 bytes", sealed(backup="00" * 9)), ("a ciphertext of 383 bytes", sealed(wrapped[1:])), ("a ciphertext of 513 bytes", sealed(draw("a ciphertext", 513))), ("no ciphertext", sealed(b"")), ("base64 without padding", sealed(draw("a ciphertext", 512)).replace("=", "")), ("carriage returns", document.replace("\n", "\r\n")), ("longer than 2,048 bytes", sealed(draw("a ciphertext", 1500))),
    ]
    return {
        "spec": "docs/spec/key-transfer.md", "privateKey": pkcs8.hex(), "backupKey": value.hex(),
        "transferKeys": [{"name": n_, "encoded": transfer(k, t).encode().hex(), "token": t, "fingerprint": hashlib.sha256(k).hexdigest()} for n_, k, t in transfer_keys],
        "notTransferKeys": [{"name": n_, "encoded": t.encode().hex()} for n_, t in not_transfer_keys],
        "sealedKeys": [{"name": n_, "encoded": t.encode().hex(), "token": t.split("\n")[1][6:], "transferKey": t.split("\n")[2][13:], "value": None if v is None else v.hex(), "idFollows": f} for n_, t, v, f in sealed_keys],
        "notSealedKeys": [{"name": n_, "encoded": t.encode().hex()} for n_, t in not_sealed_keys],
    }


for name, make in (("installation-keys", make_installation_keys), ("backup-bundle", make_backup_bundle), ("row-context", make_row_context), ("blind-index", make_blind_index), ("context", make_context), ("associated-data", make_associated_data), ("wrapped-data-key", make_wrapped_data_key),
                   ("field-token", make_field_token), ("audit-record", make_audit_record), ("row-mac", make_row_mac),
                   ("key-blob", make_key_blob), ("audit-log", make_audit_log), ("approvals", make_approvals), ("grant-terms", make_grant_terms), ("access-review", make_access_review),
                   ("transcript", make_transcript), ("key-transfer", make_key_transfer)):
    with open(f"{name}.json", "w", encoding="ascii", newline="\n") as out:
        json.dump(make(), out, indent=1)
        out.write("\n")
