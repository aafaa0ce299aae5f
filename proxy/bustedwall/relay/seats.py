"""How many clients may be connected at once; who comes then waits at the door, in the kernel's backlog.

As HAProxy does it: the client is connected by the kernel, what it sends is kept there, and it is
served when a seat is free. Nothing is lost, and nobody is told that there is no server.
"""

from __future__ import annotations

from collections.abc import Callable


class Seats:
    """Those of all proxies, or those of one among them."""

    __slots__ = ("_above", "_waiting", "most", "taken")

    def __init__(self, most: int, above: Seats | None = None) -> None:
        self.most = most
        """How many there are."""
        self.taken = 0
        self._above = above
        self._waiting: list[Callable[[], None]] = []

    def full(self) -> Seats | None:
        """Return these seats or those above if all are taken, or None if there is one for a client."""
        if self.taken >= self.most:
            return self
        return None if self._above is None else self._above.full()

    def take(self) -> None:
        """Seat a client."""
        self.taken += 1
        if self._above is not None:
            self._above.take()

    def give_back(self) -> None:
        """Have a seat free, and tell whoever waits for one."""
        self.taken -= 1
        assert self.taken >= 0, "a seat was given back twice"
        if self._above is not None:
            self._above.give_back()
        self._look_who_waits()

    def resize(self, most: int) -> None:
        """Have more seats, or fewer; nobody is sent away."""
        self.most = most
        self._look_who_waits()

    def wait(self, come: Callable[[], None]) -> None:
        """Have `come` called, once, when there is a seat again."""
        self._waiting.append(come)

    def _look_who_waits(self) -> None:
        if self._waiting and self.taken < self.most:
            waiting, self._waiting = self._waiting, []
            for come in waiting:
                come()
