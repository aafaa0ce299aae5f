"""Lines on their way to a file, by a thread of its own.

A disk that is full, a file server that hangs, a pipe that nobody reads: each of them may stop that
thread, and none of them a flow. What waits for it is bounded; what finds no room is dropped and
counted, and a line says so at the place where others are missing.

The thread gathers for a moment before it writes. So under load it runs, and takes Python's lock,
two hundred times a second and not once per line.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable

from bustedwall.terms.trouble import Trouble

ROOM = 4 << 20
"""Bytes that may wait: some ten thousand lines."""

_GATHER = 0.005
"""Seconds between a line and its writing."""

_RETRY = 0.5
"""Seconds between two attempts at a file that takes nothing."""

_PIECE = 1 << 16
"""Bytes per write, or one line."""

_PATIENCE = 2.0
"""Seconds for which the end of the process waits for what is not written yet."""


class Writer:
    """Writes lines in the order in which they were put, to what `open_file` opens; it raises OSError.

    `gap` returns the line that says how many are missing, `trouble` is told what is wrong and the
    errno's name, once until all is written again. Both may be called in any thread, and must not put.
    """

    def __init__(
        self,
        open_file: Callable[[], int],
        gap: Callable[[int], str],
        trouble: Callable[[Trouble, str | None], None],
        *,
        room: int = ROOM,
    ) -> None:
        self.dropped = 0
        """Lines that will never be in the file."""
        self._open_file = open_file
        self._gap_line = gap
        self._trouble = trouble
        self._room = room
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        """Bytes that are not written yet, of lines and of the piece."""
        self._gap = 0
        """Lines that were dropped since the last one that was taken."""
        self._piece = b""
        """What is being written: whole lines, of which the file has `_sent` bytes."""
        self._sent = 0
        self._wake = threading.Event()
        """There is something to do."""
        self._hurry = threading.Event()
        """There is something that does not wait."""
        self._closing = self._reopening = False
        self._stuck = False
        """The file took nothing when it was tried last."""
        self._told: set[Trouble] = set()
        """What was told since all was written last."""
        self._fd = open_file()
        self._thread = threading.Thread(target=self._run, name="bustedwall-writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written soon, or drop it; never waits. May be called in any thread."""
        data = _bytes(line)
        with self._lock:
            # Once there is a gap, half of the room has to be free: few long gaps are better than many short ones.
            full = self._waiting + len(data) > (self._room >> bool(self._gap))
            if full:
                self._gap += 1
                self.dropped += 1
            else:
                if self._gap:
                    self._tell_gap()
                self._add(data)
        if full and not self._told:
            self._tell(Trouble.SLOW)
        if not self._wake.is_set():
            self._wake.set()

    def reopen(self) -> None:
        """Have the file opened anew, by its name, before anything else is written."""
        self._reopening = True
        self._come()

    def close(self) -> None:
        """Write what is left and end; what cannot be written, or not in time, is counted as dropped."""
        with self._lock:
            if self._gap:
                self._tell_gap()
        self._closing = True
        self._come()
        self._thread.join(_PATIENCE)
        self.dropped += b"".join((self._piece[self._sent :], *self._lines)).count(b"\n")

    def _come(self) -> None:
        self._hurry.set()
        self._wake.set()

    def _tell(self, trouble: Trouble, error: OSError | None = None) -> None:
        if trouble not in self._told:
            self._told.add(trouble)
            self._trouble(trouble, None if error is None else errno.errorcode.get(error.errno or 0, str(error)))

    def _tell_gap(self) -> None:
        count, self._gap = self._gap, 0
        self._add(_bytes(self._gap_line(count)))

    def _add(self, data: bytes) -> None:
        self._lines.append(data)
        self._waiting += len(data)

    # ---- the thread

    def _run(self) -> None:
        closing = False
        while not closing:
            self._wake.wait()
            self._hurry.wait(_RETRY if self._stuck else _GATHER)
            self._wake.clear()
            self._hurry.clear()
            closing = self._closing  # before the lines are looked at, so that the last ones are seen
            if self._reopening:
                self._reopening = False
                self._open_anew()
            while self._next_piece() and self._write_piece():
                pass
            if self._piece:
                self._wake.set()
            else:
                self._told.clear()
        self._close_file()

    def _next_piece(self) -> bool:
        """Take lines together, if nothing is left of the last piece; False: there are none."""
        if not self._piece:
            lines, size = [], 0
            while self._lines and size < _PIECE:
                lines.append(self._lines.popleft())
                size += len(lines[-1])
            self._piece, self._sent = b"".join(lines), 0
        return bool(self._piece)

    def _write_piece(self) -> bool:
        """Write as much as the file takes; False: that was not all."""
        rest = memoryview(self._piece)
        try:
            while self._sent < len(rest):
                self._sent += os.write(self._fd, rest[self._sent :])
        except OSError as error:
            self._stuck = True
            self._tell(Trouble.UNWRITABLE, error)
            return False
        self._stuck = False
        self._free(len(rest))
        self._piece = b""
        return True

    def _open_anew(self) -> None:
        """Go over to what the name stands for now; a line that is torn is written there as a whole."""
        try:
            fd = self._open_file()
        except OSError as error:
            self._told.discard(Trouble.NOT_REOPENED)  # each attempt was asked for, and has an answer
            self._tell(Trouble.NOT_REOPENED, error)
            return
        self._close_file()
        self._fd = fd
        begun = self._piece.rfind(b"\n", 0, self._sent) + 1
        self._free(begun)
        self._piece, self._sent = self._piece[begun:], 0

    def _free(self, count: int) -> None:
        with self._lock:
            self._waiting -= count

    def _close_file(self) -> None:
        try:
            os.close(self._fd)
        except OSError as error:  # a file server may say only now that it has not kept what was written
            self._tell(Trouble.UNWRITABLE, error)


def _bytes(line: str) -> bytes:
    return (line + "\n").encode("utf-8", "backslashreplace")  # a lone surrogate, of a file's name, is one in JSON, too
