"""One firing of one rule on one flow: where its script stands and what it has armed."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.faults.fault import Damage, Fault
from bustedwall.policy.rules import Rule


@dataclass(frozen=True, slots=True, eq=False)
class Arming:
    """Damage that is in force; two alike are still two."""

    fault: Fault
    damage: Damage
    until: float | None
    """When the fault ends by itself."""


class Run:
    """A script under way."""

    __slots__ = ("armed", "resume", "rule", "step")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.step = 0
        """The index of the next step."""
        self.resume: float | None = None
        """When a `wait` is over; None while the script does not wait."""
        self.armed: list[Arming] = []

    @property
    def over(self) -> bool:
        """Tell whether there is nothing left to do or to take back."""
        return self.step == len(self.rule.steps) and self.resume is None and not self.armed

    def due(self) -> float | None:
        """Return when the script goes on or a fault of it ends, or None."""
        times = [arming.until for arming in self.armed if arming.until is not None]
        if self.resume is not None:
            times.append(self.resume)
        return min(times, default=None)
