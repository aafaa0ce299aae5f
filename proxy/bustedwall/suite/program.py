"""One program of a suite: started in a group of processes of its own, read, and ended with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from select import POLLIN, poll

from bustedwall.suite.remains import Remains

GRACE = 5.0
"""Seconds that a program may take from the signal that asks it to end; then it is killed."""

_PIECE = 1 << 16

_REST = 1 << 20
"""Bytes that a pipe may hold: what is left in it of a program that has ended. One that left its group may write on."""

Heard = Callable[[bytes], object]
"""Hears what a program writes, a piece at a time: all of it may be more than there is memory."""


class CannotStartError(Exception):
    """A program cannot be started."""


class Program:
    """A program that runs; stdout and stderr are one stream, stdin is empty."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], folder: Path, remains: Remains) -> None:
        """`folder` is where it runs; raises CannotStartError."""
        self._remains = remains
        try:
            self._child = subprocess.Popen(  # noqa: S603 (the user's own words are what it is for)
                list(words),
                env={**os.environ, **env, **remains.env},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise CannotStartError(f"cannot start {words[0]}: {why}") from error
        remains.group(self._child.pid)
        assert self._child.stdout is not None
        self._out = self._child.stdout.fileno()
        os.set_blocking(self._out, False)
        self._poll = poll()
        self._poll.register(self._out, POLLIN)
        self._open = True

    @property
    def exit(self) -> int | None:
        """Its exit status, negative for a signal; None: it runs."""
        return self._child.poll()

    def read(self, wait: float) -> bytes:
        """Return what it has written since, after so many seconds at most; b"": nothing, or nothing more."""
        if not self._open:
            time.sleep(wait)  # it has closed its output, and may run on
            return b""
        if not self._poll.poll(wait * 1000):
            return b""
        try:
            data = os.read(self._out, _PIECE)
        except BlockingIOError:
            return b""
        if not data:
            self._poll.unregister(self._out)
            self._open = False
        return data

    def stop(self, heard: Heard, number: signal.Signals = signal.SIGTERM, grace: float = GRACE) -> None:
        """End it, and all of its group; tell what it has written until then."""
        over = time.monotonic() + grace
        self._signal(number)
        while self.exit is None and time.monotonic() < over:
            heard(self.read(0.02))
        self._signal(signal.SIGKILL)
        self._child.wait()
        self.rest(heard)

    def rest(self, heard: Heard) -> None:
        """Tell what it has written, once it has ended; those that it has started are ended."""
        self._signal(signal.SIGKILL)
        left = _REST
        while left > 0 and (piece := self.read(0.0)):
            heard(piece)
            left -= len(piece)
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._remains.group_over(self._child.pid)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended; so has its group
            os.killpg(self._child.pid, number)
