"""Facts of the process: what signals and commands made it do."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact


@dataclass(frozen=True, slots=True)
class DrainBegan(Fact):
    """A proxy's door was shut for good while flows were open; they go on, for a while."""

    name = "drain-began"
    flows: int
    """How many were open."""
    seconds: float
    """After so many seconds those that are left are ended."""


@dataclass(frozen=True, slots=True)
class DrainEnded(Fact):
    """A proxy whose door was shut for good has no flow any more."""

    name = "drain-ended"
    drained: int
    """Flows that ended by themselves, or by their rules."""
    ended: int
    """Flows that we ended, by a RST on both legs."""
