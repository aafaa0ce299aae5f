"""One firing of one rule: where its script stands and what it has armed."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.faults.fault import Damage, Fault
from bustedwall.policy.rules import Arm, FlowMoment, Rule
from bustedwall.terms.spells import is_bad


@dataclass(slots=True, eq=False)
class Arming:
    """Damage that is armed; two alike are still two."""

    fault: Fault
    damage: Damage
    until: float
    """When the fault ends by itself."""
    limit: float | None = None
    """The limit of a fault's life, where that ends it; None: it is its own time."""
    spell: int = 0
    """Which spell it is, of damage that comes and goes."""
    turns: float | None = None
    """When that spell is over; None: the damage is in force all the time."""

    @property
    def rests(self) -> bool:
        """Tell whether nothing is in force just now."""
        return self.turns is not None and not is_bad(self.spell)

    def turn(self) -> None:
        """Go over to the next spell; it begins where this one ended, however late that is noticed."""
        assert self.turns is not None, "this damage does not come and go"
        assert self.damage.spells is not None
        self.spell += 1
        self.turns += self.damage.spells.seconds(self.spell)


def armed(step: Arm, damage: Damage, now: float, most: float) -> Arming:
    """Return damage that is armed from now on, `most` seconds at most."""
    turns = None if damage.spells is None else now + damage.spells.seconds(0)
    if step.span is None or step.span > most:
        return Arming(step.fault, damage, now + most, most, turns=turns)
    return Arming(step.fault, damage, now + step.span, turns=turns)


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
        """Return when the script goes on or a fault of it ends, comes or goes, or None."""
        earliest = self.until
        for arming in self.armed:
            due = arming.until if arming.turns is None else min(arming.until, arming.turns)
            if earliest is None or due < earliest:
                earliest = due
        return earliest
