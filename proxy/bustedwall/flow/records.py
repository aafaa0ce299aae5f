"""Looks for TLS records in one direction, by their headers alone, which are never encrypted.

RFC 8446 §5.1: a byte that says what it is, two of a version, 3.x, and two of how long the rest is. So the border of
each record is known from the borders before it, and it takes the first byte of the connection, or another border,
to begin with.
"""

from __future__ import annotations

from collections.abc import Iterator

from bustedwall.policy.rules import AtRecord, RecordKind
from bustedwall.terms.facts import Fact, RuleMissed
from bustedwall.terms.leg import Leg

_HEADER = 5
_KINDS = {
    20: RecordKind.CHANGE,
    21: RecordKind.ALERT,
    22: RecordKind.HANDSHAKE,
    23: RecordKind.APPLICATION,
}
_MAJOR = 3
_LONGEST = (1 << 14) + 2048
"""Bytes behind the header: RFC 5246 §6.2.3; TLS 1.3 has a lower limit."""

Record = tuple[int, int, RecordKind]
"""The offsets at which it begins and ends, and what it is."""


class RecordWatch:
    """One record that somebody waits for; a Watch."""

    __slots__ = ("_after", "_at", "_begin", "_count", "_current", "_head", "_kind", "_lost", "_nth", "_part", "_told")

    def __init__(self, moment: AtRecord) -> None:
        """Take the first byte that is shown for the beginning of a record."""
        self._kind, self._nth, self._part = moment.kind, moment.nth, moment.part
        self._at: int | None = None
        """How much has passed; None: it was shown nothing yet."""
        self._begin = 0
        """Where the header begins that is read next."""
        self._head = b""
        """What of it has passed; less than a whole one."""
        self._current: Record | None = None
        """The last record whose header has passed."""
        self._count = 0
        """How many records of the kind there were by then."""
        self._after = 0
        """The next moment is in a record that begins here or later."""
        self._lost = self._told = False
        """What has passed was no TLS; and that was told."""

    def look(self, passed: int, data: bytes) -> tuple[int, int] | None:
        """Return the offset of the first moment in bytes that are about to pass, and where its record ends."""
        self._start(passed)
        count = self._count
        if self._current is not None and (found := self._moment(self._current, count, passed, data)):
            return found
        for record in self._headers(data):
            if record is not None and record[2] is self._kind:
                count += 1
                if found := self._moment(record, count, passed, data):
                    return found
        return None

    def skip(self, end: int) -> None:
        """Have the next moment be in a later record."""
        self._after = end

    def shift(self, passed: int, taken: int) -> None:
        """Note that so many of the bytes that are about to pass were taken out; fewer than 0: put in."""
        self._start(passed)
        if self._begin > passed:
            self._begin = max(passed, self._begin - taken)
        if self._after > passed:
            self._after = max(passed, self._after - taken)
        if self._current is not None and self._current[1] > passed:
            begin, end, kind = self._current
            self._current = begin, max(passed, end - taken), kind

    def keep(self, data: bytes) -> None:
        """Take in bytes that have passed; some of them were shown, or put in, before."""
        assert self._at is not None
        for record in self._headers(data):
            if record is None:
                self._lost = True
                break
            self._current, self._begin = record, record[1]
            self._count += record[2] is self._kind
        text = self._head + data
        self._at += len(data)
        self._head = b"" if self._lost or self._begin >= self._at else text[self._begin - self._at :]

    def blind(self, passed: int, data: bytes) -> bool:
        """Tell, once, that the bytes are no TLS, or not from the beginning of a record."""
        self._start(passed)
        if not self._told:
            self._told = self._lost or None in self._headers(data)
            return self._told
        return False

    def why(self, rule: str, leg: Leg) -> Fact:
        """Return what to say of that."""
        return RuleMissed(rule, f"what the {leg.value} says is no TLS, or does not begin with a record")

    def _start(self, passed: int) -> None:
        if self._at is None:
            self._at = self._begin = passed

    def _moment(self, record: Record, count: int, passed: int, data: bytes) -> tuple[int, int] | None:
        """Return the offset at which this record's moment is, and its end, if that is among these bytes."""
        begin, end, kind = record
        if kind is not self._kind or count < self._nth or begin < self._after:
            return None
        edge = end if self._part is None else min(end, begin + self._part)
        return (max(edge, passed), end) if passed <= max(edge, passed) <= passed + len(data) else None

    def _headers(self, data: bytes) -> Iterator[Record | None]:
        """Yield a record for each whole header that ends in the data; None, and nothing after it, for what is none."""
        assert self._at is not None
        begin = self._begin
        text, base = self._head + data, self._at - len(self._head)
        while not self._lost and begin - base + _HEADER <= len(text):
            kind, major, _, high, low = text[begin - base : begin - base + _HEADER]
            length = high << 8 | low
            if kind not in _KINDS or major != _MAJOR or length > _LONGEST:
                yield None
                return
            yield begin, begin + _HEADER + length, _KINDS[kind]
            begin += _HEADER + length
