"""What a flow's logic can ask for. Imperative: the relay performs them in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from bustedwall.terms.facts import Fact
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Losses


class Depth(Enum):
    """How far bytes must have gone before a `Flush` is answered."""

    KERNEL = "kernel"
    """Our kernel has accepted all of them."""
    WIRE = "wire"
    """None is unsent: each has left our host at least once (SIOCOUTQNSD is 0)."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the server leg. Answered by `Opened` or `DialFailed`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send bytes to a leg, behind whatever still waits for it."""

    leg: Leg
    data: bytes
    lost: str = ""
    """Not empty: the kernel loses the first transmission of exactly these bytes, and TCP repairs it; the step that
    asks for it, as `RULE: FAULT`."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Send a FIN to a leg behind its bytes; the leg is still read."""

    leg: Leg
    cause: str = field(default="", compare=False, repr=False)
    """The rule that ends it, for the records; empty: the other leg's FIN is passed on."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Say `Flushed` when all bytes given to a leg have come so far."""

    leg: Leg
    depth: Depth


@dataclass(frozen=True, slots=True)
class Reset:
    """End a leg with a RST now; what is still queued for it is lost."""

    leg: Leg
    cause: str = field(default="", compare=False, repr=False)
    """Why, for the records: a rule, or what else asked for it. It changes nothing of what is done."""
    ttl: int | None = None
    """The TTL, or hop limit, of the RST; None: as our kernel has it."""


@dataclass(frozen=True, slots=True)
class Close:
    """End a leg by close(): a FIN behind what our kernel has accepted."""

    leg: Leg
    unread: bool = False
    """True: wait until something is unread, and leave it so; the kernel sends a RST instead of a FIN."""
    cause: str = field(default="", compare=False, repr=False)
    """As of `Reset`."""


@dataclass(frozen=True, slots=True)
class Vanish:
    """End a leg without a segment: its state is gone."""

    leg: Leg
    cause: str = field(default="", compare=False, repr=False)
    """As of `Reset`."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Say `Measured`: ask the kernel when something last moved on a leg."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class SetLoss:
    """Make the kernel lose exactly this on a leg; the empty set heals it."""

    leg: Leg
    losses: Losses
    causes: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The steps that are armed, as `RULE: FAULT`, for the records."""


@dataclass(frozen=True, slots=True)
class Note:
    """Record a fact. A command, so that a test can say which event caused which fact."""

    fact: Fact


Command = Dial | Send | Shut | Flush | Reset | Close | Vanish | Measure | SetLoss | Note
