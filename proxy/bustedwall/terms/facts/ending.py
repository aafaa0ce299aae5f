"""Facts of legs that we ended."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.endings import How
from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.leg import Leg
from bustedwall.terms.verdict import Verdict


@dataclass(frozen=True, slots=True)
class ResetSent(Fact):
    """We ended a leg with a RST."""

    name = "reset-sent"
    leg: Leg
    """The leg that was ended."""
    cause: str
    """The rule, as `POLICY/RULE`; `peer` where the other leg's RST was passed on; `upstream not reached`; or the
    limit that bit, as `limits.NAME`."""


@dataclass(frozen=True, slots=True)
class LegClosed(Fact):
    """We ended a leg otherwise than by a RST of our own: by close(), by half of it, or without a segment."""

    name = "leg-closed"
    leg: Leg
    """The leg that was ended."""
    how: How
    """By which ending."""
    cause: str
    """The rule, as `POLICY/RULE`."""


@dataclass(frozen=True, slots=True)
class FlushGaveUp(Fact):
    """Bytes were still unsent when an ending could wait for them no longer; they are lost."""

    name = "flush-gave-up"
    leg: Leg
    """The leg that the bytes were for."""


@dataclass(frozen=True, slots=True)
class EndingEvidence(Fact):
    """What the kernel said of a leg when we ended it."""

    name = "ending-evidence"
    leg: Leg
    """The leg that was ended."""
    how: How
    """By which ending."""
    cause: str
    """The rule, as `POLICY/RULE`; `peer` where the other leg's RST was passed on; `upstream not reached`; or the
    limit that bit, as `limits.NAME`."""
    verdict: Verdict
    """Whether the ending could be heard, or not be heard, as it was meant to."""
    state: str
    """The connection's, just before: `established`, `close-wait` where the peer had sent its FIN, and so on."""
    unread: int
    """Bytes that had arrived and were not read."""
    unsent: int
    """Bytes that had not left even once."""
    in_flight: int
    """Bytes that had left and were not acknowledged."""
