"""Which clients a rule has struck, and when: what `match: {after: …}` asks."""

from __future__ import annotations

MOST = 1 << 16
"""Clients that are remembered of one rule; some 150 bytes each."""


class Struck:
    """The clients of one rule, each with when it was struck first and last without a longer pause."""

    __slots__ = ("_clients", "longest")

    def __init__(self, longest: float) -> None:
        self.longest = longest
        """Seconds for which somebody asks."""
        self._clients: dict[str, tuple[float, float]] = {}
        """By address, those that were struck last at the end."""

    def note(self, client: str, now: float) -> str | None:
        """Remember that a client is struck now; return one that has to be forgotten for it before its time."""
        first, last = self._clients.pop(client, (now, now))
        self._clients[client] = (first if now <= last + self.longest else now, now)
        if len(self._clients) <= MOST:
            return None
        oldest = next(iter(self._clients))
        _, last = self._clients.pop(oldest)
        return oldest if now <= last + self.longest else None

    def before(self, client: str, began: float, within: float) -> bool:
        """Tell whether a client was struck before it came, and not too long before."""
        first, last = self._clients.get(client, (began + 1, 0.0))
        return first <= began <= last + within
