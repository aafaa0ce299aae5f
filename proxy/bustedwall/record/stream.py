"""The stream of facts: each is stamped once and given to every reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from bustedwall.terms.facts import Fact


class Entry(NamedTuple):
    """A fact, with when and where it was observed; a tuple, because one is made five times per connection."""

    at: datetime
    proxy: str | None
    """The proxy's name; None for the whole run."""
    flow: int | None
    """The flow's number within its proxy; None for the proxy itself."""
    fact: Fact


class Reader(Protocol):
    """Who is told of facts."""

    def wants(self, kind: type[Fact]) -> bool:
        """Tell whether facts of a kind mean anything to this reader; the answer is always the same."""

    def take(self, entry: Entry) -> None:
        """Take an entry; never raises, never waits long: this is the data plane's thread."""


class Stream:
    """Stamps facts with the wall clock and hands them on."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._readers = tuple(readers)
        self._takers: dict[type[Fact], tuple[Callable[[Entry], None], ...]] = {}
        """By kind, who wants it."""
        self.counts: Counter[str] = Counter()
        """How often each fact was recorded, by its name."""

    def record(self, proxy: str | None, flow: int | None, fact: Fact) -> None:
        """Hand a fact to every reader that wants it."""
        kind = type(fact)
        self.counts[fact.name] += 1
        takers = self._takers.get(kind)
        if takers is None:
            takers = self._takers[kind] = tuple(reader.take for reader in self._readers if reader.wants(kind))
        if takers:
            entry = Entry(datetime.now(UTC), proxy, flow, fact)
            for take in takers:
                take(entry)
