"""What the rules of a policy do to a proxy's door.

The door is one, so faults that change it come from moments of the policy, never of a flow. Several
may be armed; the strictest of them is what clients meet, and of those that lose some of what comes
the union.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from bustedwall.faults.fault import Damage
from bustedwall.flow.commons import Commons
from bustedwall.flow.out import Out
from bustedwall.flow.run import Run, armed
from bustedwall.flow.script import Scripts
from bustedwall.policy.rules import Arm, FlowMoment, Rule
from bustedwall.terms.commands import Command
from bustedwall.terms.door import OPEN_DOOR, Door, DoorMode
from bustedwall.terms.facts import FaultArmed, RuleFired, RuleSpared

_MODES = tuple(DoorMode)


def _strictness(door: Door) -> tuple[int, float]:
    return _MODES.index(door.mode), inf if door.first is None else door.first


class Doorway:
    """The scripts that act on the door."""

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._out = Out()
        self._scripts = Scripts(self, self._out, commons, door=True)
        self._counts: dict[str, tuple[int, int]] = {}
        """By rule: how often its moment came, and how often it fired then."""

    @property
    def door(self) -> Door:
        """What clients meet now."""
        doors = [arming.damage.door for _, arming in self._scripts.armed() if arming.damage.door is not None]
        strictest = max(doors, key=_strictness, default=OPEN_DOOR)
        if strictest.mode is not DoorMode.IGNORE_SOME:
            return strictest
        return Door(strictest.mode, ignored=frozenset().union(*(door.ignored for door in doors)))

    @property
    def armed(self) -> list[tuple[str, str]]:
        """Return which faults are in force, each with its rule."""
        return [(rule.name, str(arming.fault)) for rule, arming in self._scripts.armed()]

    def call(self, rule: Rule, now: float) -> None:
        """Have a rule's moment come to the door."""
        if not any(isinstance(step, Arm) and step.fault.at_door for step in rule.steps):
            return
        coming, fired = self._counts.get(rule.name, (0, 0))
        if rule.times is not None and fired >= rule.times:
            return
        coming, draw = coming + 1, None
        if rule.probability < 1:
            draw = self._commons.dice.fraction(rule.name, "door", coming)
        left = not self._scripts.full and (rule.total is None or fired < rule.total)
        fires = left and (draw is None or draw < rule.probability)
        self._counts[rule.name] = (coming, fired + fires)
        if fires:
            self._out.note(RuleFired(rule.name, coming, 0, 0, draw))
            self._scripts.start(rule, coming, now)
        else:
            self._out.note(RuleSpared(rule.name, coming, draw))

    def clear(self, rule: Rule, now: float) -> None:
        """Take back what a rule did."""
        self._counts.pop(rule.name, None)
        self._scripts.clear((rule,), now)

    def due(self) -> float | None:
        """Return when `live_through` is next due, or None."""
        return self._scripts.due()

    def live_through(self, due: float) -> None:
        """Do what is due."""
        self._scripts.live_through(due)

    def take(self) -> list[Command]:
        """Return the facts since the last time."""
        return self._out.take()

    # ---- Performer

    def arm(self, run: Run, index: int, step: Arm, now: float) -> None:
        """Do a fault to the door; what it does to flows is done to each of them."""
        if step.fault.at_door:
            rule = run.rule
            damage = step.fault.arm(
                self._commons.dice.at(rule.name, "door", run.firing, index), self._commons.shared(rule, index)
            )
            self._out.note(FaultArmed(rule.name, str(step.fault)))
            run.armed.append(armed(step, damage, now, self._commons.limits.fault))

    def taken_hold(self, damage: Damage, now: float) -> None:
        """Nothing is left to do: the door is what is armed."""

    def taken_back(self, damages: Sequence[Damage], now: float) -> None:
        """Nothing is left to do: the door is what is still armed."""

    def wait_for(self, run: Run, moment: FlowMoment, now: float) -> bool:
        """Wait for ever: the door has no moments of a flow; the loader refuses such a script."""
        return True
