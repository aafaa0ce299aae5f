"""Names to addresses, by the C library, which waits as long as it likes.

Twisted's own resolver shares ten threads among all names, waits for them when the process ends, and
never answers where getaddrinfo fails otherwise than by its own errors. Here a name that hangs keeps
one thread, and nobody waits for it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads

Target = tuple[int, tuple[Any, ...], str]
"""Address family, what connect(2) takes, and how to show it."""

Tell = Callable[[Sequence[Target], str], None]
"""Is told the addresses, and where there is none, why."""

_MOST = 64
"""Questions without an answer; the next ones are not asked. Each takes a thread."""


class Names:
    """The names of one reactor."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._open = 0

    def ask(self, host: str, port: int, tell: Tell) -> None:
        """Ask for a name's addresses, in the order in which they are to be tried; `tell` is called once, or never."""
        if self._open >= _MOST:
            tell((), f"{self._open} names wait for the resolver already")
            return
        # A daemon, so that a question without an answer does not keep the process from ending.
        thread = Thread(target=self._look_up, args=(host, port, tell), name=f"name {host}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            tell((), str(error))  # "can't start new thread"
        else:
            self._open += 1

    def _look_up(self, host: str, port: int, tell: Tell) -> None:
        found: list[Target] = []
        why = "host name not found"
        try:
            for family, _, _, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                if family in (socket.AF_INET, socket.AF_INET6):
                    found.append((int(family), where, shown(where)))
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
        self._reactor.callFromThread(partial(self._tell, tell, found, why))

    def _tell(self, tell: Tell, found: Sequence[Target], why: str) -> None:
        self._open -= 1
        tell(found, why)


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
