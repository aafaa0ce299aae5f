"""Two threads for what is much.

To move a mebibyte takes the kernel a tenth of a millisecond or more, without Python's lock. So where
several directions have much to move, a second thread takes some of it, and the two share what there
is: with one thread, 8 streams waited for it while a processor had time left.

Nothing else runs meanwhile: the poller hands out the runs of a batch, does its part of them, and goes
on when the last one is over. So a run meets no closing, no logic and no other run of its direction.
It only calls the kernel; what comes of it is dealt with afterwards, by the poller's thread.
"""

from __future__ import annotations

import contextlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from queue import Empty, SimpleQueue


class Run(ABC):
    """A bounded piece of work for the kernel."""

    __slots__ = ("bug",)

    def __init__(self) -> None:
        self.bug: Exception | None = None
        """What `do` has raised: a bug of ours, to be raised again where it ends its flow alone."""

    @abstractmethod
    def do(self) -> None:
        """Call the kernel, perhaps on the second thread; touch nothing that others touch."""

    @abstractmethod
    def account(self) -> None:
        """Take over what was done; nothing else may happen in this call."""

    @abstractmethod
    def follow(self) -> None:
        """Go on from there; what the run was for may have ended meanwhile."""

    @abstractmethod
    def on_failure(self) -> None:
        """Give up after an exception, which has been logged."""


class Crew:
    """The caller's thread, and one that waits for work once it has been needed."""

    def __init__(self) -> None:
        self._alone = len(os.sched_getaffinity(0)) == 1
        """A second thread needs a second processor."""
        self._work: SimpleQueue[Run | None] = SimpleQueue()
        self._done: SimpleQueue[Run] = SimpleQueue()
        self._second: threading.Thread | None = None

    def do(self, runs: Sequence[Run]) -> None:
        """Do all runs; return when the last one is over."""
        if len(runs) == 1 or self._alone:
            for run in runs:
                _do(run)
            return
        if self._second is None:
            self._second = threading.Thread(target=self._work_on, name="bustedwall-crew", daemon=True)
            self._second.start()
        for run in runs[1:]:
            self._work.put(run)
        _do(runs[0])
        theirs = len(runs) - 1
        with contextlib.suppress(Empty):
            while (next_run := self._work.get_nowait()) is not None:
                _do(next_run)
                theirs -= 1
        for _ in range(theirs):
            self._done.get()

    def close(self) -> None:
        """End the second thread."""
        if self._second is not None:
            self._work.put(None)
            self._second.join()
            self._second = None

    def _work_on(self) -> None:
        while (run := self._work.get()) is not None:
            _do(run)
            self._done.put(run)


def _do(run: Run) -> None:
    try:
        run.do()
    except Exception as bug:  # noqa: BLE001 (on the second thread nobody would hear of it)
        run.bug = bug
