"""Exports of the audit log and proofs of single records, docs/spec/audit-export.md. Keeps findings; favours plainness over telling them all."""

import pathlib

from . import audit, logs
from .errors import FormatError

NOT_CONSISTENT = "not consistent"
COVERED = "consistent; complete up to the checkpoint held elsewhere"
UNPROVEN = "consistent; completeness not proven"


class _Stop(Exception):
    """Nothing behind this can be said."""


def read_keys(text: str) -> list:
    return [logs.Key.parse(line) for line in text.split("\n") if line]


def is_installation(name: str) -> bool:
    head, _, digits = name.partition("/")
    return head == "keyservice" and len(digits) == 32 and all(c in "0123456789abcdef" for c in digits)


def _width(level: int, index: int, size: int) -> int:
    return max(0, min((size >> (8 * level)) - index * 256, 256))


def _start(raw: bytes) -> tuple:
    """The records before, and the tree over them."""
    if not raw.isascii() or not raw.endswith(b"\n"):
        raise FormatError("Malformed", "not a beginning")
    number, *lines = raw.decode().split("\n")[:-1]
    size = logs._number(number)
    roots = [logs._decode_hash(line) for line in lines]
    if size == 0 or size % 256 or len(roots) != bin(size).count("1"):
        raise FormatError("Malformed", "not a beginning at a bundle")
    tree = logs.Tree()
    tree.size, tree._edge = size, roots
    return size, tree


class Export:
    """One export, verified when it is made."""

    def __init__(self, directory: str, pinned: list, held: list):
        self.root = pathlib.Path(directory)
        if not self.root.is_dir():
            raise OSError(f"{directory} is no directory")
        self.pinned, self.findings, self.known = pinned, [], set()
        self.installation, self.slots = None, {}
        self.held = held
        try:
            self._verify()
        except _Stop:
            pass

    @property
    def verdict(self) -> str:
        if self.findings:
            return NOT_CONSISTENT
        return COVERED if self.slots and all(held >= size for _, size, held in self.slots.values()) else UNPROVEN

    # ---- what is there
    def _find(self, fault: str, place: str, text: str) -> None:
        self.findings.append((fault, place, text))

    def _read(self, path: str):
        self.known.add(path)
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def _note(self, path: str, origin: str):
        raw = self._read(path)
        if raw is None:
            self._find("missing", path, "the checkpoint is missing")
            return None, None
        try:
            note = logs.Note.parse(raw)
            checkpoint = logs.Checkpoint.parse(note.text)
        except FormatError:
            checkpoint = None
        if checkpoint is None or checkpoint.origin != origin or checkpoint.extensions:
            self._find("malformed", path, f"it is no checkpoint of {origin}")
            return None, None
        return note, checkpoint

    # ---- the whole
    def _verify(self) -> None:
        raw = self._read("keys")
        try:
            if raw is None or not raw.endswith(b"\n"):
                raise FormatError("Malformed", "no keys")
            keys = [logs.Key.parse(line) for line in raw.decode("ascii").split("\n")[:-1]]
        except (FormatError, UnicodeDecodeError):
            keys = []
        names = {key.name for key in keys}
        if len(names) != 1 or any(key.kind != logs.ECDSA for key in keys) or not is_installation(keys[0].name):
            self._find("missing" if raw is None else "malformed", "keys", "there are no verifier keys of one installation")
            return
        self.installation, self.keys = keys[0].name, keys
        if self.pinned and not any(own.key == given.key for own in keys for given in self.pinned):
            self._find("unsigned", "keys", "none of the keys of this export is one that was given")

        origin = f"{self.installation}/directory"
        note, top = self._note("directory/checkpoint", origin)
        if top is None:
            return
        marks, held_slots = self._held(top)
        before = len(self.findings)
        entries = self._log("directory", 0, logs.Tree(), top, [mark for mark in marks if mark[3] == origin], lambda raw, place: logs.Entry.parse(raw))
        whole = len(self.findings) == before
        per_slot, following = self._directory(entries, max([mark[0] for mark in marks if mark[2] and mark[3] == origin and mark[0] <= top.size], default=0))
        in_force = self._successions(following, entries)
        if not any(key.named(origin).signed(note) for key in in_force):
            self._find("unsigned", "directory/checkpoint", "the checkpoint is not signed by a key in force")
        for slot, said in sorted(per_slot.items()):
            self._slot(slot, said, whole, marks)
        for slot_origin in held_slots:
            if slot_origin not in [f"{self.installation}/slot/{slot}" for slot in self.slots]:
                self._find("truncated", "directory", f"a held checkpoint is of {slot_origin}, and that log is not there")
        if whole:
            for file in sorted(self.root.rglob("*")):
                path = file.relative_to(self.root).as_posix()
                if file.is_file() and path not in self.known:
                    self._find("unexpected", path, "the file does not belong to this export")

    def _held(self, top) -> tuple:
        """(size, root, vouches, origin) of everything that must be consistent with the logs, and the slots among them."""
        marks, slots = [], []
        for note in self.held:
            checkpoint = logs.Checkpoint.parse(note.text)
            if not any(key.named(checkpoint.origin).signed(note) for key in self.keys + self.pinned):
                self._find("unsigned", "keys", "a checkpoint that was given is not signed by a key of this log")
            elif checkpoint.origin != f"{self.installation}/directory" and not checkpoint.origin.startswith(f"{self.installation}/slot/"):
                self._find("forked", "keys", "a checkpoint that was given is another installation's")
            else:
                marks.append((checkpoint.size, checkpoint.root, True, checkpoint.origin))
                if not checkpoint.origin.endswith("/directory"):
                    slots.append(checkpoint.origin)
        if (self.root / "directory/witnessed").is_file():
            note, seen = self._note("directory/witnessed", f"{self.installation}/directory")
            if seen is not None:
                if not any(key.named(seen.origin).signed(note) for key in self.keys):
                    self._find("unsigned", "directory/witnessed", "the checkpoint is not signed by a key of this log")
                marks.append((seen.size, seen.root, False, seen.origin))
        return marks, slots

    def _directory(self, entries: list, held: int) -> tuple:
        per_slot, following = {}, []
        for place, entry in enumerate(entries):
            if entry.kind in (logs.KEY, logs.PEER_KEY):
                following.append((place, entry))
                continue
            said = per_slot.setdefault(entry.slot, {"marks": [], "held": 0})
            if said["marks"] and entry.size < said["marks"][-1][0]:
                self._find("forked", "directory", f"entry {place} says that slot {entry.slot} became shorter")
            said["marks"].append((entry.size, entry.value, False, f"entry {place}"))
            if place < held:
                said["held"] = entry.size
        return per_slot, following

    def _successions(self, following: list, entries: list) -> list:
        """Keys in force at the end."""
        if [entry.value for _, entry in following] != [key.key for key in self.keys[1:]]:
            self._find("forked", "keys", "the keys are not those that the directory says signed one after another")
        tree, roots = logs.Tree(), [logs.Tree().root()]
        for entry in entries:
            tree.append(logs.leaf_hash(entry.encode()))
            roots.append(tree.root())
        origin = f"{self.installation}/directory"
        in_force, before = self.keys[:1], []
        for number in range(1, len(self.keys)):
            before, adds = in_force, number <= len(following) and following[number - 1][1].kind == logs.PEER_KEY
            in_force = (before if adds else []) + [self.keys[number]]
            path = f"directory/succession/{number}"
            note, checkpoint = self._note(path, origin)
            if checkpoint is None or number > len(following):
                continue
            if not following[number - 1][0] < checkpoint.size < len(roots) or roots[checkpoint.size] != checkpoint.root:
                self._find("forked", path, "the checkpoint does not cover the entry of the key, or tells another history")
            if not any(key.named(origin).signed(note) for key in before) or not (adds or self.keys[number].named(origin).signed(note)):
                self._find("unsigned", path, "the key is not signed for by one in force, or does not show itself")
        return in_force

    def _slot(self, slot: int, said: dict, whole: bool, held: list) -> None:
        folder, origin = f"slot/{slot}", f"{self.installation}/slot/{slot}"
        own = [mark for mark in held if mark[3] == origin]
        size = said["marks"][-1][0]
        if size == 0 and not own:
            self.slots[slot] = (0, 0, 0)
            return
        note, checkpoint = self._note(f"{folder}/checkpoint", origin)
        if checkpoint is None:
            return
        if not any(key.named(origin).signed(note) for key in self.keys):
            self._find("unsigned", f"{folder}/checkpoint", "the checkpoint is not signed by a key of this log")
        if whole and checkpoint.size != size:
            self._find("forked", f"{folder}/checkpoint", f"the checkpoint is of {checkpoint.size}, and the directory says {size}")
        start, tree = 0, logs.Tree()
        if (self.root / folder / "start").is_file():
            try:
                start, tree = _start(self._read(f"{folder}/start"))
            except FormatError:
                self._find("malformed", f"{folder}/start", "it does not say where the records begin")
                return

        def record(raw: bytes, place: int):
            parsed = audit.parse(raw)
            if (parsed["slot"], parsed["sequence"]) != (slot, place):
                raise FormatError("Malformed", "of another place")
            return parsed

        self._log(folder, start, tree, checkpoint, (said["marks"] if whole else []) + own, record)
        self.slots[slot] = (start, checkpoint.size, min(max([said["held"]] + [mark[0] for mark in own]), checkpoint.size))

    def _log(self, folder: str, start: int, tree, checkpoint, marks: list, parse) -> list:
        """The entries of a log. Any difference is a finding; where it is, this verifier tells no better than by its bundle."""
        size, entries = checkpoint.size, []
        marks = [(mark[0], mark[1]) for mark in marks] + [(size, checkpoint.root)]
        for at, _ in marks:
            if at > size:
                self._find("truncated", folder, f"the log ends after {size}, and somebody holds {at}")
        roots = {tree.size: tree.root()}
        wanted = {at for at, _ in marks}
        for index in range(start // 256, (size + 255) // 256):
            path = f"{folder}/{logs.bundle_path(index, _width(0, index, size))}"
            raw = self._read(path)
            try:
                if raw is None:
                    raise FormatError("Malformed", "is missing")
                bundle = logs.read_bundle(raw)
                if len(bundle) != _width(0, index, size):
                    raise FormatError("Malformed", "has not its entries")
                for place, entry in enumerate(bundle, index * 256):
                    entries.append(parse(entry, place))
                    tree.append(logs.leaf_hash(entry))
                    if tree.size in wanted:
                        roots[tree.size] = tree.root()
            except FormatError as error:
                self._find("missing" if raw is None else "edited", path, str(error))
                raise _Stop from None
        for at, root in marks:
            if start <= at <= size and roots[at] != root:
                self._find("forked", folder, f"the first {at} entries are not those that were signed")
        if start == 0:
            self._tiles(folder, size)
        return entries

    def _tiles(self, folder: str, size: int) -> None:
        level_hashes = []
        for index in range((size + 255) // 256):
            bundle = logs.read_bundle(self._read(f"{folder}/{logs.bundle_path(index, _width(0, index, size))}"))
            level_hashes += [logs.leaf_hash(entry) for entry in bundle]
        level = 0
        while level_hashes:
            above = []
            for index in range((len(level_hashes) + 255) // 256):
                hashes = level_hashes[index * 256 : index * 256 + 256]
                path = f"{folder}/{logs.tile_path(level, index, len(hashes))}"
                if self._read(path) != b"".join(hashes):
                    self._find("edited", path, "the tile is not that of the entries")
                if len(hashes) == 256:
                    while len(hashes) > 1:
                        hashes = [logs.node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
                    above += hashes
            level, level_hashes = level + 1, above


def verify_proof(raw: bytes, directory, keys: list) -> dict:
    """The record that a proof proves; FormatError when it does not."""

    def included(proof) -> logs.Checkpoint:
        checkpoint = logs.Checkpoint.parse(proof.note.text)
        if checkpoint.extensions or not any(key.named(checkpoint.origin).signed(proof.note) for key in keys):
            raise FormatError("Unsigned", "the checkpoint is not signed by a key that was given")
        if proof.extra is None or not logs.includes(logs.leaf_hash(proof.extra), proof.index, checkpoint.size, proof.hashes, checkpoint.root):
            raise FormatError("NotIncluded", "the entry does not stand at its place")
        return checkpoint

    proof = logs.Proof.parse(raw)
    checkpoint = included(proof)
    record = audit.parse(proof.extra)
    installation, _, slot = checkpoint.origin.rpartition("/slot/")
    if not is_installation(installation) or slot != str(record["slot"]) or record["sequence"] != proof.index:
        raise FormatError("Misplaced", "what is proven is no record of that log and place")
    if directory is not None:
        second = logs.Proof.parse(directory)
        above = included(second)
        entry = logs.Entry.parse(second.extra)
        if entry.kind == logs.KEY or (entry.slot, entry.size, entry.value) != (record["slot"], checkpoint.size, checkpoint.root):
            raise FormatError("Misplaced", "the directory's proof is of something else")
        if above.origin != f"{installation}/directory":
            raise FormatError("Misplaced", "the directory is another installation's")
    return record
