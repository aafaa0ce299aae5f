"""Names to addresses, by the C library, which waits as long as it likes.

Twisted's own resolver shares ten threads among all names, waits for them when the process ends, and
never answers where getaddrinfo fails otherwise than by its own errors. Here a name that hangs keeps
one thread, and nobody waits for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads

Target = tuple[int, tuple[Any, ...], str]
"""Address family, what connect(2) takes, and how to show it."""

Tell = Callable[[Sequence[Target], str], None]
"""Is told the addresses, and where there is none, why."""

_MOST = 64
"""Questions without an answer; the next ones are not asked. Each has a thread."""

_IDLE = 5.0
"""Seconds after which a thread without a question ends; to start one anew takes 80 us (measured)."""


class Names:
    """The names of one reactor."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._questions: SimpleQueue[tuple[str, int, Tell]] = SimpleQueue()
        self._lock = Lock()
        self._open = 0
        self._threads = 0
        """Those that there are; never fewer than open questions, so that none waits for another."""

    def ask(self, host: str, port: int, tell: Tell) -> None:
        """Ask for a name's addresses, in the order in which they are to be tried; `tell` is called once, or never."""
        with self._lock:
            why = self._take_on()
            if not why:
                self._questions.put((host, port, tell))
        if why:
            tell((), why)

    def _take_on(self) -> str:
        """Have a thread for one question more; else return why there is none."""
        if self._open >= _MOST:
            return f"{self._open} names wait for the resolver already"
        if self._open == self._threads:
            try:
                # A daemon, so that a question without an answer does not keep the process from ending.
                Thread(target=self._work, name="names", daemon=True).start()
            except RuntimeError as error:  # no thread is to be had
                return str(error)
            self._threads += 1
        self._open += 1
        return ""

    def _work(self) -> None:
        while True:
            try:
                host, port, tell = self._questions.get(timeout=_IDLE)
            except Empty:
                with self._lock:
                    if not self._questions.empty():
                        continue
                    self._threads -= 1
                    return
            answer = _look_up(host, port)
            with self._lock:
                self._open -= 1
            self._reactor.callFromThread(tell, *answer)


def _look_up(host: str, port: int) -> tuple[Sequence[Target], str]:
    found: list[Target] = []
    try:
        for family, _, _, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            if family in (socket.AF_INET, socket.AF_INET6):
                found.append((int(family), where, shown(where)))
    except (OSError, UnicodeError) as error:
        return (), getattr(error, "strerror", None) or str(error)
    return found, "host name not found"


def literal(host: str, port: int) -> Target | None:
    """Return an address that is written as one; None for a name, or for an interface behind a % that is not there."""
    try:
        family, _, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )[0]
    except (socket.gaierror, UnicodeError):
        return None
    return int(family), where, shown(where)


def shown(where: tuple[Any, ...]) -> str:
    """Return an address of a socket as users write it."""
    host, port = where[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
