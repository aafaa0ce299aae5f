"""Looks for something in the bytes of one direction, across chunk borders, and says at which offset its moment is.

A watch is shown what is about to pass and remembers nothing of it, because a fault may still take or change it;
it keeps what it needs of what has passed. So what it finds does not depend on how bytes are cut into chunks.
"""

from __future__ import annotations

import re
from typing import Protocol

from bustedwall.flow.search import find
from bustedwall.policy.rules import AtText
from bustedwall.terms.facts import Fact, TextHidden
from bustedwall.terms.leg import Leg

TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS connection begins: a handshake record of version 3.x (RFC 8446 §5.1)."""


class Watch(Protocol):
    """What somebody waits for, and has to look for."""

    def look(self, passed: int, data: bytes) -> tuple[int, int] | None:
        """Return the offset of the first moment in bytes that are about to pass, and behind what it is; or None."""

    def skip(self, end: int) -> None:
        """Have the next moment come of what begins here or later."""

    def shift(self, passed: int, taken: int) -> None:
        """Note that so many of the bytes that are about to pass were taken out; fewer than 0: put in."""

    def keep(self, data: bytes) -> None:
        """Take in bytes that have passed."""

    def blind(self, passed: int, data: bytes) -> bool:
        """Tell, once, that nothing will be found here."""

    def why(self, rule: str, leg: Leg) -> Fact:
        """Return the fact that says so, of a rule and of who speaks."""


class TextWatch:
    """One text, or pattern; of several matches the one that ends first, as if each byte came alone."""

    __slots__ = ("_after", "_deliver", "_kept", "_pattern", "_reach", "_text", "_told")

    def __init__(self, moment: AtText) -> None:
        self._deliver = moment.deliver
        self._text = moment.text
        self._pattern = None if moment.pattern is None else re.compile(moment.pattern.encode())
        self._reach = moment.within if self._pattern else len(moment.text) - 1
        self._kept = b""
        """The last bytes that passed; of a pattern one more than a match can use, for `^` and `\\b`."""
        self._after = 0
        """The offset behind the last match; the next one begins there or later."""
        self._told = False
        """Whether TLS was told of."""

    def look(self, passed: int, data: bytes) -> tuple[int, int] | None:
        """Return the offset of the first moment in bytes that are about to pass, and of its match's end; or None."""
        base = passed - len(self._kept)
        start = max(0, self._after - base)
        found = self._pattern_in(data, start) if self._pattern else self._text_in(data, start)
        if found is None:
            return None
        end = base + found[1]
        return end if self._deliver else max(base + found[0], passed), end

    def skip(self, end: int) -> None:
        """Have the next match begin behind the end of this one."""
        self._after = end

    def shift(self, passed: int, taken: int) -> None:
        """Note that so many of the bytes that are about to pass were taken out; fewer than 0: put in."""
        if self._after > passed:
            self._after = max(passed, self._after - taken)

    def keep(self, data: bytes) -> None:
        """Take in bytes that have passed."""
        if self._reach:
            self._kept = (self._kept + data[-self._reach :])[-self._reach :]

    def blind(self, passed: int, data: bytes) -> bool:
        """Tell, once, that the bytes begin a TLS connection: no text will be seen in it."""
        if self._told or passed >= len(TLS_HANDSHAKE):
            return False
        begin = self._kept if self._reach else b""
        self._told = len(begin) == passed and (begin + data).startswith(TLS_HANDSHAKE)
        return self._told

    def why(self, rule: str, leg: Leg) -> Fact:
        """Return that TLS hides what this side says."""
        return TextHidden(rule, leg)

    def _text_in(self, data: bytes, start: int) -> tuple[int, int] | None:
        kept, size = self._kept, len(self._text)
        at = (kept + data[: size - 1]).find(self._text, start) if kept else -1
        if at < 0:
            at = find(data, self._text, max(0, start - len(kept)))
            if at < 0:
                return None
            at += len(kept)
        return at, at + size

    def _pattern_in(self, data: bytes, start: int) -> tuple[int, int] | None:
        assert self._pattern is not None
        search, within = self._pattern.search, self._reach
        window = self._kept + data
        start = max(start, int(len(self._kept) == within))
        while (match := search(window, start)) is not None:
            if match.end() == match.start():
                start = match.end() + 1  # a match of nothing at all is no moment
                continue
            # With fewer bytes there is a match or there is none; where that changes, the first one ends.
            least, end = match.start() + 1, match.end()
            while least < end:
                middle = (least + end) // 2
                shorter = search(window, start, middle)
                if shorter is not None and shorter.end() > shorter.start():
                    end = shorter.end()
                else:
                    least = middle + 1
            match = search(window, start, end)
            assert match is not None
            if end - match.start() <= within:
                return match.start(), end
            start = end - within  # what begins earlier spans too much
        return None
