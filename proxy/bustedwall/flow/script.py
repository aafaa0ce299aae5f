"""Scripts under way, side by side: each goes through its rule's steps, and waits where they say so.

What a step does, and how it is taken back, is the business of whose scripts they are: a flow's, or
the door's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from bustedwall.faults.fault import Damage
from bustedwall.flow.commons import Commons
from bustedwall.flow.out import Out
from bustedwall.flow.run import Arming, Run
from bustedwall.policy.rules import Arm, FlowMoment, Heal, Rule, Wait
from bustedwall.terms.facts import DryRun, FaultEnded, LimitReached
from bustedwall.terms.limits import Limit

MOST = 1000
"""Scripts of one flow, or of the door, that may be under way; `repeat: 10ms` with `wait: 10s` needs as many."""


class Performer(Protocol):
    """Whose scripts these are."""

    def arm(self, run: Run, index: int, step: Arm, now: float) -> None:
        """Do a step's fault; if it lasts, put the arming into `run.armed`."""

    def taken_hold(self, damage: Damage, now: float) -> None:
        """Do damage that is in force from now on."""

    def taken_back(self, damages: Sequence[Damage], now: float) -> None:
        """Undo damage that is in force no more, in the order in which it was done."""

    def wait_for(self, run: Run, moment: FlowMoment, now: float) -> bool:
        """Have the run go on at a moment, by `go_on`; False: it has come already."""


class Scripts:
    """All runs of one flow, or of the door."""

    __slots__ = ("_commons", "_door", "_out", "_performer", "runs")

    def __init__(self, performer: Performer, out: Out, commons: Commons, *, door: bool = False) -> None:
        """`door`: they are the door's."""
        self._performer = performer
        self._commons = commons
        self._door = door
        self._out = out
        self.runs: list[Run] = []

    def close(self) -> None:
        """Let go of the performer, who has these scripts: nothing is done any more."""
        del self._performer

    @property
    def full(self) -> bool:
        """Tell whether no further script may begin."""
        return len(self.runs) >= MOST

    def start(self, rule: Rule, firing: int, now: float) -> None:
        """Begin a rule's script."""
        run = Run(rule, firing)
        self.runs.append(run)
        self.go_on(run, now)

    def go_on(self, run: Run, now: float) -> None:
        """Take steps up to the next wait."""
        steps = run.rule.steps
        while run.step < len(steps):
            index, step = run.step, steps[run.step]
            run.step += 1
            if isinstance(step, Arm):  # before the others: each firing has at least one
                if self._commons.dry_run and run.rule.limit is None:
                    self._say(run, step)
                else:
                    self._performer.arm(run, index, step, now)
                continue
            match step:
                case Heal():
                    self._heal(run.rule, now)
                case Wait(float() | int() as seconds):
                    run.until = now + seconds
                    return
                case Wait(moment):
                    assert not isinstance(moment, float | int)
                    if self._performer.wait_for(run, moment, now):
                        run.moment = moment
                        return
        self._retire(run)

    def _say(self, run: Run, step: Arm) -> None:
        """Note what would be done now, if it is for us to do."""
        if step.fault.at_door is self._door:
            self._out.note(DryRun(run.rule.name, str(step.fault)))

    def armed(self) -> Iterator[tuple[Rule, Arming]]:
        """Yield what is armed, and whose it is."""
        for run in self.runs:
            for arming in run.armed:
                yield run.rule, arming

    def due(self) -> float | None:
        """Return when a script goes on or a fault ends, comes or goes, or None."""
        earliest = None
        for run in self.runs:
            due = run.due()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def live_through(self, due: float) -> None:
        """End the faults that are due, have those come or go that are, and go on with the scripts."""
        ended = [(run, arming) for run in self.runs for arming in run.armed if arming.until <= due]
        self._take_back(ended, "its time is over", due)
        for _, arming in tuple(self.armed()):
            if arming.turns is not None and arming.turns <= due:
                self._turn(arming, due)
        for run in tuple(self.runs):
            if run.until is not None and run.until <= due:
                run.until = None
                self.go_on(run, due)

    def clear(self, rules: Collection[Rule], now: float) -> None:
        """End the scripts of rules where they stand, and take back together what they did."""
        for run in self.runs:
            if run.rule in rules:
                run.step, run.until, run.moment = len(run.rule.steps), None, None
        self._take_back(self._armed_by(rules), "its policy was taken away", now)
        self.runs = [run for run in self.runs if run.rule not in rules]

    def _turn(self, arming: Arming, due: float) -> None:
        arming.turn()
        if arming.rests:
            self._performer.taken_back([arming.damage], due)
        else:
            self._performer.taken_hold(arming.damage, due)

    def _heal(self, rule: Rule, now: float) -> None:
        self._take_back(self._armed_by((rule,)), "healed", now)

    def _armed_by(self, rules: Collection[Rule]) -> list[tuple[Run, Arming]]:
        return [(run, arming) for run in self.runs if run.rule in rules for arming in run.armed]

    def _take_back(self, armed: list[tuple[Run, Arming]], why: str, now: float) -> None:
        """Undo together: all losses are lifted before any held byte goes out."""
        for run, arming in armed:
            run.armed.remove(arming)
            if arming.limit is not None and arming.until <= now:
                self._out.note(LimitReached(Limit.FAULT, arming.limit))
            self._out.note(FaultEnded(run.rule.name, str(arming.fault), why))
            self._retire(run)
        if armed:
            self._performer.taken_back([arming.damage for _, arming in armed if not arming.rests], now)

    def _retire(self, run: Run) -> None:
        if run.over and run in self.runs:
            self.runs.remove(run)
