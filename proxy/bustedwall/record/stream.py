"""The stream of facts: each is stamped once and given to every reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bustedwall.terms.facts import Fact


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact, with when and where it was observed."""

    at: datetime
    proxy: str | None
    """The proxy's name; None for the whole run."""
    flow: int | None
    """The flow's number within its proxy; None for the proxy itself."""
    fact: Fact


class Reader(Protocol):
    """Who is told of facts."""

    def take(self, entry: Entry) -> None:
        """Take an entry; never raises, never waits long: this is the data plane's thread."""


class Stream:
    """Stamps facts with the wall clock and hands them on."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = tuple(readers)
        self.counts: Counter[str] = Counter()
        """How often each fact was recorded, by its name."""

    def record(self, proxy: str | None, flow: int | None, fact: Fact) -> None:
        """Hand a fact to every reader."""
        self.counts[fact.name] += 1
        entry = Entry(datetime.now(UTC), proxy, flow, fact)
        for reader in self._readers:
            reader.take(entry)
