"""One firing of one rule: where its script stands and what it has armed."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.faults.fault import Damage, Fault
from bustedwall.policy.rules import Arm, FlowMoment, Rule


@dataclass(frozen=True, slots=True, eq=False)
class Arming:
    """Damage that is in force; two alike are still two."""

    fault: Fault
    damage: Damage
    until: float
    """When the fault ends by itself."""
    limit: float | None = None
    """The limit of a fault's life, where that ends it; None: it is its own time."""


def armed(step: Arm, damage: Damage, now: float, most: float) -> Arming:
    """Return damage that is in force from now on, `most` seconds at most."""
    if step.span is None or step.span > most:
        return Arming(step.fault, damage, now + most, most)
    return Arming(step.fault, damage, now + step.span)


class Run:
    """A script under way."""

    __slots__ = ("armed", "firing", "moment", "rule", "step", "until")

    def __init__(self, rule: Rule, firing: int) -> None:
        self.rule = rule
        self.firing = firing
        """Which firing of the rule this is, from 1; it names the dice."""
        self.step = 0
        """The index of the next step."""
        self.until: float | None = None
        """When a `wait` for a time is over; None while there is none."""
        self.moment: FlowMoment | None = None
        """The moment that a `wait` is for; None while there is none."""
        self.armed: list[Arming] = []

    @property
    def over(self) -> bool:
        """Tell whether there is nothing left to do or to take back."""
        waits = self.until is not None or self.moment is not None
        return not (waits or self.armed) and self.step == len(self.rule.steps)

    def due(self) -> float | None:
        """Return when the script goes on or a fault of it ends, or None."""
        earliest = self.until
        for arming in self.armed:
            if earliest is None or arming.until < earliest:
                earliest = arming.until
        return earliest
