"""What the rules of a policy do to a proxy's door.

The door is one, so faults that change it come from moments of the policy, never of a flow. Several
may be armed; the strictest of them is what clients meet, and of those that lose some of what comes
the union.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from bustedwall.faults.entries import Entries
from bustedwall.faults.fault import Damage
from bustedwall.flow.commons import Commons
from bustedwall.flow.out import Out
from bustedwall.flow.recorded import DOOR
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
        self._flows = 0
        """How many flows are open."""
        self._counts: dict[str, tuple[int, int]] = {}
        """By rule: how often its moment came, and how often it fired then."""

    def door(self, now: float) -> Door:
        """Return what clients meet now."""
        damages = [arming.damage for _, arming in self._scripts.armed()]
        doors = [
            damage.door
            for damage in damages
            if damage.door is not None and (damage.table is None or damage.table.full(now))
        ]
        strictest = max(doors, key=_strictness, default=OPEN_DOOR)
        if strictest.mode is not DoorMode.IGNORE_SOME:
            return strictest
        return Door(strictest.mode, ignored=frozenset().union(*(door.ignored for door in doors)))

    @property
    def armed(self) -> list[tuple[str, str]]:
        """Return which faults are in force, each with its rule."""
        return [(rule.name, str(arming.fault)) for rule, arming in self._scripts.armed()]

    @property
    def tables(self) -> list[Entries]:
        """The tables in which flows have entries."""
        return [arming.damage.table for _, arming in self._scripts.armed() if arming.damage.table is not None]

    def come(self) -> bool:
        """Count a flow that begins; tell whether that may change the door."""
        self._flows += 1
        for table in (tables := self.tables if self._scripts.runs else ()):
            table.come()
        return bool(tables)

    def leave(self, now: float) -> bool:
        """Count the end of a flow; tell whether that may change the door."""
        self._flows -= 1
        for table in (tables := self.tables if self._scripts.runs else ()):
            table.leave(now)
        return bool(tables)

    @property
    def flows(self) -> int:
        """How many flows are open."""
        return self._flows

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
        fires = self._commons.recorded.fired.get((rule.name, DOOR, coming), fires)
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
        dues = [due for due in (self._scripts.due(), *(table.due() for table in self.tables)) if due is not None]
        return min(dues, default=None)

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
            if damage.table is not None:
                damage.table.begin(self._flows)
            self._out.note(FaultArmed(rule.name, str(step.fault), damage.provable))
            run.armed.append(armed(step, damage, now, self._commons.limits.fault))

    def taken_hold(self, damage: Damage, now: float) -> None:
        """Nothing is left to do: the door is what is armed."""

    def taken_back(self, damages: Sequence[Damage], now: float) -> None:
        """Nothing is left to do: the door is what is still armed."""

    def wait_for(self, run: Run, moment: FlowMoment, now: float) -> bool:
        """Wait for ever: the door has no moments of a flow; the loader refuses such a script."""
        return True
