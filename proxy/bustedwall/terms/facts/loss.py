"""Facts of segments that the kernel loses."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.leg import Leg
from bustedwall.terms.verdict import Verdict


@dataclass(frozen=True, slots=True)
class LossSet(Fact):
    """The kernel loses these segments of a leg from now on."""

    name = "loss-set"
    leg: Leg
    """The leg whose segments are lost."""
    losses: tuple[str, ...]
    """What is lost: `all from` is all that its peer sends; empty: nothing any more."""
    error: str | None = None
    """The errno's name where the kernel refused; then nothing is lost."""
    causes: tuple[str, ...] = ()
    """The steps that ask for it, as `RULE: FAULT`."""


@dataclass(frozen=True, slots=True)
class SegmentsRejected(Fact):
    """Segments of a leg were to be answered by a bare RST; told when that has ended."""

    name = "segments-rejected"
    leg: Leg
    """The leg whose segments were rejected."""
    answered: int
    """How many segments were answered; 0: nothing arrived that could be."""
    refused: int
    """How many were not, because our kernel did not take the RST."""


@dataclass(frozen=True, slots=True)
class WriteLost(Fact):
    """The first transmission of one write was lost; TCP repairs it."""

    name = "write-lost"
    leg: Leg
    """The leg that the write was for."""
    size: int
    """Bytes of the write that are lost."""
    not_lost: int
    """Bytes of it that could not leave at once, and were not lost."""


@dataclass(frozen=True, slots=True)
class LossEvidence(Fact):
    """What the kernel counted while segments of a leg were to be lost; told when that has ended."""

    name = "loss-evidence"
    leg: Leg
    """The leg whose segments were to be lost."""
    losses: tuple[str, ...]
    """What was to be lost, as in `loss-set`."""
    causes: tuple[str, ...]
    """The steps that asked for it, as `RULE: FAULT`."""
    verdict: Verdict
    """Whether the counters prove a loss."""
    seconds: float
    """Seconds for which it was in force."""
    thrown_away: int
    """Segments that arrived and were discarded."""
    arrived: int
    """Segments that arrived and reached TCP."""
    sent: int
    """Segments that left, bare ACKs too."""
    first_sent: int
    """Bytes that left for the first time."""
    acknowledged: int
    """Bytes of these that were acknowledged as they were."""
    sent_again: int
    """Segments that had to be sent again, then or soon after."""
    peer_sent_again: int | None = None
    """Segments that the peer's kernel sent again meanwhile, as it counts itself; null where it is not ours to ask."""
    peer_unacknowledged: int | None = None
    """Segments of the peer's that waited for an ACK at the end, as its kernel counts; null as above."""
    later: float = 0.0
    """Seconds since it had ended: what was not acknowledged yet is looked at once more before this is told."""
