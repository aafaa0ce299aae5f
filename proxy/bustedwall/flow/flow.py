"""One flow, as logic.

    handle(event, now) -> commands      the only way in and the only way out
    passage(source)    -> Passage       how the relay may move bytes until the next event
    deadline()         -> time or None  when the relay has to say `Woke`

`handle` first lives through all that was due before `now`, each at its own time and in order, so a
timer that comes late changes nothing but the moment. It returns a finished list: events that happen
while the relay performs it are told afterwards. The relay answers `Flush` with `Flushed`, `Measure`
with `Measured` and `Dial` with `Opened` or `DialFailed`; bytes that it moved on its own it reports by
`Passed` before it tells anything else.

The parts: `Legs` knows how far each connection has come and what is lost on it, a `Direction` holds
what is on its way, `Moments` knows who waits for what, `Scripts` where each rule's steps stand.
"""

from __future__ import annotations

from bustedwall.flow.account import forget, settle
from bustedwall.flow.commons import Commons
from bustedwall.flow.damaged import Damaged
from bustedwall.flow.direction import Direction, Pause
from bustedwall.flow.endings import PASSED_ON, Endings
from bustedwall.flow.legs import Legs
from bustedwall.flow.lifecycle import READABLE, LegState, Move
from bustedwall.flow.moments import Moments
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.flow.rest import Rest, rest
from bustedwall.flow.rulebook import Rulebook
from bustedwall.flow.script import Scripts
from bustedwall.flow.turns import Turns
from bustedwall.flow.waiter import Waiter
from bustedwall.policy.rules import AtAccept, AtEof, AtOpen, AtReset, Rule
from bustedwall.terms.commands import Command, Depth, Send, Shut
from bustedwall.terms.dice import Dice
from bustedwall.terms.endings import RESET
from bustedwall.terms.events import (
    Accepted,
    Arrived,
    DialFailed,
    Ended,
    Event,
    Flushed,
    Measured,
    Opened,
    Passed,
    Spoke,
    Woke,
)
from bustedwall.terms.facts import FlushGaveUp, TurnSent
from bustedwall.terms.items import FIN, Bytes, Fin, Item, Rst
from bustedwall.terms.leg import Leg
from bustedwall.terms.passage import OPEN_ROAD, SHUT_ROAD, WATCHED_ROAD, Passage


class Flow(Damaged):
    """What rules do to one client connection and its upstream connection."""

    __slots__ = ("_book", "_moments", "_scripts", "_turns")

    def __init__(
        self,
        rules: tuple[Rule, ...] = (),
        *,
        commons: Commons | None = None,
        number: int = 0,
        began: float = 0.0,
        client: str = "",
    ) -> None:
        commons = Commons(Dice.seeded(0)) if commons is None else commons
        super().__init__(commons, number)
        self._moments = Moments(self._directions, self._legs, self._out, began, commons.dice, number)
        self._scripts = Scripts(self, self._out, commons)
        self._endings = Endings(self._directions, self._legs, self._scripts, self._out)
        self._book = Rulebook(commons, number, client, self._directions, self._moments, self._scripts, self._out)
        self._turns = Turns(self._legs, self._out) if commons.turns else None
        if rules:
            self._book.change(rules, began)

    @property
    def over(self) -> bool:
        """Tell whether both legs have ended; no event means anything any more."""
        return self._legs.over

    @property
    def discarded(self) -> int:
        """Return how many bytes arrived for a leg that had ended, or were held for one when it did."""
        return self._legs.discarded

    @property
    def armed(self) -> list[tuple[str, str]]:
        """Return which faults are in force, each with its rule."""
        return [(rule.name, str(arming.fault)) for rule, arming in self._scripts.armed()]

    @property
    def held(self) -> int:
        """Return how many bytes are held, in stages and at the gates."""
        return sum(direction.held() for direction in self._directions.values())

    def close(self) -> None:
        """Leave nothing for the garbage collector; there are no events any more."""
        self._scripts.close()

    def join_late(self, passed: dict[Leg, int], *, opened: bool) -> None:
        """Begin in the middle: the relay had no need of any logic before."""
        self._turns = None  # nobody counted the turns before
        self._moments.accepted = True
        self._legs.dialled = True
        self._legs.opened = self._moments.reading = opened
        for leg, count in passed.items():
            self._directions[leg].passed = count

    def passage(self, source: Leg) -> Passage:
        """Return how the relay may move the bytes of one leg now."""
        states = self._legs.states  # asked for after every event, so without a call for each answer
        if states[source] not in READABLE:
            return SHUT_ROAD
        if states[source.other] is LegState.ENDED:
            return OPEN_ROAD  # nobody is there to send to: the relay reads and throws away
        passage = self._directions[source].passage(self._commons.most_held)
        if (
            not passage.look
            and passage.credit != 0
            and (self._moments.listens() or (self._turns is not None and self._turns.looks_at(source)))
        ):
            return WATCHED_ROAD
        return passage

    def deadline(self) -> float | None:
        """Return when something is due, or None; never before the `now` that was handled last."""
        if self._legs.over:
            return None
        earliest = self._legs.orphan
        parts: tuple[Direction | Scripts | Moments, ...] = (*self._directions.values(), self._scripts, self._moments)
        for part in parts:
            due = part.due()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def handle(self, event: Event | RulesChanged | RuleCalled, now: float) -> list[Command]:
        """Return what is to be done about an event; `Woke` alone does what is due."""
        if isinstance(event, Passed):
            # They moved before now, nobody knows when; who begins to count at what is due must not count them.
            self._directions[event.source].passed += event.count
            self._moments.speaker = event.source
        while (due := self.deadline()) is not None and due <= now:
            self._live_through(due)
        if not self._legs.over:
            self._happen(event, now)
        elif isinstance(event, Arrived) and isinstance(event.item, Bytes):
            self._legs.discarded += len(event.item.data)
        if self._moments.accepted and not self._legs.dialled:
            self._legs.settle_dial(self._scripts.armed(), now)
        if self._legs.over:
            self._legs.discarded += sum(direction.close() for direction in self._directions.values())
        for direction in self._directions.values():
            if direction.stages or direction.queue or direction.load:
                settle(direction, self._commons, self._out)
        return self._out.take()

    def rest(self) -> Rest | None:
        """Return what there is to remember of this logic while nothing but silence means anything to it; None: more."""
        rules, since = self._book.untouched, self._moments.quiet_since()
        parts: tuple[Legs | Direction, ...] = (self._legs, *self._directions.values())
        if (
            rules is None
            or since is None
            or self._turns
            or self._scripts.runs
            or not all(part.untouched for part in parts)
        ):
            return None
        resting = rest(rules, since)
        # Where a clock has to ask again at once it keeps a distance, and that would be forgotten.
        return resting if resting is not None and resting.due == self.deadline() else None

    def spare(self, source: Leg) -> int:
        """Return how much more of one leg may be held, whatever its stages think."""
        return max(0, self._commons.most_held - self._directions[source].load)

    def last_turn(self, *, spoke: bool) -> TurnSent | None:
        """Return the client's turn that was under way when the relay closed the flow, if turns are told."""
        return None if self._turns is None else self._turns.last(spoke=spoke)

    def abandon(self) -> None:
        """Hold nothing any more: the relay has closed the flow."""
        forget(self._directions.values(), self._commons)

    def _happen(self, event: Event | RulesChanged | RuleCalled, now: float) -> None:  # noqa: C901, PLR0912 (one case per event)
        match event:
            case Arrived(source, item):
                self._arrive(source, item, now)
            case Passed(source):
                direction = self._directions[source]
                if direction.at_edge():
                    self._stand(direction, direction.reached(), now)
                    self._let_out(direction, now)
            case Flushed(leg, depth):
                direction = self._directions[leg.other]
                if depth is direction.flushing:
                    self._flushed(direction, now)
            case Measured():
                self._book.come(self._moments.measured(event, now), now)
            case Ended(leg):
                self._legs.closed_unread(leg, now)
            case Accepted():
                self._accept(now)
            case Spoke():
                self._legs.spoken = True
            case Opened():
                self._open(now)
            case DialFailed():
                self._fail(now)
            case RuleCalled(rule):
                self._book.fire(rule, now)
            case RulesChanged(rules):
                self._book.change(rules, now)
            case Woke():
                pass

    # ---- time

    def _live_through(self, due: float) -> None:
        """Do all that is due at one moment: bytes first, then what faults and scripts end or begin."""
        for direction in self._directions.values():
            direction.release(due)
            if direction.until is not None and direction.until <= due:
                self._out.note(FlushGaveUp(direction.source.other))
                self._flushed(direction, due)
            self._let_out(direction, due)
        self._scripts.live_through(due)
        self._book.come(self._moments.live_through(due), due)
        if self._legs.orphan is not None and self._legs.orphan <= due:
            self._legs.end_orphan(due)

    # ---- beginning

    def _accept(self, now: float) -> None:
        self._book.come(self._moments.at(AtAccept), now)
        self._moments.accepted = True

    def _fail(self, now: float) -> None:
        self._legs.move(Leg.SERVER, Move.END, now)
        if not self._legs.moot(Leg.CLIENT):
            self._legs.end(Leg.CLIENT, RESET, "upstream not reached", now)

    def _open(self, now: float) -> None:
        self._legs.dialled = self._legs.opened = True
        self._endings.settle_losses(now)
        self._moments.start_idle_clocks(now)
        if self._legs.ended(Leg.CLIENT):
            self._legs.end(Leg.SERVER, RESET, "the client's leg had ended", now)
        else:
            self._book.come(self._moments.at(AtOpen), now)
        self._moments.reading = True

    # ---- items

    def _arrive(self, source: Leg, item: Item, now: float) -> None:
        if self._turns is not None and source is Leg.SERVER and isinstance(item, Bytes):
            self._turns.arrived()
        if self._legs.ended(source):
            # It arrived in the very moment in which something that was due ended the leg.
            self._legs.discarded += len(item.data) if isinstance(item, Bytes) else 0
            return
        direction = self._directions[source]
        if isinstance(item, Fin):
            self._legs.move(source, Move.THEIR_FIN, now)
        elif not isinstance(item, Bytes):
            self._legs.discarded += self._directions[source.other].cut_off()
            self._legs.move(source, Move.END, now)
        ended = self._legs.ended(source.other)
        if ended or direction.ending is not None or (direction.closed and not isinstance(item, Rst)):
            # We ended the other leg, or half of it, or the FIN went before; only a RST has anything to add to a FIN.
            self._arrive_at_nobody(direction, item, now)
        else:
            direction.closed = not isinstance(item, Bytes)
            if direction.closed or direction.holds_up or self._legs.final(source.other):
                direction.feed(item, now)
            else:
                self._let_out_bytes(direction, item)  # type: ignore[arg-type]  # closed is: not Bytes
            self._let_out(direction, now)

    def _arrive_at_nobody(self, direction: Direction, item: Item, now: float) -> None:
        """Read and throw away; answer the FIN of a leg that is alone with ours, behind what it still has to get."""
        source = direction.source
        if isinstance(item, Bytes):
            self._legs.discarded += len(item.data)
        elif isinstance(item, Fin):
            direction.finished = True
            self._book.come(self._moments.at(AtEof, leg=source), now)
            back = self._directions[source.other]
            alone = self._legs.ended(source.other) and self._legs.states[source] is LegState.PEER_DONE
            if alone and not back.closed:
                back.closed = True
                back.feed(FIN, now)
                self._let_out(back, now)

    def _let_out(self, direction: Direction, now: float) -> None:
        """Let items through the gate until there are none or it has to pause."""
        leg = direction.source.other
        while direction.queue and direction.pause is None:
            if self._legs.final(leg):
                self._legs.discarded += direction.clear()
                return
            item = direction.take()
            if isinstance(item, Bytes):
                self._let_out_bytes(direction, item)
            elif isinstance(item, Fin) and not direction.finished:
                direction.finished = True
                direction.put_back(item)  # what rules do now comes before it
                self._stand(direction, self._moments.at(AtEof, leg=direction.source), now)
            elif isinstance(item, Fin):
                self._out.do(Shut(leg))
                self._legs.move(leg, Move.OUR_FIN, now)
            elif come := self._moments.at(AtReset, leg=direction.source):
                direction.put_back(item)
                self._stand(direction, come, now)
            else:
                self._endings.hold(direction, PASSED_ON, "peer", now)

    def _let_out_bytes(self, direction: Direction, item: Bytes) -> None:
        leg = direction.source.other
        if direction.waiters:
            for fact in direction.look(item.data):
                self._out.note(fact)
        self._moments.speaks(direction)
        data = direction.cut(item)
        if data:
            if self._turns is not None:
                self._turns.passes(direction, data)
            self._out.do(Send(leg, data, item.lost))
            direction.let_through(data)
        if direction.at_edge():
            self._out.do(direction.wait(Pause.EDGE, Depth.KERNEL))

    def _flushed(self, direction: Direction, now: float) -> None:
        """End a pause: at an edge rules fire, before an ending the ending comes."""
        pause, direction.pause, direction.until, direction.flushing = direction.pause, None, None, None
        if pause is Pause.COUNT:
            self._moments.counted(direction)
        elif pause is Pause.EDGE:
            self._stand(direction, direction.reached(), now)
        elif pause is Pause.ENDING:
            self._endings.finish(direction, now)
        self._let_out(direction, now)

    def _stand(self, direction: Direction, come: list[Waiter], now: float) -> None:
        """Let somebody's moment come; nothing passes until the immediate steps are done."""
        before, direction.pause = direction.pause, Pause.EDGE
        self._book.come(come, now)
        if direction.pause is Pause.EDGE:
            direction.pause = before
