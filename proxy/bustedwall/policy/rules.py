"""What a policy becomes once it is loaded: immutable rules that a flow can run."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.faults.fault import Fault
from bustedwall.terms.leg import Leg


@dataclass(frozen=True, slots=True)
class AtOpen:
    """When both legs are up and nothing has passed."""


@dataclass(frozen=True, slots=True)
class AtBytes:
    """When one direction has passed exactly so many bytes since the flow began, not one more."""

    source: Leg
    count: int
    """At least 1."""


Trigger = AtOpen | AtBytes


@dataclass(frozen=True, slots=True)
class Arm:
    """Do a fault; the next step follows at once, however long the fault lasts."""

    fault: Fault
    span: float | None = None
    """Seconds until the fault ends by itself."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass before the next step."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Heal:
    """End what this rule has armed on this flow: losses first, then held bytes go out in order."""


Step = Arm | Wait | Heal


@dataclass(frozen=True, slots=True)
class Rule:
    """At which moment of a flow, what is done to it."""

    name: str
    """`policy/rule`: unique within a proxy."""
    when: Trigger
    steps: tuple[Step, ...]
