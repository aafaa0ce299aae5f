"""What a program writes, as lines with their times, within bounds."""

from __future__ import annotations

import codecs
from collections import deque

from bustedwall.suite.result import Line

HALF = 400
"""Lines that are kept of the beginning, and as many of the end."""

WIDTH = 2_000
"""Characters that are kept of a line."""


class Lines:
    """The output of one program."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._part = ""
        self._part_at = 0.0
        self._first: list[Line] = []
        self._last: deque[Line] = deque(maxlen=HALF)
        self._count = 0

    def add(self, at: float, data: bytes) -> str:
        """Take what has come at a time; return it as text."""
        new = self._decoder.decode(data)
        if not self._part:
            self._part_at = at
        *whole, self._part = (self._part + new).split("\n")
        for text in whole:
            self._keep(Line(round(self._part_at, 3), _cut(text)))
            self._part_at = at
        self._part = self._part[:WIDTH]
        return new

    @property
    def kept(self) -> tuple[Line, ...]:
        """The lines that are kept; the last one may have no end."""
        rest = (Line(round(self._part_at, 3), _cut(self._part)),) if self._part else ()
        return (*self._first, *self._last, *rest)

    @property
    def left_out(self) -> int:
        """How many there were between the first that are kept and the last."""
        return self._count - len(self._first) - len(self._last)

    def _keep(self, line: Line) -> None:
        self._count += 1
        if len(self._first) < HALF:
            self._first.append(line)
        else:
            self._last.append(line)


def _cut(text: str) -> str:
    text = text.removesuffix("\r")
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
