"""What the stages that hold bytes have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from bustedwall.faults.fault import NO_LIMIT, Stage
from bustedwall.terms.items import Bytes, Item

ITEM = 256
"""What one held item costs beside its bytes, so that many small ones are bounded too."""


class Holding(Stage):
    """Holds all that it is fed, in order, until it is drained."""

    __slots__ = ("limit", "load", "queue")

    def __init__(self, limit: int = NO_LIMIT) -> None:
        self.limit = limit
        """Bytes after which the source is not read any more; that of a flow holds in any case."""
        self.queue: deque[Item] = deque()
        self.load = 0

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Keep the item."""
        self.put(item)
        return ()

    def put(self, item: Item) -> None:
        """Put an item at the end."""
        self.queue.append(item)
        self.load += weight(item)

    def take(self) -> Item:
        """Take the first item out."""
        item = self.queue.popleft()
        self.load -= weight(item)
        return item

    def drain(self) -> Iterable[Item]:
        """Return everything, in order."""
        out: list[Item] = []
        while self.queue:
            out.append(self.take())
        return out

    def held(self) -> int:
        """Return how many bytes are in it."""
        return sum(len(item.data) for item in self.queue if isinstance(item, Bytes))

    def weight(self) -> int:
        """Return what its items cost."""
        return self.load

    def room(self) -> int:
        """Return what is left of the limit."""
        return self.limit - self.load


def weight(item: Item) -> int:
    """Return what an item costs while it is held."""
    return ITEM + (len(item.data) if isinstance(item, Bytes) else 0)
