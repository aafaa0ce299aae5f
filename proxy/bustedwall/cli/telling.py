"""The state of a run, on demand: one JSON document, to a file or to stdout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

from bustedwall.record.files import write_whole
from bustedwall.relay.poller import Reactor
from bustedwall.relay.state import document
from bustedwall.relay.wall import Wall
from bustedwall.terms.facts import StateTold

_SLICE = 0.001
"""Seconds for which the flows may wait while the state is gathered, again and again."""

_STDOUT = 1


class Telling:
    """Gathers the state bit by bit and writes it in a thread: no flow waits for a slow disk or for a full pipe."""

    def __init__(
        self,
        reactor: Reactor,
        wall: Wall,
        path: Path | None,
        head: Callable[[], dict[str, Any]],
        record: Callable[[StateTold], None],
    ) -> None:
        self._reactor = reactor
        self._wall = wall
        self._path = path
        self._head = head
        self._record = record
        self._busy = False
        self._pieces: list[str] = []

    def begin(self) -> None:
        """Tell the state, unless the last one is still being told."""
        if self._busy:
            self._record(StateTold(self._where, 0, "the last one is still being written"))
            return
        self._busy = True
        self._gather(document(self._wall, self._head()))

    @property
    def _where(self) -> str:
        return "stdout" if self._path is None else str(self._path)

    def _gather(self, pieces: Iterator[str]) -> None:
        until = self._reactor.seconds() + _SLICE
        for piece in pieces:
            self._pieces.append(piece)
            if self._reactor.seconds() > until:
                self._reactor.callLater(0, self._gather, pieces)
                return
        data = "".join(self._pieces).encode()
        self._pieces.clear()
        # One that nobody waits for: a pipe that is never read must not keep the process from ending.
        try:
            Thread(target=self._write, args=(data,), daemon=True).start()
        except RuntimeError as error:  # no thread is to be had
            self._written(0, str(error))

    def _write(self, data: bytes) -> None:
        error = None
        try:
            if self._path is None:
                _write_all(_STDOUT, data)
            else:
                write_whole(self._path, data)
        except OSError as refusal:
            error = refusal.strerror or str(refusal)
        self._reactor.callFromThread(self._written, len(data), error)

    def _written(self, size: int, error: str | None) -> None:
        self._busy = False
        self._record(StateTold(self._where, 0 if error else size, error))


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
