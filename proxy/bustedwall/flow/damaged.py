"""What faults do to one flow, and how it is undone: the part of a flow that performs its scripts' steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from bustedwall.faults.fault import Damage
from bustedwall.flow.commons import Commons
from bustedwall.flow.direction import Direction
from bustedwall.flow.endings import Endings
from bustedwall.flow.legs import Legs
from bustedwall.flow.moments import Moments
from bustedwall.flow.out import Out
from bustedwall.flow.run import Run, armed
from bustedwall.flow.waiter import Waiter
from bustedwall.policy.rules import Arm, FlowMoment
from bustedwall.terms.commands import Send
from bustedwall.terms.facts import FaultArmed
from bustedwall.terms.leg import LEGS


class Damaged(ABC):
    """A flow as faults see it: legs that end and lose, directions with stages."""

    __slots__ = ("_commons", "_directions", "_endings", "_legs", "_number", "_out")

    _moments: Moments
    _endings: Endings

    def __init__(self, commons: Commons, number: int) -> None:
        self._commons = commons
        self._number = number
        self._out = Out()
        self._legs = Legs(self._out, commons.limits.orphan)
        self._directions = {leg: Direction(leg) for leg in LEGS}

    @abstractmethod
    def _let_out(self, direction: Direction, now: float) -> None:
        """Let items through the gate until there are none or it has to pause."""

    def arm(self, run: Run, index: int, step: Arm, now: float) -> None:
        """Do a fault to this flow."""
        rule, fault = run.rule, str(step.fault)
        dice = self._commons.dice.at(rule.name, self._number, run.firing, index)
        damage = step.fault.arm(dice, self._commons.shared(rule, index))
        if not self._endings.in_time(damage, rule.name, fault):
            return
        for stage in damage.stages.values():
            stage.armed(f"{rule.name}: {fault}")
        self._out.note(FaultArmed(rule.name, fault, damage.provable))
        if damage.lasts:
            arming = armed(step, damage, now, self._commons.limits.fault)
            run.armed.append(arming)
            if not arming.rests:
                self.taken_hold(damage, now)
        for leg, data in damage.injected.items():
            if not self._endings.mute(leg):
                self._directions[leg.other].inject(data)
                self._out.do(Send(leg, data))
        for leg, ending in damage.endings.items():
            self._endings.begin(leg, ending, rule.name, now)

    def taken_hold(self, damage: Damage, now: float) -> None:
        """Do what a fault does for a while: losses first, what is let out after that is lost."""
        self._endings.settle_losses(now)
        for source, stage in damage.stages.items():
            self._directions[source].enter(stage, now)
            self._let_out(self._directions[source], now)

    def taken_back(self, damages: Sequence[Damage], now: float) -> None:
        """Undo faults: losses first, or the held bytes would go into the hole."""
        self._endings.settle_losses(now)
        for damage in damages:
            for source, stage in damage.stages.items():
                self._directions[source].leave(stage, now)
                self._let_out(self._directions[source], now)

    def wait_for(self, run: Run, moment: FlowMoment, now: float) -> bool:
        """Have a script go on at a moment."""
        return self._moments.await_run(Waiter(moment, run.rule, run), now)
