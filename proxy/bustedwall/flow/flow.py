"""One flow, as logic.

    handle(event, now) -> commands      the only way in and the only way out
    passage(source)    -> Passage       how the relay may move bytes until the next event
    deadline()         -> time or None  when the relay has to say `Woke`

`handle` first lives through all that was due before `now`, each at its own time and in order, so a
timer that comes late changes nothing but the moment. It returns a finished list: events that happen
while the relay performs it are told afterwards. The relay answers `Flush` with `Flushed` and `Dial`
with `Opened` or `DialFailed`; bytes that it moved on its own it reports by `Passed` before it tells
anything else.
"""

from __future__ import annotations

from bustedwall.faults.fault import Damage
from bustedwall.flow.direction import Direction, Pause
from bustedwall.flow.lifecycle import FINAL, LegState, Move, after
from bustedwall.flow.run import Arming, Run
from bustedwall.policy.rules import Arm, AtBytes, AtOpen, Heal, Rule, Wait
from bustedwall.terms.commands import Command, Depth, Dial, Flush, Note, Reset, Send, SetLoss, Shut
from bustedwall.terms.events import Accepted, Arrived, DialFailed, Event, Flushed, Opened, Passed
from bustedwall.terms.facts import Fact, FaultArmed, FaultEnded, FlushGaveUp, ResetSent, RuleFired, StepMoot
from bustedwall.terms.items import FIN, Bytes, Fin, Item, Rst
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS, Losses, Way
from bustedwall.terms.passage import OPEN_ROAD, SHUT_ROAD, Passage

FLUSH_LIMIT = 1.0
"""Seconds that a RST waits for the bytes before it; a receiver that stops reading must not hold it for ever."""

ORPHAN_LIMIT = 30.0
"""Seconds that a leg is kept after a fault has ended the other one, or both have finished and a loss is in force."""


class Flow:
    """What rules do to one client connection and its upstream connection."""

    __slots__ = (
        "_directions",
        "_legs",
        "_lifted",
        "_losses",
        "_orphan",
        "_out",
        "_runs",
        "_waiting",
        "discarded",
        "over",
    )

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self._directions = {leg: Direction(leg) for leg in Leg}
        self._legs = dict.fromkeys(Leg, LegState.OPEN)
        self._losses: dict[Leg, Losses] = dict.fromkeys(Leg, NO_LOSS)
        self._waiting = list(rules)
        self._runs: list[Run] = []
        self._lifted: frozenset[Leg] = frozenset()
        self._orphan: float | None = None
        self._out: list[Command] = []
        self.over = False
        """Both legs have ended and nothing is lost on them; no event means anything any more."""
        self.discarded = 0
        """Bytes that arrived for a leg that had ended."""
        for rule in rules:
            if isinstance(rule.when, AtBytes):
                self._directions[rule.when.source].edges.append(rule.when.count)
        for direction in self._directions.values():
            direction.edges = sorted(set(direction.edges))

    def passage(self, source: Leg) -> Passage:
        """Return how the relay may move the bytes of one leg now."""
        if self._legs[source] not in (LegState.OPEN, LegState.WE_DONE):
            return SHUT_ROAD
        if self._legs[source.other] is LegState.ENDED:
            return OPEN_ROAD  # nobody is there to send to: the relay reads and throws away
        return self._directions[source].passage()

    def deadline(self) -> float | None:
        """Return when something is due, or None; never before the `now` that was handled last."""
        if self.over:
            return None
        earliest = self._orphan
        parts: tuple[Direction | Run, ...] = (*self._directions.values(), *self._runs)
        for part in parts:
            due = part.due()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def handle(self, event: Event, now: float) -> list[Command]:
        """Return what is to be done about an event; `Woke` alone does what is due."""
        out: list[Command] = []
        self._out = out
        while not self.over and (due := self.deadline()) is not None and due <= now:
            self._live_through(due)
        if not self.over:
            self._happen(event, now)
        self._out = []  # the list belongs to the caller now
        return out

    def _happen(self, event: Event, now: float) -> None:
        match event:
            case Arrived(source, item):
                self._arrive(source, item, now)
            case Passed(source, count):
                direction = self._directions[source]
                if direction.count(count):
                    self._reach_edge(direction, now)
                    self._let_out(direction, now)
            case Flushed(leg):
                self._flushed(self._directions[leg.other], now)
            case Accepted():
                self._do(Dial())
            case Opened():
                self._fire([rule for rule in self._waiting if isinstance(rule.when, AtOpen)], now)
            case DialFailed():
                self._move(Leg.SERVER, Move.RST, now)
                self._reset(Leg.CLIENT, "upstream refused", now)

    # ---- time

    def _live_through(self, due: float) -> None:
        """Do all that is due at one moment: bytes first, then what faults and scripts end or begin."""
        for direction in self._directions.values():
            direction.release(due)
            if direction.until is not None and direction.until <= due:
                self._note(FlushGaveUp(direction.source.other))
                self._flushed(direction, due)
            self._let_out(direction, due)
        for run in tuple(self._runs):
            for arming in tuple(run.armed):
                if arming.until is not None and arming.until <= due:
                    self._disarm(run, arming, "its time is over", due)
            if run.resume is not None and run.resume <= due:
                run.resume = None
                self._step(run, due)
        if self._orphan is not None and self._orphan <= due:
            for leg in Leg:
                self._reset(leg, "orphan limit", due)
            self._orphan = None
            self.over = True

    # ---- items

    def _arrive(self, source: Leg, item: Item, now: float) -> None:
        direction = self._directions[source]
        if isinstance(item, Fin):
            self._move(source, Move.THEIR_FIN, now)
        elif isinstance(item, Rst):
            self._move(source, Move.RST, now)
        if self._legs[source.other] is LegState.ENDED:
            self._arrive_at_nobody(source, item, now)
        elif isinstance(item, Bytes) and direction.closed:
            self.discarded += len(item.data)
        else:
            direction.closed = not isinstance(item, Bytes)
            direction.feed(item, now)
            self._let_out(direction, now)

    def _arrive_at_nobody(self, source: Leg, item: Item, now: float) -> None:
        """Read and throw away; answer an orphan's FIN with ours, behind what it still has to get."""
        if isinstance(item, Bytes):
            self.discarded += len(item.data)
        elif isinstance(item, Fin) and self._legs[source] is LegState.PEER_DONE:
            back = self._directions[source.other]
            if not back.closed:
                back.closed = True
                back.feed(FIN, now)
                self._let_out(back, now)

    def _let_out(self, direction: Direction, now: float) -> None:
        """Let items through the gate until there are none or it has to pause."""
        leg = direction.source.other
        while direction.queue and direction.pause is None:
            if self._legs[leg] is LegState.ENDED:
                self.discarded += direction.clear()
                return
            item = direction.queue.popleft()
            if isinstance(item, Bytes):
                data = direction.cut(item)
                self._do(Send(leg, data))
                if direction.count(len(data)):
                    direction.pause = Pause.EDGE
                    self._do(Flush(leg, Depth.KERNEL))
            elif isinstance(item, Fin):
                self._do(Shut(leg))
                self._move(leg, Move.OUR_FIN, now)
            else:
                direction.pause, direction.ending, direction.until = Pause.ENDING, item, now + FLUSH_LIMIT
                self._do(Flush(leg, Depth.WIRE))

    def _flushed(self, direction: Direction, now: float) -> None:
        """End a pause: at an edge rules fire, at an ending the RST goes."""
        pause, direction.pause, direction.until = direction.pause, None, None
        if pause is Pause.EDGE:
            self._reach_edge(direction, now)
        elif pause is Pause.ENDING:
            assert direction.ending is not None
            self._reset(direction.source.other, direction.ending.cause, now)
        self._let_out(direction, now)

    def _reach_edge(self, direction: Direction, now: float) -> None:
        """Fire the rules that waited for this offset; nothing passes until their immediate steps are done."""
        reached = direction.edges.pop(0)
        assert reached == direction.passed, f"{direction.passed} bytes passed where an edge was at {reached}"
        when = AtBytes(direction.source, reached)
        direction.pause = Pause.EDGE
        self._fire([rule for rule in self._waiting if rule.when == when], now)
        direction.pause = None

    # ---- rules

    def _fire(self, rules: list[Rule], now: float) -> None:
        for rule in rules:
            self._waiting.remove(rule)
            passed = (self._directions[leg].passed for leg in Leg)
            self._note(RuleFired(rule.name, *passed))
            run = Run(rule)
            self._runs.append(run)
            self._step(run, now)

    def _step(self, run: Run, now: float) -> None:
        """Take the script's steps up to the next wait."""
        while run.step < len(run.rule.steps):
            step = run.rule.steps[run.step]
            run.step += 1
            match step:
                case Wait(seconds):
                    run.resume = now + seconds
                    return
                case Heal():
                    for arming in tuple(run.armed):
                        self._disarm(run, arming, "healed", now)
                case Arm():
                    self._arm(run, step, now)
        self._retire(run)

    def _arm(self, run: Run, step: Arm, now: float) -> None:
        rule, fault, damage = run.rule.name, str(step.fault), step.fault.arm()
        for leg in _targets(damage):
            if self._moot(leg):
                self._note(StepMoot(rule, fault, leg))
        self._note(FaultArmed(rule, fault))
        if damage.lasts:
            run.armed.append(Arming(step.fault, damage, None if step.span is None else now + step.span))
            self._settle_losses(now)
        for source, stage in damage.stages.items():
            self._directions[source].enter(stage, now)
            self._let_out(self._directions[source], now)
        for source, item in damage.inject.items():
            self._inject(source, item, rule, now)
        for command in damage.at_once:
            if not isinstance(command, Reset):
                self._do(command)
            elif not self._moot(command.leg):
                self._lift(command.leg, now)
                self._end(command.leg, rule, now)

    def _inject(self, source: Leg, item: Item, rule: str, now: float) -> None:
        """Put an ending behind the bytes that were read from a leg which itself goes on."""
        direction = self._directions[source]
        if self._legs[source.other] in FINAL:
            return
        if isinstance(item, Rst):
            self._lift(source.other, now)
            item = Rst(cause=rule)
        direction.closed = True
        direction.feed(item, now)
        self._let_out(direction, now)

    def _disarm(self, run: Run, arming: Arming, why: str, now: float) -> None:
        """Take damage back: losses first, or the held bytes would go into the hole."""
        run.armed.remove(arming)
        self._note(FaultEnded(run.rule.name, str(arming.fault), why))
        self._settle_losses(now)
        for source, stage in arming.damage.stages.items():
            self._directions[source].leave(stage, now)
            self._let_out(self._directions[source], now)
        self._retire(run)

    def _retire(self, run: Run) -> None:
        if run.over and run in self._runs:
            self._runs.remove(run)

    # ---- legs

    def _move(self, leg: Leg, move: Move, now: float) -> None:
        self._legs[leg] = after(self._legs[leg], move)
        self._look_whether_over(now)

    def _look_whether_over(self, now: float) -> None:
        """End with both legs, unless last bytes are still being lost: closing now would lose them for good."""
        if self._legs[Leg.CLIENT] in FINAL and self._legs[Leg.SERVER] in FINAL:
            self.over = not any(self._losses[leg] for leg in Leg if self._legs[leg] is LegState.DONE)
            if not self.over and self._orphan is None:
                self._orphan = now + ORPHAN_LIMIT

    def _moot(self, leg: Leg) -> bool:
        """Tell whether nothing can be done to a leg any more."""
        state = self._legs[leg]
        return state is LegState.ENDED or (state is LegState.DONE and not self._losses[leg])

    def _reset(self, leg: Leg, cause: str, now: float) -> None:
        """End a leg, unless it has ended."""
        if not self._moot(leg):
            self._end(leg, cause, now)

    def _end(self, leg: Leg, cause: str, now: float) -> None:
        """End a leg by RST; if the other one goes on, it is an orphan from now on."""
        self._do(Reset(leg))
        self._note(ResetSent(leg, cause))
        self._move(leg, Move.RST, now)
        if self._legs[leg.other] not in FINAL:
            self._orphan = now + ORPHAN_LIMIT

    def _lift(self, leg: Leg, now: float) -> None:
        """End the loss of what we send to a leg, or its ending would not be heard."""
        self._lifted |= {leg}
        self._settle_losses(now)

    def _settle_losses(self, now: float) -> None:
        """Ask for the union of what the armed faults lose, where it differs from what was asked last."""
        for leg in Leg:
            if self._moot(leg):
                continue
            armed = (arming.damage.losses.get(leg, NO_LOSS) for run in self._runs for arming in run.armed)
            want = NO_LOSS.union(*armed)
            if leg in self._lifted:
                want = frozenset(loss for loss in want if loss.way is not Way.TO)
            if want != self._losses[leg]:
                self._losses[leg] = want
                self._do(SetLoss(leg, want))
        self._look_whether_over(now)

    # ---- commands

    def _do(self, command: Command) -> None:
        self._out.append(command)

    def _note(self, fact: Fact) -> None:
        self._out.append(Note(fact))


def _targets(damage: Damage) -> list[Leg]:
    """Return the legs that damage acts on directly."""
    legs = [*damage.losses, *(source.other for source in damage.inject)]
    return legs + [command.leg for command in damage.at_once if isinstance(command, Reset)]
