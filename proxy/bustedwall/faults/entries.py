"""The entries of a table that all flows of a proxy share: one for each, and for a while after its end."""

from __future__ import annotations

from collections import deque


class Entries:
    """Counts them; ends are told in the order in which they happen."""

    __slots__ = ("_goes", "_linger", "_open", "_size")

    def __init__(self, size: int, linger: float) -> None:
        """`size`: how many there can be. `linger`: for how many seconds one stays when its flow has ended."""
        self._size = size
        self._linger = linger
        self._open = 0
        self._goes: deque[float] = deque()
        """When the entries go whose flows have ended."""

    def begin(self, open_flows: int) -> None:
        """Begin with the flows that there are."""
        self._open = open_flows
        self._goes.clear()

    def come(self) -> None:
        """Count a flow that begins."""
        self._open += 1

    def leave(self, now: float) -> None:
        """Count the end of a flow."""
        self._open -= 1
        assert self._open >= 0, "a flow ended twice"
        if self._linger:
            self._goes.append(now + self._linger)

    def full(self, now: float) -> bool:
        """Tell whether there is no room for another flow."""
        while self._goes and self._goes[0] <= now:
            self._goes.popleft()
        return self._open + len(self._goes) >= self._size

    def due(self) -> float | None:
        """Return when an entry goes next, or None."""
        return self._goes[0] if self._goes else None
