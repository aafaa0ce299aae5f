"""The facts of the last while, each with its number: a reader that comes late, or is slow, finds them here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from bustedwall.record.stream import Entry
from bustedwall.terms.facts import Fact

ROOM = 10_000
"""Facts that are kept: some seconds of a proxy under load, hours of one that is not."""


class Recent:
    """A reader of the stream that keeps what it read, up to a bound; the oldest make room."""

    def __init__(self, room: int = ROOM) -> None:
        self._kept: deque[Entry] = deque(maxlen=room)
        self.last = 0
        """The number of the newest fact; they count from 1."""
        self._watchers: list[Callable[[Entry], None]] = []

    def watch(self, watcher: Callable[[Entry], None]) -> None:
        """Have somebody be called with each fact from now on; it never raises and never waits."""
        if watcher not in self._watchers:
            self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[Entry], None]) -> None:
        """Have it be called no more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    @property
    def first(self) -> int:
        """Return the number of the oldest that is kept; one more than `last` if there is none."""
        return self.last - len(self._kept) + 1

    def since(self, number: int, most: int) -> Iterator[tuple[int, Entry]]:
        """Yield facts in their order with their numbers, beginning behind this one, so many at most."""
        skipped = max(0, number - self.first + 1)
        return enumerate(islice(self._kept, skipped, skipped + most), self.first + skipped)

    # ---- Reader

    def wants(self, kind: type[Fact]) -> bool:
        """Want all."""
        return True

    def take(self, entry: Entry) -> None:
        """Keep an entry."""
        self._kept.append(entry)
        self.last += 1
        for watcher in tuple(self._watchers):
            watcher(entry)
