"""Results of access reviews, and what a principal holds, docs/spec/access-review.md."""

import datetime
import re
import unicodedata

from .errors import FormatError

MAX_NOTE, MAX_PRINCIPALS, MAX_TEXT = 4 << 20, 4000, 512
TYPES = ("service", "person", "ai-system")
FINDINGS = ("orphan", "left", "no-manager", "manager-not-active", "manager-not-a-person", "manager-is-itself", "manager-started-review")
ATTESTED = ("keep", "suspend")
VERDICTS = (*ATTESTED, "suspended-at-deadline", "kept-as-last-administrator", "disabled-meanwhile")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_ORIGIN = re.compile(r"keyservice/[0-9a-f]{32}/access-reviews")


def _need(rule: str, held: bool) -> None:
    if not held:
        raise FormatError("Malformed", rule)


def _time(text: str) -> datetime.datetime:
    try:
        _need("not a time", bool(_TIME.fullmatch(text)))
        return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise FormatError("Malformed", "not a time") from None


def _hex(text: str, length: int) -> str:
    _need("not hexadecimal", bool(re.fullmatch(f"[0-9a-f]{{{2 * length}}}", text)))
    return text


def _value(line: str, name: str) -> str:
    _need(f"no {name}", line.startswith(name + " "))
    return line[len(name) + 1 :]


def _name(text: str) -> str:
    _need("not a name", bool(_NAME.fullmatch(text)))
    return text


class Entry:
    """A principal and what became of it. Absent fields are a dash, as they stand."""

    def __init__(self, line: str):
        fields = line.split(" ", 7)
        _need("too few fields", len(fields) >= 7)
        self.principal, self.type, self.manager, self.finding, self.verdict, time, self.access = fields[:7]
        self.note = fields[7] if len(fields) == 8 else None
        self.time = _time(time)
        _name(self.principal)
        _need("another type", self.type in TYPES)
        _need("attests itself", self.manager == "-" or _name(self.manager) != self.principal)
        _need("another finding", self.finding == "-" or self.finding in FINDINGS)
        _need("another verdict", self.verdict in VERDICTS)
        _need("attested by nobody", self.verdict not in ATTESTED or self.manager != "-")
        if self.verdict == "disabled-meanwhile":
            _need("a digest of nothing", self.access == "-")
        else:
            _hex(self.access, 32)
        if self.note is None:
            _need("suspended without a word", self.verdict != "suspend")
        else:
            _need("a note that nobody wrote", self.verdict in ATTESTED)
            _need("no note", 0 < len(self.note.encode()) <= MAX_TEXT and not any(unicodedata.category(c) == "Cc" for c in self.note))

    def __str__(self) -> str:
        line = f"{self.principal} {self.type} {self.manager} {self.finding} {self.verdict} {self.time:%Y-%m-%dT%H:%M:%SZ} {self.access}"
        return line if self.note is None else f"{line} {self.note}"


class Result:
    """The text of a signed result."""

    @staticmethod
    def parse(text: str) -> "Result":
        lines = text.split("\n")
        _need("too few lines", len(lines) >= 9 and lines[-1] == "")
        self = Result()
        self.origin = lines[0]
        _need("another origin", bool(_ORIGIN.fullmatch(self.origin)))
        self.review = _hex(_value(lines[1], "review"), 8)
        _need("a review has a number", int(self.review, 16) != 0)
        started, _, self.started_by = _value(lines[2], "started").partition(" ")
        self.started, self.due = _time(started), _time(_value(lines[3], "due"))
        closed, _, self.closed_by = _value(lines[4], "closed").partition(" ")
        self.closed = _time(closed)
        _name(self.started_by)
        _need("closed by no principal", self.closed_by == "-" or bool(_NAME.fullmatch(self.closed_by)))
        _need("ends before it begins", self.started < self.due and self.started <= self.closed)
        self.roster = _hex(_value(lines[5], "roster"), 32)
        self.entries = [Entry(line) for line in lines[7:-1]]
        _need("another number of principals", 0 < len(self.entries) <= MAX_PRINCIPALS and lines[6] == f"principals {len(self.entries)}")
        names = [entry.principal for entry in self.entries]
        _need("not in order", names == sorted(set(names)))
        for entry in self.entries:
            _need("attested by who started it", entry.manager != self.started_by)
            _need("decided outside of the review", self.started <= entry.time <= self.closed)
        return self

    def __str__(self) -> str:
        head = (
            f"{self.origin}\nreview {self.review}\nstarted {self.started:%Y-%m-%dT%H:%M:%SZ} {self.started_by}\ndue {self.due:%Y-%m-%dT%H:%M:%SZ}\n"
            f"closed {self.closed:%Y-%m-%dT%H:%M:%SZ} {self.closed_by}\nroster {self.roster}\nprincipals {len(self.entries)}\n")
        return head + "".join(f"{entry}\n" for entry in self.entries)


def statement(principal: str, kind: str, credential_kind: str, credential: str, grants: list) -> str:
    """What a principal holds: its SHA-256 is what a manager attests."""
    lines = [
        f"grant {grant['id']} {grant['keyPattern']} {'-' if grant['expires'] is None else grant['expires']} {grant['permissions']} {grant['contextConstraint']}\n"
        for grant in sorted(grants, key=lambda each: each["id"])
    ]
    return f"keyservice/access/v1\nprincipal {principal}\ntype {kind}\ncredential {credential_kind} {credential}\n" + "".join(lines)
