"""Who waits for what on one flow, and whose moment has come.

Offsets, texts and turns are waited for at the gate of a direction; the rest is kept here.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from bustedwall.flow.direction import Direction, Pause
from bustedwall.flow.idle import IdleClock
from bustedwall.flow.legs import Legs
from bustedwall.flow.out import Out
from bustedwall.flow.records import RecordWatch
from bustedwall.flow.waiter import Waiter
from bustedwall.flow.watch import TextWatch
from bustedwall.policy.rules import (
    AtAccept,
    AtAge,
    AtBytes,
    AtEof,
    AtIdle,
    AtOpen,
    AtRecord,
    AtReset,
    AtText,
    AtTurn,
    Rule,
)
from bustedwall.terms.commands import Depth, Measure
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Measured
from bustedwall.terms.facts import RuleMissed
from bustedwall.terms.leg import LEGS, Leg

_NOBODY: list[Waiter] = []
"""Shared by the flows in which nobody waits here."""


class Moments:
    """All that is waited for on one flow."""

    __slots__ = (
        "_began",
        "_dice",
        "_directions",
        "_legs",
        "_number",
        "_out",
        "_turns",
        "_waiting",
        "accepted",
        "reading",
        "speaker",
    )

    def __init__(
        self, directions: Mapping[Leg, Direction], legs: Legs, out: Out, began: float, dice: Dice, number: int
    ) -> None:
        """`dice` are the proxy's, and the number that of the flow."""
        self._directions = directions
        self._legs = legs
        self._out = out
        self._began = began
        self._dice = dice
        self._number = number
        self._waiting = _NOBODY
        self._turns = False
        """Perhaps somebody waits for a turn."""
        self.accepted = False
        """The moment `accept` has passed."""
        self.reading = False
        """The relay may have read something."""
        self.speaker: Leg | None = None
        """Which side spoke last, as far as it is known."""

    # ---- beginning to wait

    def await_rule(self, rule: Rule, now: float) -> bool:
        """Have a rule fire at its moment; True: its moment is now. One that is past is told as a fact."""
        moment = rule.when
        if isinstance(moment, AtOpen) and self._legs.opened:
            return True
        if (why := self._past(rule, now)) is not None:
            self._miss(rule, why)
            return False
        waiter = Waiter(moment, rule)  # type: ignore[arg-type]  # the caller has no rules of policy moments
        match moment:
            case AtBytes(source):
                self._at_gate(source, waiter)
                self._count(self._directions[source])
            case AtTurn(source, number):
                waiter.turn = number
                self._at_gate(source, waiter)
            case _:
                self._wait(waiter, now)
        return False

    def _past(self, rule: Rule, now: float) -> str | None:
        """Return why a rule's moment can come no more, if it cannot."""
        why = None
        match rule.when:
            case AtAccept() if self.accepted:
                why = "the flow had been accepted already"
            case AtBytes(source, count) if count <= self._directions[source].passed:
                why = "the offset had been passed already"
            case AtTurn() if any(direction.passed for direction in self._directions.values()):
                why = "nobody counted the turns before"
            case AtRecord() if self.reading:
                why = "nobody counted the records before"
            case AtEof(leg) if self._directions[leg].finished:
                why = "this side had finished already"
            case AtReset(leg) if self._legs.ended(leg):
                why = "this leg had ended already"
            case AtAge() as moment if self._at_age(moment, rule) < now:
                why = "the flow was older already"
        return why

    def await_run(self, waiter: Waiter, now: float) -> bool:
        """Have a script go on at a moment, counted from now where it can be; False: it has come already."""
        match waiter.moment:
            case AtAccept():
                return False
            case AtOpen() if self._legs.opened:
                return False
            case AtEof(leg) if self._directions[leg].finished:
                return False
            case AtReset(leg) if self._legs.ended(leg):
                return False
            case AtAge() if self._at_age(waiter.moment, waiter.rule) <= now:
                return False
            case AtBytes(source):
                self._at_gate(source, waiter)
                self._count(self._directions[source])
            case AtTurn(source, number):
                waiter.turn = self._directions[source].turns + number
                self._at_gate(source, waiter)
            case _:
                self._wait(waiter, now)
        return True

    def _wait(self, waiter: Waiter, now: float) -> None:
        match waiter.moment:
            case AtText(source):
                waiter.watch = TextWatch(waiter.moment)
                self._at_gate(source, waiter)
                return
            case AtRecord(source):
                waiter.watch = RecordWatch(waiter.moment)
                self._at_gate(source, waiter)
                return
            case AtAge():
                waiter.due = self._at_age(waiter.moment, waiter.rule)
            case AtIdle() if self._legs.opened:
                waiter.idle = IdleClock(waiter.moment, now)
        if self._waiting is _NOBODY:
            self._waiting = []
        self._waiting.append(waiter)

    def _at_age(self, moment: AtAge, rule: Rule) -> float:
        """Return when a flow is so old, with its own part of the jitter."""
        drawn = 2 * self._dice.fraction(rule.name, "age", self._number) - 1 if moment.jitter else 0.0
        return self._began + moment.seconds + drawn * moment.jitter

    def again(self, waiter: Waiter) -> None:
        """Have a rule wait for the next moment of its kind, if there can be one; it may be within the same chunk."""
        waiter.edge = None
        if isinstance(waiter.moment, AtText | AtRecord):
            self._at_gate(waiter.moment.source, waiter)
        elif waiter.idle is not None:
            self._waiting.append(waiter)

    def _at_gate(self, source: Leg, waiter: Waiter) -> None:
        self._directions[source].waiters += (waiter,)
        self._turns = self._turns or waiter.turn is not None

    def _count(self, direction: Direction) -> None:
        """Turn counts into offsets, once it is known how much has passed.

        What the relay has moved on its own it tells later, and what it has read and our kernel does not
        take yet later still. So the direction stands still until all of that is in our kernel. Where an
        ending waits at the gate nobody counts: no offset comes any more, and what was taken is still to be told.
        """
        if direction.pause is Pause.ENDING:
            return
        if self.reading and direction.pause is None and not self._legs.ended(direction.source.other):
            self._out.do(direction.wait(Pause.COUNT, Depth.KERNEL))
        elif direction.pause is not Pause.COUNT:
            self.counted(direction)

    def counted(self, direction: Direction) -> None:
        """Turn counts into offsets: all that was taken so far has passed."""
        for waiter in direction.waiters:
            if isinstance(waiter.moment, AtBytes) and waiter.edge is None:
                begin = 0 if waiter.run is None else direction.passed
                waiter.edge = begin + waiter.moment.count
                if waiter.edge <= direction.passed:
                    direction.waiters = tuple(other for other in direction.waiters if other is not waiter)
                    self._miss(waiter.rule, "the offset had been passed already")

    def _miss(self, rule: Rule, why: str) -> None:
        self._out.note(RuleMissed(rule.name, why))

    # ---- ending to wait

    def forget(self, rules: Container[Rule]) -> None:
        """Have rules and their scripts wait no more."""
        for direction in self._directions.values():
            direction.waiters = tuple(waiter for waiter in direction.waiters if waiter.rule not in rules)
        if self._waiting:
            self._waiting[:] = [waiter for waiter in self._waiting if waiter.rule not in rules]

    # ---- what happens

    def at(self, *kinds: type, leg: Leg | None = None) -> list[Waiter]:
        """Take out those who wait for an event of the flow."""
        come = [
            waiter
            for waiter in self._waiting
            if isinstance(waiter.moment, kinds) and (leg is None or getattr(waiter.moment, "leg", None) is leg)
        ]
        return self._take(come)

    def start_idle_clocks(self, now: float) -> None:
        """Begin to count silence: both legs are up."""
        for waiter in self._waiting:
            if isinstance(waiter.moment, AtIdle):
                waiter.idle = IdleClock(waiter.moment, now)

    def listens(self) -> bool:
        """Tell whether somebody waits for a turn, so that both sides have to be looked at."""
        if not self._turns:
            return False  # quick: this is asked for every chunk
        self._turns = any(
            waiter.turn is not None and waiter.edge is None
            for direction in self._directions.values()
            for waiter in direction.waiters
        )
        return self._turns

    def speaks(self, direction: Direction) -> None:
        """Note that bytes of a side are at the gate; if it was not the one that spoke last, a turn begins."""
        if self.speaker is not direction.source:
            self.speaker = direction.source
            direction.speak()

    def quiet_since(self) -> float | None:
        """Return the last sign of life, if no more is known than that, and waited for than silence; else None."""
        known = {None if waiter.idle is None else waiter.idle.quiet_since for waiter in self._waiting}
        return known.pop() if len(known) == 1 else None

    def due(self) -> float | None:
        """Return when something is due, or None."""
        earliest = None
        for waiter in self._waiting:
            due = waiter.due if waiter.idle is None else waiter.idle.due
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def live_through(self, due: float) -> list[Waiter]:
        """Take out those whose time has come; ask the kernel where only it knows."""
        for waiter in self._waiting:
            idle = waiter.idle
            if idle is not None and idle.due is not None and idle.due <= due:
                legs = [leg for leg in LEGS if not self._legs.moot(leg)]
                idle.ask(legs)
                for leg in legs:
                    self._out.do(Measure(leg))
        return self._take([w for w in self._waiting if w.due is not None and w.due <= due])

    def measured(self, answer: Measured, now: float) -> list[Waiter]:
        """Take out those who now know that the flow is idle."""
        return self._take([w for w in self._waiting if w.idle is not None and w.idle.hear(answer, now)])

    def _take(self, come: list[Waiter]) -> list[Waiter]:
        if come:
            self._waiting[:] = [waiter for waiter in self._waiting if waiter not in come]
        return come
