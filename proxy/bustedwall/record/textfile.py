"""Metrics in a file, for node_exporter's textfile collector and for who looks with `cat`."""

from __future__ import annotations

import threading
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from bustedwall.record.files import write_whole

EVERY = 10.0
"""Seconds between two writings."""

_PATIENCE = 2.0
"""Seconds for which the end of the process waits for a writing."""

log = Logger()


class TextFile:
    """Replaces a file again and again, so that no reader ever sees half of it. Raises OSError if it cannot at first.

    A thread does it, a new one each time: a disk that hangs holds up nobody, and what fails is told
    once until it can be done again.
    """

    def __init__(self, reactor: IReactorTime, path: Path, registry: CollectorRegistry) -> None:
        self._reactor = reactor
        self._path = path
        self._registry = registry
        self._failing = False
        self._thread: threading.Thread | None = None
        write_whole(path, generate_latest(registry))
        self._call: IDelayedCall = reactor.callLater(EVERY, self._again)

    def close(self) -> None:
        """Write once more, and no more."""
        self._call.cancel()
        self._join()
        self._begin()
        self._join()

    def _again(self) -> None:
        self._begin()
        self._call = self._reactor.callLater(EVERY, self._again)

    def _begin(self) -> None:
        """Write in a thread, unless one is at it yet."""
        if self._thread is None or not self._thread.is_alive():
            content = generate_latest(self._registry)
            self._thread = threading.Thread(target=self._try, args=(content,), name="bustedwall-metrics", daemon=True)
            self._thread.start()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _try(self, content: bytes) -> None:
        try:
            write_whole(self._path, content)
        except OSError as error:
            if not self._failing:
                log.warn("the metrics cannot be written to {path}: {error}", path=str(self._path), error=error.strerror)
            self._failing = True
        else:
            self._failing = False
