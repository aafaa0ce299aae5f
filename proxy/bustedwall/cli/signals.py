"""Signals of the operating system, told to the reactor."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from twisted.internet.interfaces import IReactorFromThreads

_ENDS = (signal.SIGTERM, signal.SIGINT)

_PATIENCE = 2
"""How many signals to end are told; who sends one more has seen that the reactor does not turn."""


class Signals:
    """Has signals call functions, in the reactor's thread; those that come before it runs are kept for it.

    Twisted's own are not used: they are set when the reactor runs, and the first process of a
    container does not even hear a signal that nobody has asked for.
    """

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._asked = 0
        if os.getpid() == 1:
            # Orphans of the container become our children; ignored, the kernel buries them itself.
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def on(self, number: signal.Signals, act: Callable[[], object]) -> None:
        """Call `act` at each of these signals."""
        signal.signal(number, lambda *_: self._reactor.callFromThread(act))

    def on_end(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        """Call `first` when the process is asked to end, and `second` when it is asked again; then leave at once."""
        acts = (first, second)

        def end(number: int, _: object) -> None:
            asked, self._asked = self._asked, self._asked + 1  # first: the next one may come while this one is told
            if asked >= _PATIENCE:
                os._exit(128 + number)  # as a shell tells a death by signal; the reactor hangs, so no way but this
            self._reactor.callFromThread(acts[asked])

        for number in _ENDS:
            signal.signal(number, end)

    def leave(self) -> None:
        """Ignore who asks once more: it has ended, and an exit status of 0 shall not become a death by signal."""
        for number in _ENDS:
            signal.signal(number, signal.SIG_IGN)
