#!/usr/bin/env python3
"""Opens what KeyService encrypted, without KeyService.

For the day on which nothing is left but a backup: no service, no hardware security module, no
other program of ours. This one file, Python 3.9 or newer and its standard library are enough.

    python3 -I -S keyservice_recover.py self-test
    python3 -I -S keyservice_recover.py check  --shares A.txt B.txt C.txt
    python3 -I -S keyservice_recover.py list   --bundle FILE.ksb
    python3 -I -S keyservice_recover.py open   --bundle FILE.ksb --archive FILE.ksa -o OUT
    python3 -I -S keyservice_recover.py fields --bundle FILE.ksb --tokens FILE -o OUT

A bundle (.ksb) holds every key of an installation, wrapped under one backup key. The backup key is
split into shares of 33 words, of which custodians hold one each and a certain number is needed.
Name files with the words of one share each by --shares; without it the words are asked for and
not shown. Words are never arguments: everybody on a machine sees those.

How it works: shares -> backup key (SLIP-39); backup key -> key version (AES key wrap, RFC 3394);
key version -> data key of an archive, or bulk key of fields (AES-256-GCM); data key -> content.

Speed: with OpenSSL's libcrypto, which is used when it is found, about 140 MB/s (as fast as disks
are); without it (--pure) about 0.5 MB/s, the same bytes. "self-test" measures the ciphers alone.

Exit codes: 0 done; 2 used wrongly, or a file cannot be read or written; 4 it does not verify or
does not open; 6 something is missing: a file, a share, a key version. Unless it is 0 there is no
output file (but with --keep-going, which says line by line what did not open).
"""
import argparse
import base64
import binascii
import collections
import contextlib
import getpass
import hashlib
import hmac
import json
import os
import re
import signal
import struct
import sys
import tempfile
import time

try:
    import ctypes
    import ctypes.util
except ImportError:  # a Python that was built without it
    ctypes = None

ADVICE = {
    "Usage": "Call it with --help.",
    "Word": "Look at that word on the share. The list is in this file; 4 letters are enough.",
    "Length": "Count the words on the share: a share of a backup key has 33.",
    "Checksum": "Compare it with the share, and count: a share of a backup key has 33 words.",
    "Malformed": "It is not what it should be, or was cut or changed: take another copy.",
    "OtherSet": "Shares of one set begin with the same two words. Leave out the one that does not.",
    "Duplicate": "Each share counts once: ask another custodian.",
    "TooFew": "Ask more custodians, and give all the shares in one call.",
    "Digest": "One of them was made for another secret, or changed on purpose: try others.",
    "Empty": "The file is empty: take another copy.",
    "NotABundle": "Give a backup bundle; its name ends in .ksb.",
    "NotAnArchive": "Give an archive; its name ends in .ksa.",
    "UnsupportedVersion": "It is of a newer format: take the recovery file of that version.",
    "Truncated": "The copy is not whole: take another one.",
    "Damaged": "Bytes have changed: take another copy.",
    "TooLong": "It cannot be an archive of ours: take another copy.",
    "SignatureInvalid": "Use nothing of this bundle; take another copy.",
    "OtherSigner": "Use nothing of this bundle: another key signed it than the one you trust.",
    "OtherBackupKey": "Find the shares of that backup key, or a bundle of this one.",
    "VerificationFailed": "Bytes have changed, or it was made with another key or context.",
    "Missing": "Look for it: a newer full bundle holds the keys that were made since.",
    "SelfTest": "This copy of the file is not right: compare it with another, line by line.",
    "NoFile": "Look at the name and the place of the file.",
    "Input": "Look at the disk, at the file, and at who may use it.",
}
EXIT_CODES = {"Usage": 2, "Input": 2, "TooFew": 6, "Missing": 6, "NoFile": 6}  # else 4

class Problem(Exception):
    """Why it does not go on. The kind chooses advice and exit code; place: a word of a share."""

    def __init__(self, kind, what, place=None):
        super().__init__(what)
        self.kind, self.what, self.place = kind, what, place

def demand(holds, kind, what):
    if not holds:
        raise Problem(kind, what)

def say(text):
    print("keyservice_recover: " + text, file=sys.stderr, flush=True)

def same(a, b):
    return hmac.compare_digest(a, b)

def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))

def number_of(raw):
    return int.from_bytes(raw, "big")

# ---- The words of SLIP-39 -----------------------------------------------------------------------

WORDS_SHA256 = "bcc4555340332d169718aed8bf31dd9d5248cb7da6e5d355140ef4f1e601eec3"
WORDS = """
academic acid acne acquire acrobat activity actress adapt adequate adjust admit adorn adult
advance advocate afraid again agency agree aide aircraft airline airport ajar alarm album alcohol
alien alive alpha already alto aluminum always amazing ambition amount amuse analysis anatomy
ancestor ancient angel angry animal answer antenna anxiety apart aquatic arcade arena argue armed
artist artwork aspect auction august aunt average aviation avoid award away axis axle beam beard
beaver become bedroom behavior being believe belong benefit best beyond bike biology birthday
bishop black blanket blessing blimp blind blue body bolt boring born both boundary bracelet branch
brave breathe briefing broken brother browser bucket budget building bulb bulge bumpy bundle
burden burning busy buyer cage calcium camera campus canyon capacity capital capture carbon cards
careful cargo carpet carve category cause ceiling center ceramic champion change charity check
chemical chest chew chubby cinema civil class clay cleanup client climate clinic clock clogs
closet clothes club cluster coal coastal coding column company corner costume counter course cover
cowboy cradle craft crazy credit cricket criminal crisis critical crowd crucial crunch crush
crystal cubic cultural curious curly custody cylinder daisy damage dance darkness database
daughter deadline deal debris debut decent decision declare decorate decrease deliver demand
density deny depart depend depict deploy describe desert desire desktop destroy detailed detect
device devote diagnose dictate diet dilemma diminish dining diploma disaster discuss disease dish
dismiss display distance dive divorce document domain domestic dominant dough downtown dragon
dramatic dream dress drift drink drove drug dryer duckling duke duration dwarf dynamic early earth
easel easy echo eclipse ecology edge editor educate either elbow elder election elegant element
elephant elevator elite else email emerald emission emperor emphasis employer empty ending endless
endorse enemy energy enforce engage enjoy enlarge entrance envelope envy epidemic episode equation
equip eraser erode escape estate estimate evaluate evening evidence evil evoke exact example
exceed exchange exclude excuse execute exercise exhaust exotic expand expect explain express
extend extra eyebrow facility fact failure faint fake false family famous fancy fangs fantasy
fatal fatigue favorite fawn fiber fiction filter finance findings finger firefly firm fiscal
fishing fitness flame flash flavor flea flexible flip float floral fluff focus forbid force
forecast forget formal fortune forward founder fraction fragment frequent freshman friar fridge
friendly frost froth frozen fumes funding furl fused galaxy game garbage garden garlic gasoline
gather general genius genre genuine geology gesture glad glance glasses glen glimpse goat golden
graduate grant grasp gravity gray greatest grief grill grin grocery gross group grownup grumpy
guard guest guilt guitar gums hairy hamster hand hanger harvest have havoc hawk hazard headset
health hearing heat helpful herald herd hesitate hobo holiday holy home hormone hospital hour huge
human humidity hunting husband hush husky hybrid idea identify idle image impact imply improve
impulse include income increase index indicate industry infant inform inherit injury inmate insect
inside install intend intimate invasion involve iris island isolate item ivory jacket jerky
jewelry join judicial juice jump junction junior junk jury justice kernel keyboard kidney kind
kitchen knife knit laden ladle ladybug lair lamp language large laser laundry lawsuit leader leaf
learn leaves lecture legal legend legs lend length level liberty library license lift likely lilac
lily lips liquid listen literary living lizard loan lobe location losing loud loyalty luck lunar
lunch lungs luxury lying lyrics machine magazine maiden mailman main makeup making mama manager
mandate mansion manual marathon march market marvel mason material math maximum mayor meaning
medal medical member memory mental merchant merit method metric midst mild military mineral
minister miracle mixed mixture mobile modern modify moisture moment morning mortgage mother
mountain mouse move much mule multiple muscle museum music mustang nail national necklace negative
nervous network news nuclear numb numerous nylon oasis obesity object observe obtain ocean often
olympic omit oral orange orbit order ordinary organize ounce oven overall owner paces pacific
package paid painting pajamas pancake pants papa paper parcel parking party patent patrol payment
payroll peaceful peanut peasant pecan penalty pencil percent perfect permit petition phantom
pharmacy photo phrase physics pickup picture piece pile pink pipeline pistol pitch plains plan
plastic platform playoff pleasure plot plunge practice prayer preach predator pregnant premium
prepare presence prevent priest primary priority prisoner privacy prize problem process profile
program promise prospect provide prune public pulse pumps punish puny pupal purchase purple python
quantity quarter quick quiet race racism radar railroad rainbow raisin random ranked rapids raspy
reaction realize rebound rebuild recall receiver recover regret regular reject relate remember
remind remove render repair repeat replace require rescue research resident response result
retailer retreat reunion revenue review reward rhyme rhythm rich rival river robin rocky romantic
romp roster round royal ruin ruler rumor sack safari salary salon salt satisfy satoshi saver says
scandal scared scatter scene scholar science scout scramble screw script scroll seafood season
secret security segment senior shadow shaft shame shaped sharp shelter sheriff short should shrimp
sidewalk silent silver similar simple single sister skin skunk slap slavery sled slice slim slow
slush smart smear smell smirk smith smoking smug snake snapshot sniff society software soldier
solution soul source space spark speak species spelling spend spew spider spill spine spirit spit
spray sprinkle square squeeze stadium staff standard starting station stay steady step stick stilt
story strategy strike style subject submit sugar suitable sunlight superior surface surprise
survive sweater swimming swing switch symbolic sympathy syndrome system tackle tactics tadpole
talent task taste taught taxi teacher teammate teaspoon temple tenant tendency tension terminal
testify texture thank that theater theory therapy thorn threaten thumb thunder ticket tidy timber
timely ting tofu together tolerate total toxic tracks traffic training transfer trash traveler
treat trend trial tricycle trip triumph trouble true trust twice twin type typical ugly ultimate
umbrella uncover undergo unfair unfold unhappy union universe unkind unknown unusual unwrap
upgrade upstairs username usher usual valid valuable vampire vanish various vegan velvet venture
verdict verify very veteran vexed victim video view vintage violence viral visitor visual vitamins
vocal voice volume voter voting walnut warmth warn watch wavy wealthy weapon webcam welcome
welfare western width wildlife window wine wireless wisdom withdraw wits wolf woman work worthy
wrap wrist writing wrote year yelp yield yoga zero
""".split()
NUMBERS = {word[:4]: number for number, word in enumerate(WORDS)}
NUMBERS.update((word, number) for number, word in enumerate(WORDS))

# ---- GF(2^8) modulo x^8 + x^4 + x^3 + x + 1: the field of SLIP-39 and of AES --------------------

EXP, LOG = [], [0] * 256
element = 1
for power in range(255):
    EXP.append(element)
    LOG[element] = power
    element = (element ^ element << 1 ^ (0x11B if element & 0x80 else 0)) & 0xFF  # times 3

def gf_multiply(a, b):
    return EXP[(LOG[a] + LOG[b]) % 255] if a and b else 0

# ---- SLIP-39: shares of a secret ----------------------------------------------------------------

Share = collections.namedtuple("Share", "name set group member threshold value")
ShareSet = collections.namedtuple("ShareSet", "identifier extendable exponent group_threshold "
                                  "group_count length")
RS1024_GENERATOR = (0xE0E040, 0x1C1C080, 0x3838100, 0x7070200, 0xE0E0009,
                    0x1C0C2412, 0x38086C24, 0x3090FC48, 0x21B1F890, 0x3F3F120)
CUSTOMIZATION = (b"shamir", b"shamir_extendable")

def rs1024_polymod(values, checksum=1):
    """SLIP-39, "Checksum"."""
    for value in values:
        top = checksum >> 20
        checksum = (checksum & 0xFFFFF) << 10 ^ value
        for bit in range(10):
            if top >> bit & 1:
                checksum ^= RS1024_GENERATOR[bit]
    return checksum

def locate_mistyped_word(numbers):
    """The one place where another word makes the checksum right; None when there is none.

    The checksum is linear: another word at a place changes it by the xor of what each of the
    word's 10 bits changes. Bit 4 of the second word says which customization is used.
    """
    for extendable in (0, 1):
        wrong = rs1024_polymod([*CUSTOMIZATION[extendable], *numbers]) ^ 1
        for place in range(len(numbers)):
            behind = [0] * (len(numbers) - place - 1)
            effects = [0]  # of every change of the word
            for bit in range(10):
                effect = rs1024_polymod([1 << bit, *behind], 0)
                effects += [effect ^ other for other in effects]
            if wrong in effects:
                change = effects.index(wrong) if place == 1 else 0
                if (numbers[1] ^ change) >> 4 & 1 == extendable:
                    return place
    return None

def parse_share(numbers, name):
    """SLIP-39, "Format of the share mnemonic", from the numbers of the words."""
    padding = 10 * (len(numbers) - 7) % 16
    demand(20 <= len(numbers) <= 59 and padding <= 8, "Length",
           "%s: no share has %d words" % (name, len(numbers)))
    head = body = 0
    for number in numbers[:4]:
        head = head << 10 | number
    for number in numbers[4:-3]:
        body = body << 10 | number
    extendable = head >> 24 & 1
    if rs1024_polymod([*CUSTOMIZATION[extendable], *numbers]) != 1:
        place = locate_mistyped_word(numbers)
        which = "word %d was" % (place + 1) if place is not None else (
            "several of its %d words were" % len(numbers))
        raise Problem("Checksum", "%s: %s misread or mistyped" % (name, which), place)
    length = (10 * (len(numbers) - 7) - padding) // 8
    group, group_threshold, group_count, member, threshold = (
        head >> shift & 15 for shift in (16, 12, 8, 4, 0))
    demand(group_threshold <= group_count and group <= group_count and body >> 8 * length == 0,
           "Malformed", "%s: words that nobody writes on a share" % name)
    share_set = ShareSet(head >> 25, extendable, head >> 20 & 15, group_threshold + 1,
                         group_count + 1, length)
    return Share(name, share_set, group, member, threshold + 1, body.to_bytes(length, "big"))

def parse_words(words, name):
    """A share from words: whole ones, or their first 4 letters."""
    numbers = [NUMBERS.get(word) for word in words]
    if None in numbers:
        place = numbers.index(None)
        raise Problem("Word", "%s: word %d is not in the list" % (name, place + 1), place)
    return parse_share(numbers, name)

def words_of(text):
    """Whatever stands between the words, numbers for example, and lines after a # do not count."""
    return re.findall("[a-z]+", re.sub("(?m)^#.*", "", text).lower())

def interpolate(x, points):
    """SLIP-39, "Shamir's secret sharing": the polynomials through the points, at x."""
    result = bytes(len(next(iter(points.values()))))
    for place, value in points.items():
        weight = sum(LOG[x ^ other] - LOG[place ^ other] for other in points if other != place)
        result = xor(result, (gf_multiply(EXP[weight % 255], byte) for byte in value))
    return result

def recover_secret(threshold, points):
    """SLIP-39, RecoverSecret. What goes beyond the threshold must lie on the same polynomials."""
    needed = dict(sorted(points.items())[:threshold])
    if threshold == 1:
        demand(len(set(points.values())) == 1, "Digest", "shares of several secrets")
        return next(iter(needed.values()))
    secret, digest = interpolate(255, needed), interpolate(254, needed)
    holds = same(hmac.digest(digest[4:], secret, "sha256")[:4], digest[:4])
    demand(holds, "Digest", "the shares fit together by their words and give no secret")
    for place in points.keys() - needed.keys():
        demand(same(interpolate(place, needed), points[place]), "Digest",
               "one of the shares is not of the same secret as the others")
    return secret

def pbkdf2_hmac_sha256(password, salt, iterations):
    """RFC 8018, 5.2: the first 32 bytes. hashlib has it only if built with OpenSSL."""
    block = hmac.digest(password, salt + b"\0\0\0\1", "sha256")
    result = number_of(block)
    for _ in range(iterations - 1):
        block = hmac.digest(password, block, "sha256")
        result ^= number_of(block)
    return result.to_bytes(32, "big")

def decrypt_master_secret(encrypted, share_set, passphrase):
    """SLIP-39, "Encryption of the master secret": four rounds of a Feistel network."""
    half = len(encrypted) // 2
    left, right = encrypted[:half], encrypted[half:]
    salt = b"" if share_set.extendable else b"shamir" + share_set.identifier.to_bytes(2, "big")
    for i in (3, 2, 1, 0):
        key = pbkdf2_hmac_sha256(bytes([i]) + passphrase, salt + right, 2500 << share_set.exponent)
        left, right = right, xor(left, key)  # as much of the key as there is of the half
    return right + left

def combine_shares(shares, passphrase=b""):
    """SLIP-39, "Combining the shares"."""
    usual = collections.Counter(share.set for share in shares).most_common(1)[0][0]
    groups, thresholds, names, complete = collections.defaultdict(dict), {}, {}, {}
    for share in shares:
        threshold = thresholds.setdefault(share.group, share.threshold)
        demand(share.set == usual and share.threshold == threshold, "OtherSet",
               "%s is not of the same set as the other shares" % share.name)
        other = names.setdefault((share.group, share.member), share.name)
        demand(share.member not in groups[share.group], "Duplicate",
               "%s and %s are the same share" % (other, share.name))
        groups[share.group][share.member] = share.value
    for group, members in groups.items():
        if len(members) >= thresholds[group]:
            complete[group] = recover_secret(thresholds[group], members)
    have, need, what = len(complete), usual.group_threshold, "groups of shares"
    if usual.group_count == 1:
        have, need, what = len(shares), shares[0].threshold, "shares"
    demand(have >= need, "TooFew", "%d of %d needed %s are here" % (have, need, what))
    encrypted = recover_secret(usual.group_threshold, complete)
    return decrypt_master_secret(encrypted, usual, passphrase)

# ---- AES-256 and GCM in Python alone ------------------------------------------------------------

def rotate(word, bits):
    return (word >> bits | word << 32 - bits) & 0xFFFFFFFF

SBOX = []
for element in range(256):
    inverse = EXP[-LOG[element] % 255] if element else 0
    twice = inverse << 8 | inverse
    SBOX.append((inverse ^ twice >> 4 ^ twice >> 5 ^ twice >> 6 ^ twice >> 7) & 0xFF ^ 0x63)
INVERSE_SBOX = sorted(range(256), key=SBOX.__getitem__)
# SubBytes and MixColumns of one byte at once, for each of the four rows.
T0 = [gf_multiply(2, s) << 24 | s << 16 | s << 8 | gf_multiply(3, s) for s in SBOX]
T1, T2, T3 = ([rotate(word, bits) for word in T0] for bits in (8, 16, 24))

class PureAes256:
    """FIPS 197 and SP 800-38D."""

    def __init__(self, key):
        """FIPS 197, 5.2: the key schedule."""
        words, self.table = list(struct.unpack(">8I", key)), None
        for i in range(8, 60):
            word = words[-1]
            if i % 8 == 0:
                word = rotate(word, 24)
            if i % 4 == 0:
                word = number_of(bytes(SBOX[byte] for byte in word.to_bytes(4, "big")))
            if i % 8 == 0:
                word ^= 1 << 23 + i // 8
            words.append(words[-8] ^ word)
        self.words = words

    def encrypt(self, block):
        """FIPS 197, 5.1."""
        k = self.words
        a, b, c, d = (x ^ y for x, y in zip(struct.unpack(">4I", block), k))
        for i in range(4, 56, 4):
            a, b, c, d = (
                T0[a >> 24] ^ T1[b >> 16 & 255] ^ T2[c >> 8 & 255] ^ T3[d & 255] ^ k[i],
                T0[b >> 24] ^ T1[c >> 16 & 255] ^ T2[d >> 8 & 255] ^ T3[a & 255] ^ k[i + 1],
                T0[c >> 24] ^ T1[d >> 16 & 255] ^ T2[a >> 8 & 255] ^ T3[b & 255] ^ k[i + 2],
                T0[d >> 24] ^ T1[a >> 16 & 255] ^ T2[b >> 8 & 255] ^ T3[c & 255] ^ k[i + 3])
        rows = ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c))
        return struct.pack(">4I", *(
            (SBOX[p >> 24] << 24 | SBOX[q >> 16 & 255] << 16 | SBOX[r >> 8 & 255] << 8
             | SBOX[s & 255]) ^ key for (p, q, r, s), key in zip(rows, k[56:])))

    def decrypt(self, block):
        """FIPS 197, 5.3."""
        keys = struct.pack(">60I", *self.words)
        state = xor(block, keys[224:])
        for at in range(208, -1, -16):
            # InvShiftRows, InvSubBytes, AddRoundKey; then InvMixColumns in all rounds but the last.
            state = xor((INVERSE_SBOX[state[(n - 4 * (n & 3)) % 16]] for n in range(16)), keys[at:])
            if at:
                state = bytes(gf_multiply(14, state[n]) ^ gf_multiply(11, state[n & 12 | n + 1 & 3])
                              ^ gf_multiply(13, state[n & 12 | n + 2 & 3])
                              ^ gf_multiply(9, state[n & 12 | n + 3 & 3]) for n in range(16))
        return state

    def ghash(self, data):
        """SP 800-38D, 6.4. The table: the hash key times every byte at every place of a block."""
        if self.table is None:
            product, products, self.table = number_of(self.encrypt(bytes(16))), [], []
            for _ in range(128):  # the hash key times 1, x, x^2 ...
                products.append(product)
                product = product >> 1 ^ (0xE1 << 120 if product & 1 else 0)
            for place in range(0, 128, 8):
                row = [0]
                for product in reversed(products[place:place + 8]):
                    row += [product ^ other for other in row]
                self.table.append(row)
        result = 0
        for at in range(0, len(data), 16):
            block = (result ^ number_of(data[at:at + 16])).to_bytes(16, "big")
            result = 0
            for row, byte in zip(self.table, block):
                result ^= row[byte]
        return result

    def gcm_tag(self, nonce, text, aad):
        """SP 800-38D, 7.1, steps 5 to 7."""
        covered = (aad + bytes(-len(aad) % 16) + text + bytes(-len(text) % 16)
                   + struct.pack(">QQ", 8 * len(aad), 8 * len(text)))
        return xor(self.ghash(covered).to_bytes(16, "big"), self.encrypt(nonce + b"\0\0\0\1"))

    def gcm_open(self, nonce, sealed, aad=b""):
        """SP 800-38D, 7.2, for nonces of 12 bytes and tags of 16: plaintext, or None."""
        text, tag = sealed[:-16], sealed[-16:]
        if not same(self.gcm_tag(nonce, text, aad), tag):
            return None
        blocks = range(2, 2 + (len(text) + 15) // 16)
        stream = b"".join(self.encrypt(nonce + struct.pack(">I", number)) for number in blocks)
        return (number_of(text) ^ number_of(stream[:len(text)])).to_bytes(len(text), "big")

# ---- The same by OpenSSL's libcrypto ------------------------------------------------------------

class LibAes256:
    """The same three calls by the EVP functions of libcrypto 1.1 or 3."""

    lib = None

    @classmethod
    def load(cls):
        """Whether there is one. macOS ends programs that load its own."""
        name = None
        if ctypes and sys.platform != "darwin":
            name = ctypes.util.find_library("crypto")
        with contextlib.suppress(OSError, AttributeError):
            lib = ctypes.CDLL(name) if name else None
            for function in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm", "EVP_aes_256_ecb"):
                getattr(lib, function).restype = ctypes.c_void_p
            cls.lib = lib
        return cls.lib is not None

    def __init__(self, key):
        self.key = key

    def run(self, cipher, encrypt, data, nonce=None, aad=b"", tag=None):
        lib, out = self.lib, ctypes.create_string_buffer(len(data) + 32)
        length, ignored = ctypes.c_int(), ctypes.c_int()
        context = ctypes.c_void_p(lib.EVP_CIPHER_CTX_new())
        try:
            steps = [lib.EVP_CipherInit_ex(
                context, ctypes.c_void_p(cipher()), None, self.key, nonce, encrypt)]
            steps.append(lib.EVP_CIPHER_CTX_set_padding(context, 0))
            if tag:  # 0x11 is EVP_CTRL_AEAD_SET_TAG
                steps.append(lib.EVP_CIPHER_CTX_ctrl(context, 0x11, len(tag), tag))
            if aad:
                steps.append(lib.EVP_CipherUpdate(
                    context, None, ctypes.byref(ignored), aad, len(aad)))
            if data:
                steps.append(lib.EVP_CipherUpdate(
                    context, out, ctypes.byref(length), data, len(data)))
            steps.append(lib.EVP_CipherFinal_ex(
                context, ctypes.byref(out, length.value), ctypes.byref(ignored)))
            return out.raw[:len(data)] if all(step == 1 for step in steps) else None
        finally:
            lib.EVP_CIPHER_CTX_free(context)

    def encrypt(self, block):
        return self.run(self.lib.EVP_aes_256_ecb, 1, block)

    def decrypt(self, block):
        return self.run(self.lib.EVP_aes_256_ecb, 0, block)

    def gcm_open(self, nonce, sealed, aad=b""):
        return self.run(self.lib.EVP_aes_256_gcm, 0, sealed[:-16], nonce, aad, sealed[-16:])

Aes256 = PureAes256  # choose_aes() puts the other one in its place

# ---- What is made of AES and SHA-2 --------------------------------------------------------------

def key_wrap(key, data):
    """RFC 3394, 2.2.1 (AES-KW)."""
    aes, a = Aes256(key), b"\xa6" * 8
    r = [data[i:i + 8] for i in range(0, len(data), 8)]
    for step in range(6 * len(r)):
        block = aes.encrypt(a + r[step % len(r)])
        a, r[step % len(r)] = xor(block[:8], struct.pack(">Q", step + 1)), block[8:]
    return a + b"".join(r)

def key_unwrap(key, wrapped):
    """RFC 3394, 2.2.2: the data, or None when it was not wrapped with this key."""
    aes, a = Aes256(key), wrapped[:8]
    r = [wrapped[i:i + 8] for i in range(8, len(wrapped), 8)]
    for step in reversed(range(6 * len(r))):
        block = aes.decrypt(xor(a, struct.pack(">Q", step + 1)) + r[step % len(r)])
        a, r[step % len(r)] = block[:8], block[8:]
    return b"".join(r) if same(a, b"\xa6" * 8) else None

def hkdf_expand_sha512(key, info, length):
    """RFC 5869, 2.3."""
    out = block = b""
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([len(out) // 64 + 1]), "sha512")
        out += block
    return out[:length]

def xaes_256_gcm_open(key, nonce, sealed, aad):
    """C2SP XAES-256-GCM: a key for the message by CMAC, from the first half of the nonce."""
    aes = Aes256(key)
    double = number_of(aes.encrypt(bytes(16))) << 1
    mask = (double ^ (1 << 128 | 0x87) if double >> 128 else double).to_bytes(16, "big")
    halves = [aes.encrypt(xor(bytes([0, i, 0x58, 0]) + nonce[:12], mask)) for i in (1, 2)]
    return Aes256(b"".join(halves)).gcm_open(nonce[12:], sealed, aad)

# ---- ECDSA over P-256, verification only --------------------------------------------------------

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)

def p256_add(a, b):
    """SP 800-186, A.1.1: points as (x, y); None is the one at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P

def p256_multiply(number, point):
    result = None
    for bit in bin(number)[2:]:
        result = p256_add(result, result)
        if bit == "1":
            result = p256_add(result, point)
    return result

def ecdsa_p256_verify(public, digest, r, s):
    """FIPS 186-5, 6.4.2. public: x and y, 64 bytes."""
    x, y = number_of(public[:32]), number_of(public[32:])
    if max(x, y) >= P or (y * y - x ** 3 + 3 * x - B) % P or not (0 < r < N and 0 < s < N):
        return False
    w = pow(s, -1, N)
    point = p256_add(p256_multiply(number_of(digest) * w % N, G),
                     p256_multiply(r * w % N, (x, y)))
    return point is not None and point[0] % N == r

# ---- Contexts, wrapped keys, check values (docs/spec) -------------------------------------------

NO_CONTEXT, NO_VERSION = bytes(2), bytes(8)

def encode_context(pairs):
    """docs/spec/context.md: the bytes of a context from its pairs of texts, in any order."""
    try:
        raw = sorted((key.encode("utf-8"), value.encode("utf-8")) for key, value in pairs)
    except (AttributeError, TypeError, ValueError):
        raise Problem("Malformed", "a context is pairs of texts")
    out = (len(raw) & 0xFFFF).to_bytes(2, "big")
    for key, value in raw:
        demand(1 <= len(key) <= 255 and len(value) <= 1024, "Malformed",
               "a key or value of a context is too short or too long")
        demand(not re.search(b"\0|\xef\xbf\xbd", key + b" " + value), "Malformed",
               "a context holds U+0000 or U+FFFD")
        out += struct.pack(">H", len(key)) + key + struct.pack(">H", len(value)) + value
    demand(len(raw) <= 16 and len(out) <= 4096 and len(dict(raw)) == len(raw), "Malformed",
           "a context has too many pairs, is too long, or has a key twice")
    return out

def decode_context(encoded):
    """The pairs; only what encode_context makes is taken."""
    texts, at = [], 2
    for _ in range(2 * min(17, number_of(encoded[:2]))):
        length = number_of(encoded[at:at + 2])
        texts.append(encoded[at + 2:at + 2 + length].decode("utf-8"))
        at += 2 + length
    pairs = list(zip(texts[::2], texts[1::2]))
    demand(encode_context(pairs) == encoded, "Malformed", "a context is not in order")
    return pairs

def associated_data(purpose, form, version, subject, context):
    """docs/spec/associated-data.md."""
    return (b"keyservice/v1\0" + bytes([purpose, form]) + version + bytes([len(subject)])
            + subject + context)

def is_wrapped_key(raw):
    return len(raw) == 69 and raw[0] == 1 and raw[1:9] != NO_VERSION

def unwrap_data_key(kek, wrapped, purpose, subject, context):
    """docs/spec/wrapped-data-key.md: 32 bytes, or None."""
    bound = associated_data(purpose, 1, wrapped[1:9], subject, context)
    return Aes256(kek).gcm_open(wrapped[9:21], wrapped[21:], bound)

def unwrap_key_blob(wrapping_key, blob):
    """docs/spec/key-blob.md: 32 bytes, or None."""
    demand(len(blob) == 41 and blob[0] == 1, "Malformed", "it is not a wrapped key")
    return key_unwrap(wrapping_key, blob[1:])

def backup_key_id(backup_key):
    """docs/spec/key-blob.md: tells which backup key it is, and nothing else of it."""
    pattern = key_wrap(backup_key, bytes(range(32)))
    return hashlib.sha256(b"keyservice/backup-key-id/v1" + pattern).digest()[:8]

def open_version(backup_key, version, material):
    """KEK and bulk key of a version, each proven to be that version's."""
    check_value, blob, bulk_key = material[:69], material[69:110], material[110:]
    kek = unwrap_key_blob(backup_key, blob)
    held = kek and unwrap_data_key(kek, check_value, 5, b"", NO_CONTEXT)
    bulk = kek and unwrap_data_key(kek, bulk_key, 4, b"", NO_CONTEXT)
    demand(held and same(held, hashlib.sha256(version).digest()) and bulk, "VerificationFailed",
           "the bundle's key version %s is not what it should be" % version.hex())
    return kek, bulk

# ---- Backup bundle (docs/spec/backup-bundle.md) -------------------------------------------------

Bundle = collections.namedtuple("Bundle", "installation id sequence kind made_at backup_key_id "
                                "previous keys versions left_out digest signing_key")
BUNDLE_KINDS = {1: "full", 2: "incremental", 3: "selection"}
STATES = {1: "pre-activation", 2: "active", 3: "suspended", 4: "deactivated", 5: "compromised",
          6: "destroyed"}
SIGNING_KEY_BEGINS = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")

def parse_attributes(body, required):
    """The attributes, and what follows them."""
    end = 1 + 9 * body[0] if body and body[0] <= 32 else 0
    names = list(body[1:end:9])
    demand(0 < end <= len(body) and 0 not in names and names == sorted(set(names))
           and required <= set(names), "Damaged", "attributes in the bundle break a rule")
    return {body[at]: struct.unpack(">q", body[at + 1:at + 9])[0]
            for at in range(1, end, 9)}, body[end:]

def parse_key_entry(body):
    length = body[0] if body else 0
    name = body[1:1 + length]
    demand(1 <= length <= 128 and len(name) == length and all(0x21 <= c <= 0x7E for c in name),
           "Damaged", "the name of a key in the bundle breaks a rule")
    attributes, rest = parse_attributes(body[1 + length:], {1, 2, 3, 4})
    demand(not rest, "Damaged", "a key's entry in the bundle is too long")
    return name, attributes

def parse_version_entry(body):
    """Id, attributes, and 179 bytes: check value, KEK blob, bulk key (None if there are none)."""
    version = body[:8]
    attributes, rest = parse_attributes(body[8:], {1, 16, 23})
    material = rest[1:]
    follows = rest == b"\0" or (
        rest[:1] == b"\1" and len(material) == 179 and material[69] == 1
        and material[:9] == material[110:119] == b"\1" + version)
    demand(version != NO_VERSION and follows, "Damaged", "a version in the bundle breaks a rule")
    return version, attributes, material or None

def read_bundle(file, visit=lambda name, version, attributes, material: None):
    """The whole of a bundle with its signature. What was visited holds only if this returns."""
    header = file.read(97)
    demand(header, "Empty", "there is nothing in it")
    demand(header[:6] == b"KSBNDL"[:len(header)], "NotABundle", "it is not a bundle")
    demand(len(header) < 8 or header[6:8] == b"01", "UnsupportedVersion",
           "it is of an unknown version")
    demand(len(header) == 97, "Truncated", "it ends in its header")
    sequence, kind, made_at = struct.unpack(">QBq", header[40:57])
    demand(sequence and kind in (1, 2, 3) and (kind != 2 or any(header[65:])), "Damaged",
           "its header breaks a rule")
    digest, entries, keys, versions, name, version = hashlib.sha256(header), 0, 0, 0, b"", b""
    while True:
        head = file.read(3)
        length = number_of(head[1:])
        demand(len(head) < 3 or length <= 477, "Damaged", "an entry is too long")
        body = file.read(length)
        demand(len(head) == 3 and len(body) == length, "Truncated", "it ends too early")
        entry, entries = head[0], entries + 1
        digest.update(head + (body[:-64] if entry == 0xFF else body))
        if entries == 1:
            demand(entry == 1 and length == 73 and body[0] == 1, "Damaged",
                   "it does not begin with the integrity key")
        elif entry == 2:
            before, (name, attributes) = name, parse_key_entry(body)
            demand(before < name, "Damaged", "its keys are not in order")
            keys, version = keys + 1, b""
            visit(name.decode(), None, attributes, None)
        elif entry == 3:
            before, (version, attributes, material) = version, parse_version_entry(body)
            demand(keys and before < version, "Damaged", "its versions are not in order")
            versions += 1
            visit(name.decode(), version, attributes, material)
        else:
            demand(entry == 0xFF, "Damaged", "an entry is of an unknown type")
            break
    counts, signing_key = struct.unpack(">3Q", body[:24].ljust(24, b"\0")), body[24:115]
    demand(length == 179 and counts[:2] == (keys, versions), "Damaged",
           "its counts are not those of its entries")
    demand(signing_key.startswith(SIGNING_KEY_BEGINS), "Damaged", "its signing key is not one")
    signed = hashlib.sha256(b"keyservice/v1/backup-bundle\0" + digest.digest()).digest()
    r, s = number_of(body[115:147]), number_of(body[147:])
    demand(s <= N // 2 and ecdsa_p256_verify(signing_key[27:], signed, r, s), "SignatureInvalid",
           "its signature does not hold")
    demand(not file.read(1), "Damaged", "something stands behind its end")
    return Bundle(header[8:24], header[24:40], sequence, kind, made_at, header[57:65],
                  header[65:], keys, versions, counts[2], digest.digest(), signing_key)

# ---- Archive (docs/spec/archive.md) -------------------------------------------------------------

Archive = collections.namedtuple("Archive", "fixed id context name slots damaged_areas")
CHUNK = 16384 + 16

def parse_slot_area(fixed, area):
    """Sequence number and slots; None when the area is damaged."""
    sequence, count = number_of(area[:8]), area[8]
    slots = [area[at:at + 69] for at in range(9, 9 + 69 * min(count, 17), 69)]
    whole = (hashlib.sha256(fixed + area[:4064]).digest() == area[4064:] and sequence > 0
             and 1 <= count <= 16 and not any(area[9 + 69 * count:4064])
             and all(map(is_wrapped_key, slots)))
    return (sequence, slots) if whole else None

def read_archive_header(file):
    start = file.read(28)
    demand(start, "Empty", "there is nothing in the archive")
    demand(start[:6] == b"KSARCH"[:len(start)], "NotAnArchive", "it is not an archive")
    demand(start[6:8] == b"01"[:len(start[6:8])], "UnsupportedVersion",
           "the archive is of an unknown version")
    demand(len(start) == 28, "Truncated", "the archive ends in its header")
    context_length, name_length = struct.unpack(">HH", start[24:])
    demand(context_length <= 4096 and name_length <= 255, "Damaged",
           "a length in the archive's header is out of range")
    end = 28 + context_length + name_length
    length = (end + 4095) // 4096 * 4096
    fixed, areas = start + file.read(length - 28), file.read(8192)
    demand(len(areas) == 8192, "Truncated", "the archive ends in its header")
    context, name = fixed[28:28 + context_length], fixed[28 + context_length:end]
    try:
        decode_context(context)
        name = name.decode("utf-8")
    except (Problem, UnicodeDecodeError):
        raise Problem("Damaged", "the archive's context or content name breaks a rule")
    demand(not re.search("[\0-\x1f\x7f-\x9f\ufffd]", name) and not any(fixed[end:]), "Damaged",
           "the archive's content name or padding breaks a rule")
    found = [parse_slot_area(fixed, area) for area in (areas[:4096], areas[4096:])]
    whole = sorted((area for area in found if area), reverse=True)
    demand(whole and len({number for number, _ in whole})
           == len(whole), "Damaged", "the archive's wrapped keys are damaged")
    # The older area comes last: what a bundle from before a re-wrapping can still open.
    slots = [slot for _, area in whole for slot in area]
    return Archive(fixed, fixed[8:24], context, name, slots, 2 - len(whole))

def cobblestone_256_open(data_key, context, file, write):
    """C2SP chunked-encryption. Nothing of a chunk is written before its tag has verified.

    Where the file can be searched the last chunk is opened first: of an archive that was cut or
    has something behind its end nothing is written at all.
    """
    head = file.read(56)
    demand(len(head) == 56, "Truncated", "the archive ends before its content")
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + head[:24] + context
    derived = hkdf_expand_sha512(data_key, info, 76)
    demand(same(derived[44:], head[24:]), "VerificationFailed",
           "the key is not the archive's, or the archive's header was changed")
    aes, base_nonce = Aes256(derived[:32]), number_of(derived[32:44])

    def open_chunk(number, sealed):
        demand(number < 1 << 38, "TooLong", "the archive has too many chunks")
        demand(len(sealed) >= 16, "Truncated", "the archive's last chunk is missing")
        plain = aes.gcm_open((base_nonce ^ number).to_bytes(12, "big"), sealed)
        demand(plain is not None, "VerificationFailed", "chunk %d does not verify" % number)
        return plain

    if file.seekable():
        begin = file.tell()
        last = (file.seek(0, os.SEEK_END) - begin) // CHUNK
        file.seek(begin + last * CHUNK)
        open_chunk(last, file.read(CHUNK))
        file.seek(begin)
    number, sealed = 0, bytes(CHUNK)
    while len(sealed) == CHUNK:
        sealed = file.read(CHUNK)
        write(open_chunk(number, sealed))
        number += 1

def open_archive(data_key, archive, file, write):
    """file: stands behind the header."""
    cobblestone_256_open(data_key, b"keyservice/v1/archive\0" + archive.fixed, file, write)

# ---- Field token (docs/spec/field-token.md) -----------------------------------------------------

Token = collections.namedtuple("Token", "form id nonce sealed")

def parse_token(raw):
    start = {0x11: 9, 0x12: 17}.get(raw[0] if raw else 0, 0)
    demand(start and 0 <= len(raw) - start - 40 <= 1 << 20
           and not (raw[0] == 0x11 and raw[1:9] == NO_VERSION), "Malformed", "no field token")
    return Token(raw[0], raw[1:start], raw[start:start + 24], raw[start + 24:])

def parse_token_text(text):
    raw = b""
    with contextlib.suppress(binascii.Error):
        if re.fullmatch(r"ks1\.[A-Za-z0-9_-]+", text):
            raw = base64.urlsafe_b64decode(text[4:] + "=" * (-len(text) % 4))
    demand("ks1." + base64.urlsafe_b64encode(raw).decode().rstrip("=") == text, "Malformed",
           "no field token in its text form")
    return parse_token(raw)

def open_token(key, token, context):
    """key: the bulk key of the version (0x11), or the data key (0x12). Plaintext, or None."""
    if token.form == 0x11:
        bound = associated_data(6, 0x11, token.id, b"", context)
    else:
        bound = associated_data(7, 0x12, NO_VERSION, token.id, context)
    return xaes_256_gcm_open(key, token.nonce, token.sealed, bound)

# ---- Self-test: known answers of everything above -----------------------------------------------

def expect(what, found, expected):
    demand(found == bytes.fromhex(expected), "SelfTest", "%s gives a wrong answer" % what)

def test_words():
    listed = hashlib.sha256(("\n".join(WORDS) + "\n").encode()).hexdigest()
    wrong = [later for word, later in zip(WORDS, WORDS[1:]) if word >= later]
    demand(listed == WORDS_SHA256, "SelfTest", "the list of %d words is not that of SLIP-39%s" % (
        len(WORDS), ", look around '%s'" % wrong[0] if wrong else ""))

def test_aes():
    """Of the implementation that is in use."""
    key = bytes(range(32))
    data = bytes.fromhex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f")
    block = "8ea2b7ca516745bfeafc49904b496089"
    expect("AES (FIPS 197, C.3)", Aes256(key).encrypt(data[:16]), block)
    expect("AES (FIPS 197, C.3)", Aes256(key).decrypt(bytes.fromhex(block)), data[:16].hex())
    wrapped = "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
    expect("AES key wrap (RFC 3394, 4.6)", key_wrap(key, data), wrapped)
    expect("AES key wrap (RFC 3394, 4.6)", key_unwrap(key, bytes.fromhex(wrapped)), data.hex())
    aes = Aes256(bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2))
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    sealed = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    expect("AES-GCM (its authors' test case 16)", aes.gcm_open(nonce, sealed, aad),
           "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
           "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
    demand(aes.gcm_open(nonce, sealed, b"") is None and key_unwrap(data, bytes(40)) is None,
           "SelfTest", "AES opens what it must not open")
    sealed = bytes.fromhex("986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d")
    expect("XAES-256-GCM (C2SP)", xaes_256_gcm_open(
        b"\3" * 32, b"ABCDEFGHIJKLMNOPQRSTUVWX", sealed, b"c2sp.org/XAES-256-GCM"),
        b"XAES-256-GCM".hex())

def test_rest():
    shares = [parse_words(words_of(text), "a share") for text in (
        "shadow pistol academic always adequate wildlife fancy gross oasis cylinder "
        "mustang wrist rescue view short owner flip making coding armed",
        "shadow pistol academic acid actress prayer class unknown daughter sweater "
        "depict flip twice unkind craft early superior advocate guest smoking")]
    expect("SLIP-39 (vector 4)", combine_shares(shares, b"TREZOR"),
           "b43ceb7e57a0ea8766221624d01b0864")
    public = bytes.fromhex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                           "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    verdicts = [ecdsa_p256_verify(public, hashlib.sha256(text).digest(), r, s)
                for text in (b"sample", b"Sample")]
    demand(verdicts == [True, False], "SelfTest", "ECDSA (RFC 6979, A.2.5) is wrong")
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + bytes(range(128, 152))
    expect("HKDF (docs/spec/archive.md)", hkdf_expand_sha512(bytes(range(32, 64)), info, 76)[44:],
           "544ccdc774ca2b87e142f95f8358de1f80a89cb57cd224e8ee6ee9ec931aa871")

def choose_aes(pure):
    """Tests everything, and uses libcrypto when it is there and right."""
    global Aes256
    try:
        test_words()
        test_rest()
        test_aes()
    except Exception as error:  # whatever a mistyped line leads to
        raise Problem("SelfTest", "the self-test fails: %s" % error)
    if not pure and LibAes256.load():
        Aes256 = LibAes256
        try:
            test_aes()
        except Problem as problem:
            Aes256 = PureAes256
            say("libcrypto is not used: " + problem.what)
    by = "libcrypto" if Aes256 is LibAes256 else "Python alone, which is slow"
    say("self-test passed; AES by " + by)

# ---- Keys from shares and bundles ---------------------------------------------------------------

def time_text(nanoseconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(nanoseconds // 10**9))

def read_public_key(path):
    """The DER in a PEM file, as `keyservice backup signing-key` prints it."""
    with open(path, encoding="ascii", errors="replace") as file:
        found = re.search("BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\\s]*)-----END", file.read())
    demand(found, "Malformed", "%s holds no public key" % path)
    return base64.b64decode(found.group(1))

def verify_bundle(path, signing_key, visit=lambda *entry: None):
    with open(path, "rb") as file:
        try:
            bundle = read_bundle(file, visit)
        except Problem as problem:
            raise Problem(problem.kind, "%s: %s" % (path, problem.what))
    demand(not signing_key or read_public_key(signing_key) == bundle.signing_key, "OtherSigner",
           "%s was signed by another key" % path)
    return bundle

def read_bundles(arguments, wanted):
    """The backup key's id; of wanted versions what the verified bundles hold: name, state, keys."""
    found, needed_by = {}, {}
    for path in arguments.bundle:
        seen = {}

        def visit(name, version, attributes, material):
            if version in wanted:
                seen[version] = name, attributes[16], material

        bundle = verify_bundle(path, arguments.signing_key, visit)
        needed_by[bundle.backup_key_id] = path
        say("%s: bundle %d of %s, verified; signing key %s" % (
            path, bundle.sequence, time_text(bundle.made_at),
            hashlib.sha256(bundle.signing_key).hexdigest()))
        if bundle.left_out:
            say("WARNING: %d key versions were left out of it" % bundle.left_out)
        for version, held in seen.items():
            if held[2] or version not in found:
                found[version] = held
    if not arguments.signing_key:
        say("WARNING: nothing says that this signing key is the installation's. Compare its digits "
            "with those that are kept with the shares, or give the key by --signing-key.")
    demand(len(needed_by) == 1, "OtherBackupKey", "the bundles are of several backup keys: " +
           ", ".join("%s needs %s" % (path, key.hex()) for key, path in needed_by.items()))
    return next(iter(needed_by)), found

def ask(prompt):
    """A line that is not shown; of a pipe the next one, None at its end."""
    try:
        return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline() or None
    except EOFError:
        return None

def ask_share(name):
    """A share that is typed, corrected where that can be told; None at the end of a pipe."""
    say("%s: type its words, as many a line as you like; their first 4 letters are enough. They "
        "are not shown. An empty line ends the share." % name)
    words = []
    while True:
        line = ask("%s, word %d: " % (name, len(words) + 1))
        if line is None and not words:
            return None
        for word in words_of(line or ""):
            if word not in NUMBERS:
                say("word %d is not in the list: go on with that word" % (len(words) + 1))
                break
            words.append(word)
        while words and not words_of(line or ""):
            try:
                return parse_words(words, name)
            except Problem as problem:
                say("%s. %s" % (problem.what, ADVICE[problem.kind]))
                if line is not None and problem.place is None and len(words) < 33:
                    break
                again = []
                if problem.place is not None:
                    again = words_of(ask("word %d again: " % (problem.place + 1)) or "")
                if len(again) == 1 and again[0] in NUMBERS:
                    words[problem.place] = again[0]
                else:
                    say("%s begins anew" % name)
                    words = []

def read_shares(paths):
    """Shares of files, or typed until they are enough; and their secret."""
    shares = []
    for path in paths or []:
        with open(path, encoding="ascii", errors="replace") as file:
            shares.append(parse_words(words_of(file.read()), path))
    while not paths:
        share = ask_share("share %d" % (len(shares) + 1))
        if share is None:
            break
        shares.append(share)
        try:
            return shares, combine_shares(shares)
        except Problem as problem:
            say(problem.what)
            if problem.kind in ("OtherSet", "Duplicate"):
                say(ADVICE[problem.kind])
                shares.pop()
    demand(shares, "TooFew", "there are no shares")
    return shares, combine_shares(shares)

def open_versions(arguments, needed_id, found):
    """KEK and bulk key of each version, by the shares."""
    backup_key = read_shares(arguments.shares)[1]
    given_id = backup_key_id(backup_key) if len(backup_key) == 32 else b"none"
    demand(given_id == needed_id, "OtherBackupKey",
           "these shares are of backup key %s, the bundle needs %s" % (
               given_id.hex(), needed_id.hex()))
    return {version: open_version(backup_key, version, material)
            for version, (_, _, material) in found.items() if material}

def absence(version, found):
    if version in found:
        name, state, _ = found[version]
        return "key version %s of key %s is %s, and the bundle holds no key of it" % (
            version.hex(), name, STATES.get(state, "unknown"))
    return "no bundle that was given holds key version %s" % version.hex()

# ---- Commands -----------------------------------------------------------------------------------

def demand_output(path):
    """Before anybody types a share."""
    if path is None:
        demand(not sys.stdout.isatty(), "Usage", "name a file by -o, or redirect the output")
    else:
        demand(not os.path.lexists(path), "Usage", "%s is there already: name another" % path)

@contextlib.contextmanager
def output(path):
    """Where to write. A file appears under its name when all of it was verified and written."""
    demand_output(path)
    if path is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    directory = os.path.dirname(path) or "."
    handle, temporary = tempfile.mkstemp(prefix=".recover-", dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

def showing_progress(write, total):
    """At a terminal, every ten seconds."""
    done, shown = 0, time.monotonic()

    def counted(data):
        nonlocal done, shown
        write(data)
        done += len(data)
        if sys.stderr.isatty() and time.monotonic() > shown + 10:
            shown = time.monotonic()
            say("%d of %d MB" % (done // 10**6, total // 10**6))

    return counted

def command_open(arguments):
    demand_output(arguments.output)
    with open(arguments.archive, "rb") as file:
        archive = read_archive_header(file)
        say("archive %s, content %r, context %r" % (
            archive.id.hex(), archive.name, dict(decode_context(archive.context))))
        if archive.damaged_areas:
            say("note: one of the archive's two slot areas is damaged; the other one is used")
        needed_id, found = read_bundles(arguments, {slot[1:9] for slot in archive.slots})
        demand(any(material for _, _, material in found.values()), "Missing",
               absence(archive.slots[0][1:9], found))
        keys = open_versions(arguments, needed_id, found)
        for slot in archive.slots:
            version = slot[1:9]
            data_key = version in keys and unwrap_data_key(
                keys[version][0], slot, 3, archive.id, archive.context)
            if data_key:
                say("opens by key %s, version %s" % (found[version][0], version.hex()))
                with output(arguments.output) as write:
                    write = showing_progress(write, os.fstat(file.fileno()).st_size)
                    open_archive(data_key, archive, file, write)
                return
        raise Problem("VerificationFailed", "the archive's wrapped key does not open")

def read_rows(path, parse, form):
    """(number of the line, what it holds); a Problem where it holds something else."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, parse(line.strip())
            except (ValueError, KeyError, TypeError):
                yield number, Problem("Malformed", "it is not " + form)
            except Problem as problem:
                yield number, problem

def parse_data_key_row(line):
    row = json.loads(line)
    wrapped = bytes.fromhex(row["wrapped"])
    demand(is_wrapped_key(wrapped), "Malformed", "it is no wrapped data key")
    return bytes.fromhex(row["id"]), wrapped, bytes.fromhex(row["context"])

def command_fields(arguments):
    demand_output(arguments.output)
    shared = [tuple(text.split("=", 1)) for text in arguments.context]
    demand(all(len(pair) == 2 for pair in shared), "Usage", "a context is KEY=VALUE")
    table = {}
    if arguments.data_keys:
        for number, row in read_rows(arguments.data_keys, parse_data_key_row,
                                     '{"id": HEX, "wrapped": HEX, "context": HEX}'):
            if isinstance(row, Problem):
                raise Problem(row.kind, "%s, line %d: %s" % (
                    arguments.data_keys, number, row.what))
            table[row[0]] = row[1:]

    def parse_token_row(line):
        row = {"token": line}
        if line.startswith("{"):  # lists of pairs: a key that stands twice is refused
            row = dict(json.loads(line, object_pairs_hook=list))
        context = encode_context(shared + row.get("context", []))
        if "wrapped" not in row:
            return parse_token_text(row["token"]), context
        wrapped = bytes.fromhex(row["wrapped"])
        demand(is_wrapped_key(wrapped), "Malformed", "it is no wrapped data key")
        return Token(1, wrapped[1:9], b"", wrapped), context

    def tokens():
        return read_rows(arguments.tokens, parse_token_row, '{"token": "ks1...", "context": {}}')

    def version_of(row):
        if isinstance(row, Problem):
            raise row
        token = row[0]
        demand(token.form != 0x12 or token.id in table, "Missing",
               "--data-keys holds no data key %s" % token.id.hex())
        return table[token.id][0][1:9] if token.form == 0x12 else token.id

    def at_line(number, call, *given):
        try:
            return call(*given)
        except Problem as problem:
            raise Problem(problem.kind, "line %d: %s" % (number, problem.what))

    # Twice over the lines: which key versions are needed, then, by the shares, the values.
    first_line = {}
    for number, row in tokens():
        with contextlib.suppress(*[Problem] if arguments.keep_going else []):
            first_line.setdefault(at_line(number, version_of, row), number)
    needed_id, found = read_bundles(arguments, first_line)
    for version, number in first_line.items():
        demand(arguments.keep_going or found.get(version, (0, 0, None))[2], "Missing",
               "line %d: %s" % (number, absence(version, found)))
    keys = open_versions(arguments, needed_id, found)

    def open_row(row):
        version = version_of(row)
        demand(version in keys, "Missing", absence(version, found))
        (token, context), (kek, key) = row, keys[version]
        if token.form == 0x12:
            key = unwrap_data_key(kek, table[token.id][0], 2, token.id, table[token.id][1])
        elif token.form == 1:
            key = unwrap_data_key(kek, token.sealed, 1, b"", context)
        plain = key if token.form == 1 or not key else open_token(key, token, context)
        demand(plain is not None, "VerificationFailed", "it does not open")
        if token.form == 1:
            return {"key": plain.hex()}
        try:
            return {"text": plain.decode("utf-8")}
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(plain).decode()}

    failed = 0
    with output(arguments.output) as write:
        for number, row in tokens():
            try:
                answer = at_line(number, open_row, row)
            except Problem as problem:
                if not arguments.keep_going:
                    raise
                failed, answer = failed + 1, {"error": problem.what}
            write(json.dumps({"line": number, **answer}).encode() + b"\n")
    demand(not failed, "VerificationFailed", "%d lines did not open; the output says why" % failed)

def command_list(arguments):
    def show(name, version, attributes, material):
        created = time_text(attributes[1])
        if version is None:
            print("  key %s, created %s" % (name, created))
        else:
            state = STATES.get(attributes[16], "unknown")
            print("    version %s, created %s, %s%s" % (
                version.hex(), created, state, "" if material else ", without its key"))

    for path in arguments.bundle:
        bundle = verify_bundle(path, arguments.signing_key)
        print("%s: %s bundle %d, made %s" % (path, BUNDLE_KINDS[bundle.kind], bundle.sequence,
                                             time_text(bundle.made_at)))
        print("  installation %s" % bundle.installation.hex())
        print("  backup key   %s" % bundle.backup_key_id.hex())
        print("  signing key  %s%s" % (hashlib.sha256(bundle.signing_key).hexdigest(),
                                       "" if arguments.signing_key else " (not compared)"))
        print("  %d keys, %d versions, %d left out" % (
            bundle.keys, bundle.versions, bundle.left_out))
        verify_bundle(path, arguments.signing_key, show)  # again: what is shown is verified

def command_check(arguments):
    shares, secret = read_shares(arguments.shares)
    members = ", ".join(str(share.member + 1) for share in shares)
    print("shares %s fit together; %d are needed" % (members, shares[0].threshold))
    demand(len(secret) == 32, "Length", "they give %d bytes: no backup key" % len(secret))
    print("backup key %s" % backup_key_id(secret).hex())

def command_self_test(arguments):
    text, nonce = bytes(1 << 16), bytes(12)
    sealed = text + PureAes256(bytes(32)).gcm_tag(nonce, text, b"")
    for kind, rounds in ((PureAes256, 2), (LibAes256, 1000))[:2 if LibAes256.lib else 1]:
        aes, begun = kind(bytes(32)), time.perf_counter()
        for _ in range(rounds):
            demand(aes.gcm_open(nonce, sealed), "SelfTest", "AES-GCM does not open")
        speed = rounds * len(text) / 1e6 / (time.perf_counter() - begun)
        print("%s: %.1f MB/s" % (kind.__name__, speed))

def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, run, text, *options):
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument("--pure", action="store_true", help="do not use libcrypto")
        for flags, details in options:
            added.add_argument(*flags, **details)

    def needed(flag, what):
        return [flag], {"required": True, "metavar": what}

    several = {"nargs": "+", "action": "extend"}
    bundle = ["--bundle"], {**several, "required": True, "metavar": "FILE.ksb"}
    shares = ["--shares"], {**several, "metavar": "FILE", "help": "one share each; else asked"}
    signer = ["--signing-key"], {"metavar": "PEM", "help": "the installation's, to compare"}
    target = ["-o", "--output"], {"metavar": "FILE", "help": "else the redirected output"}
    command("open", command_open, "open an archive", bundle, shares, signer,
            needed("--archive", "FILE.ksa"), target)
    command("fields", command_fields, "open field tokens, one a line: ks1..., or {\"token\": "
            "\"ks1...\", \"context\": {...}}; or data keys of your own, {\"wrapped\": HEX, "
            "\"context\": {...}}. As many lines of JSON come out", bundle, shares, signer,
            needed("--tokens", "FILE"), target,
            (["--context"], {"action": "append", "default": [], "metavar": "KEY=VALUE",
                             "help": "of every line; can be given several times"}),
            (["--data-keys"], {"metavar": "FILE", "help": "the table of wrapped data keys, one a "
                               "line: {\"id\": HEX, \"wrapped\": HEX, \"context\": HEX}"}),
            (["--keep-going"], {"action": "store_true", "help": "write what does open"}))
    command("list", command_list, "what is in bundles; needs no shares", bundle, signer)
    command("check", command_check, "whether shares are a set, and of which backup key", shares)
    command("self-test", command_self_test, "test this file, and measure its speed")
    return parser.parse_args()

def main():
    arguments = parse_arguments()
    for name in ("SIGTERM", "SIGHUP"):  # as Ctrl-C: what was begun is removed
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        choose_aes(arguments.pure)
        arguments.run(arguments)
        return 0
    except FileNotFoundError as error:
        problem = Problem("NoFile", "%s is not there" % error.filename)
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("Input", "it cannot be read or written: %s" % error)
    except Problem as found:
        problem = found
    except KeyboardInterrupt:
        say("ended by you")
        return 130
    say(problem.what)
    say(ADVICE[problem.kind])
    return EXIT_CODES.get(problem.kind, 4)

if __name__ == "__main__":
    sys.exit(main())
