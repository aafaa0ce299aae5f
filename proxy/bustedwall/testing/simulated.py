"""A relay of two pretended sockets around one flow: it obeys `Passage`, performs commands, moves time.

What it does next is drawn, so that a property holds for any chunking and any timing. Like the real
one it tells late what it has moved on its own, keeps what a slow receiver does not take and reads no
more meanwhile, answers questions that are not asked any more, and is late with its timers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.flow.rest import Rest
from bustedwall.terms.commands import (
    Close,
    Command,
    Depth,
    Dial,
    Flush,
    Measure,
    Note,
    Reset,
    Send,
    SetLoss,
    Shut,
    Vanish,
)
from bustedwall.terms.events import Accepted, Arrived, DialFailed, Ended, Event, Flushed, Measured, Opened, Passed, Woke
from bustedwall.terms.facts import Fact
from bustedwall.terms.items import Bytes, Fin, Rst
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS, Losses

Told = Event | RulesChanged | RuleCalled


class Pretended:
    """One far end: what it will send, how it ends, and what it has got; and our socket to it."""

    def __init__(self, data: bytes, ending: Fin | Rst | None) -> None:
        self.to_send = data
        self.ending = ending
        self.got = b""
        self.got_ending: str | None = None
        self.heard = 0.0
        """When it last sent bytes."""
        self.segments = 0
        self.deaf = False
        """It has reset; the flow may not know yet."""
        self.gone = False
        self.moved = 0
        """Bytes from it that the other end has got without a word to the flow."""
        self.waiting: list[tuple[bytes, bool]] = []
        """What our kernel does not take yet for it, and whether the flow knows."""
        self.flush: Depth | None = None


class SimulatedRelay:
    """Runs a flow until nothing more can happen; raises AssertionError if it would go on for ever."""

    MOST_STEPS = 5000

    def __init__(
        self,
        flow: Flow,
        client: Pretended,
        server: Pretended,
        dice: Random,
        orders: Sequence[RulesChanged | RuleCalled] = (),
        *,
        upstream: bool = True,
    ) -> None:
        """`orders` are told at drawn moments, in order; without an `upstream` nobody can be dialled."""
        self.flow = flow
        self.rests = 0
        self.told = 0
        """Events so far."""
        self.facts: list[Fact] = []
        self.ends = {Leg.CLIENT: client, Leg.SERVER: server}
        self.now = 0.0
        self.losses: dict[Leg, Losses] = dict.fromkeys(Leg, NO_LOSS)
        self.taken = 0
        """Bytes that were read."""
        self.thrown_away = 0
        """Bytes that were read, and went nowhere, without the flow."""
        self._dice = dice
        self._orders = list(orders)
        self._upstream = upstream
        self._dialling = self._opened = False
        self._answers: list[Event] = []

    def run(self) -> None:
        """Do things in a drawn order until there is nothing to do."""
        self.tell(Accepted())
        self.go_on()

    def go_on(self) -> None:
        """Do things until there is nothing to do."""
        for _ in range(self.MOST_STEPS):
            if self._answers:
                self.tell(self._answers.pop(0))
                continue
            actions = self._actions()
            due = self.flow.deadline()
            if not actions and due is None:
                return
            if due is not None and (not actions or self._dice.random() < 0.2):
                self.now = max(self.now, due) + self._dice.choice([0.0, 0.0, 0.01])
                if self._dice.random() < 0.4 or not actions:
                    self.tell(Woke())
                    continue  # otherwise it is late, and something else comes first
            self._dice.choice(actions)()
            self.now += self._dice.choice([0.0, 0.0, 0.0, 0.05])
        raise AssertionError("the flow never comes to rest")

    def _actions(self) -> list[Callable[[], None]]:
        actions: list[Callable[[], None]] = [partial(self._accept, leg) for leg in Leg if self.ends[leg].waiting]
        if self.flow.over:
            return actions
        actions += [partial(self._read, leg) for leg in Leg if self._may_read(leg)]
        actions += [partial(self._flushed, leg) for leg in Leg if self.ends[leg].flush and not self.ends[leg].waiting]
        if self._dialling:
            actions.append(self._dialled)
        if self._orders and (not actions or self._dice.random() < 0.3):
            actions.append(lambda: self.tell(self._orders.pop(0)))
        return actions

    # ---- what happens

    def _dialled(self) -> None:
        self._dialling, self._opened = False, self._upstream
        self.tell(Opened() if self._upstream else DialFailed())

    def _may_read(self, leg: Leg) -> bool:
        end = self.ends[leg]
        if not self._opened or end.gone or not (end.to_send or end.ending) or self.ends[leg.other].waiting:
            return False
        return self.flow.passage(leg).credit != 0 or (not end.to_send and isinstance(end.ending, Rst))

    def _read(self, leg: Leg) -> None:
        """Take a chunk, or the ending, as the passage allows."""
        end, passage, other = self.ends[leg], self.flow.passage(leg), self.ends[leg.other]
        end.heard, end.segments = self.now, end.segments + 1
        if not end.to_send:
            ending, end.ending = end.ending, None
            assert ending is not None
            if isinstance(ending, Rst):
                end.deaf = True
                self._lose_waiting(leg)
            self.tell(Arrived(leg, ending))
            end.gone = end.gone or isinstance(ending, Rst)  # what was due first may still have spoken to it
            return
        free = None if passage.credit is None else passage.credit - end.moved
        count = self._dice.randint(1, len(end.to_send) if free is None else min(free, len(end.to_send)))
        chunk, end.to_send = end.to_send[:count], end.to_send[count:]
        self.taken += count
        if other.gone or other.got_ending:
            self.thrown_away += count  # nobody is there to get it
        elif passage.look:
            self.tell(Arrived(leg, Bytes(chunk)))
        else:
            self._write(leg.other, chunk, known=False)
            if free == count and not other.waiting:
                self._tell_moved()

    def _write(self, leg: Leg, data: bytes, *, known: bool) -> None:
        end = self.ends[leg]
        if end.deaf:
            self.thrown_away += len(data)
            return
        end.waiting.append((data, known))
        if len(end.waiting) == 1 and self._dice.random() < 0.7:
            self._take(leg, len(data))

    def _take(self, leg: Leg, count: int) -> None:
        """Have our kernel accept some of what waits."""
        end = self.ends[leg]
        data, known = end.waiting.pop(0)
        end.got += data[:count]
        if not known:
            self.ends[leg.other].moved += len(data[:count])
        if data[count:]:
            end.waiting.insert(0, (data[count:], known))

    def _accept(self, leg: Leg) -> None:
        self._take(leg, self._dice.randint(1, len(self.ends[leg].waiting[0][0])))
        if not self.ends[leg].waiting:
            self._tell_moved()

    def _flushed(self, leg: Leg) -> None:
        depth, self.ends[leg].flush = self.ends[leg].flush, None
        assert depth is not None
        self._answers.append(Flushed(leg, depth))
        if self._dice.random() < 0.2:
            self.now = max(self.now, self.flow.deadline() or 0.0)  # something may be due before the answer

    def _lose_waiting(self, leg: Leg) -> None:
        end = self.ends[leg]
        self.thrown_away += sum(len(data) for data, _ in end.waiting)
        end.waiting.clear()

    # ---- the flow

    def tell(self, event: Told) -> None:
        """Tell an event, after what moved without a word; see that the deadline neither goes back nor spins."""
        self._tell_moved()
        self._handle(event)

    def _tell_moved(self) -> None:
        for leg, end in self.ends.items():
            if end.moved:
                moved, end.moved = end.moved, 0
                self._handle(Passed(leg, moved))

    def _handle(self, event: Told) -> None:
        self.told += 1
        for command in self.flow.handle(event, self.now):
            self._perform(command)
        due = self.flow.deadline()
        assert due is None or due >= self.now, "the deadline goes back"
        assert due is None or due > self.now or not isinstance(event, Woke), "the deadline spins"
        if not self.flow.over and self._dice.random() < 0.5 and (resting := self.flow.rest()) is not None:
            self._put_to_sleep(resting)

    def _put_to_sleep(self, resting: Rest) -> None:
        """Have another logic go on with what is remembered of this one, as a relay would when that is due."""
        old, new = self.flow, Flow((), commons=self.flow._commons, number=self.flow._number)
        new.join_late({leg: direction.passed for leg, direction in old._directions.items()}, opened=True)
        assert new.handle(RulesChanged(resting.rules), resting.since) == []
        assert new.deadline() == resting.due
        assert not old.held
        old.close()
        self.flow = new
        self.rests += 1

    def _perform(self, command: Command) -> None:  # noqa: C901 (one case per command)
        match command:
            case Send(leg, data, _):
                end = self.ends[leg]
                assert data, "an empty Send"
                assert end.got_ending is None, f"bytes leave for the {leg.value} after its {end.got_ending}"
                self._write(leg, data, known=True)
            case Shut(leg):
                self._end(leg, "FIN", whole=False)
            case Reset(leg):
                self._end(leg, "RST")
            case Close(leg, unread):
                self._end(leg, "RST" if unread else "FIN")
                if unread:
                    self._answers.append(Ended(leg))
            case Vanish(leg):
                self._end(leg, "nothing")
            case Dial():
                self._dialling = True
            case Measure(leg):
                end = self.ends[leg]
                self._answers.append(Measured(leg, self.now - end.heard, end.segments))
            case Note(fact):
                self.facts.append(fact)
            case Flush(leg, depth):
                self.ends[leg].flush = depth
            case SetLoss(leg, losses):
                assert not self.ends[leg].gone, "a loss of a leg that has ended"
                self.losses[leg] = losses

    def _end(self, leg: Leg, ending: str, *, whole: bool = True) -> None:
        end = self.ends[leg]
        assert not end.gone, f"{ending} to a leg that has ended"
        assert end.got_ending is None or (whole and end.got_ending == "FIN"), f"{ending} after {end.got_ending}"
        end.got_ending = ending
        if whole:
            end.gone = True
            self._lose_waiting(leg)
