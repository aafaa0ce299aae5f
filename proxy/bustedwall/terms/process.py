"""Facts of the process and of its proxies: what signals and commands made them do."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts import Fact


@dataclass(frozen=True, slots=True)
class DrainBegan(Fact):
    """A proxy's door was shut for good while flows were open; they go on, for a while."""

    name = "drain-began"
    flows: int
    seconds: float
    """After which those that are left are ended."""


@dataclass(frozen=True, slots=True)
class DrainEnded(Fact):
    """A proxy that was shut has no flow any more."""

    name = "drain-ended"
    drained: int
    """Flows that ended by themselves, or by their rules."""
    ended: int
    """Flows that we ended, by a RST on both legs."""
