"""Facts of the journal itself."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.trouble import Trouble


@dataclass(frozen=True, slots=True)
class JournalTroubled(Fact):
    """The journal is not written as it should be; told once until it is, and never in the journal itself."""

    name = "journal-troubled"
    trouble: Trouble
    """What is wrong."""
    error: str | None
    """The errno's name; null where it is only slow."""


@dataclass(frozen=True, slots=True)
class FactsDropped(Fact):
    """Facts found no room to wait for the journal; it says so in their place."""

    name = "facts-dropped"
    count: int
    """How many are missing here."""
