"""Looks for a text in one direction, across chunk borders, and says at which offset its moment is."""

from __future__ import annotations

import re

from bustedwall.flow.search import find
from bustedwall.policy.rules import AtText

TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS connection begins: a handshake record of version 3.x (RFC 8446 §5.1)."""


class TextWatch:
    """One text, or pattern, that somebody waits for.

    It is shown each byte of its direction once, in order, however they are cut; what was shown
    before and can be the beginning of a match is kept: one byte less than the text, or `within`.
    """

    __slots__ = ("_kept", "_pattern", "_reach", "_seen", "_text", "deliver")

    def __init__(self, moment: AtText, passed: int) -> None:
        self.deliver = moment.deliver
        self._text = moment.text
        self._pattern = None if moment.pattern is None else re.compile(moment.pattern.encode())
        self._reach = moment.within if self._pattern else len(moment.text) - 1
        self._kept = b""
        self._seen = passed
        """The offset up to which it has looked."""

    def look(self, offset: int, data: bytes) -> int | None:
        """Look at bytes that begin at an offset; return the offset of the moment, or None.

        After a match it goes on behind it: it is shown the same bytes again for the next one. An
        offset below `offset` has passed already.
        """
        fresh = data[self._seen - offset :] if self._seen > offset else data
        if not fresh:
            return None
        begin, end = self._pattern_in(fresh) if self._pattern else self._text_in(fresh)
        if end < 0:
            self._seen += len(fresh)
            self._kept = (self._kept + fresh[-self._reach :])[-self._reach :] if self._reach else b""
            return None
        kept, self._kept = len(self._kept), b""
        start = self._seen - kept
        self._seen = start + end
        return start + (end if self.deliver else begin)

    def _text_in(self, fresh: bytes) -> tuple[int, int]:
        """Return where in the kept and the fresh bytes a match begins and ends; negative: nowhere."""
        kept, size = self._kept, len(self._text)
        at = (kept + fresh[: size - 1]).find(self._text) if kept else -1
        if at < 0:
            at = find(fresh, self._text)
            if at < 0:
                return -1, -1
            at += len(kept)
        return at, at + size

    def _pattern_in(self, fresh: bytes) -> tuple[int, int]:
        assert self._pattern is not None
        found = self._pattern.search(self._kept + fresh)
        # A match of nothing at all is no moment: it would come again and again at the same place.
        return (found.start(), found.end()) if found and found.end() > found.start() else (-1, -1)
