"""A relay of two pretended sockets around one flow: it obeys `Passage`, performs commands, moves time.

What it does next is drawn, so that a property holds for any chunking and any timing.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.terms.commands import Close, Command, Dial, Flush, Measure, Note, Reset, Send, SetLoss, Shut, Vanish
from bustedwall.terms.events import Accepted, Arrived, Ended, Event, Flushed, Measured, Opened, Passed, Woke
from bustedwall.terms.facts import Fact
from bustedwall.terms.items import Bytes, Fin, Rst
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS, Losses


class Pretended:
    """One far end: what it will send, how it ends, and what it has got."""

    def __init__(self, data: bytes, ending: Fin | Rst | None) -> None:
        self.to_send = data
        self.ending = ending
        self.got = b""
        self.got_ending: str | None = None
        self.heard = 0.0
        """When it last sent bytes."""
        self.segments = 0
        self.gone = False


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
    ) -> None:
        """`orders` are told at drawn moments, in order."""
        self.flow = flow
        self.facts: list[Fact] = []
        self._orders = list(orders)
        self._last_due = 0.0
        self.ends = {Leg.CLIENT: client, Leg.SERVER: server}
        self.now = 0.0
        self.losses: dict[Leg, Losses] = dict.fromkeys(Leg, NO_LOSS)
        self._dice = dice
        self._flushing: list[Leg] = []
        self._answers: list[Event] = []

    def run(self) -> None:
        """Do things in a drawn order until there is nothing to do."""
        self._tell(Accepted())
        for _ in range(self.MOST_STEPS):
            choices = [leg for leg in Leg if self._may_read(leg)]
            if self._orders and self._dice.random() < 0.1:
                self._tell(self._orders.pop(0))
            elif self._answers:
                self._tell(self._answers.pop(0))
            elif self._flushing and (not choices or self._dice.random() < 0.5):
                self._tell(Flushed(self._flushing.pop(0)))
            elif choices and self._dice.random() < 0.7:
                self._read(self._dice.choice(choices))
            elif (due := self.flow.deadline()) is not None:
                assert due >= self._last_due or due >= self.now, "the deadline goes back"
                self._last_due = due
                self.now = max(self.now, due) + self._dice.choice([0.0, 0.0, 0.01])
                self._tell(Woke())
                after = self.flow.deadline()
                assert after is None or after > due, "the deadline spins"
            elif not choices and not self._orders:
                return
            else:
                self.now += self._dice.random() * 0.2
        raise AssertionError("the flow never comes to rest")

    def _may_read(self, leg: Leg) -> bool:
        end = self.ends[leg]
        if self.flow.over or end.gone or not (end.to_send or end.ending):
            return False
        return self.flow.passage(leg).credit != 0 or (not end.to_send and isinstance(end.ending, Rst))

    def _read(self, leg: Leg) -> None:
        """Take a chunk, or the ending, as the passage allows."""
        end, passage = self.ends[leg], self.flow.passage(leg)
        end.heard, end.segments = self.now, end.segments + 1
        if not end.to_send:
            ending, end.ending = end.ending, None
            assert ending is not None
            self._tell(Woke())  # what is due at this very moment comes first, and may still speak to this leg
            end.gone = isinstance(ending, Rst)
            self._tell(Arrived(leg, ending))
            return
        most = len(end.to_send) if passage.credit is None else min(passage.credit, len(end.to_send))
        count = self._dice.randint(1, most)
        chunk, end.to_send = end.to_send[:count], end.to_send[count:]
        if self.ends[leg.other].gone or self.ends[leg.other].got_ending:
            return  # nobody is there to get it: a relay reads and throws away, without a word
        if passage.look:
            self._tell(Arrived(leg, Bytes(chunk)))
        else:
            self._deliver(leg.other, chunk)
            self._tell(Passed(leg, count))

    def _tell(self, event: Event | RulesChanged | RuleCalled) -> None:
        for command in self.flow.handle(event, self.now):
            self._perform(command)

    def _perform(self, command: Command) -> None:  # noqa: C901 (one case per command)
        match command:
            case Send(leg, data, _):
                self._deliver(leg, data)
            case Shut(leg):
                self._end(leg, "FIN")
            case Reset(leg):
                self._end(leg, "RST")
                self.ends[leg].gone = True
            case Close(leg, unread):
                self._end(leg, "RST" if unread else "FIN")
                self.ends[leg].gone = True
                if unread:
                    self._answers.append(Ended(leg))
            case Vanish(leg):
                self._end(leg, "nothing")
                self.ends[leg].gone = True
            case Dial():
                self._answers.append(Opened())
            case Measure(leg):
                end = self.ends[leg]
                self._answers.append(Measured(leg, self.now - end.heard, end.segments))
            case Note(fact):
                self.facts.append(fact)
            case Flush(leg, _):
                self._flushing.append(leg)
            case SetLoss(leg, losses):
                self.losses[leg] = losses

    def _deliver(self, leg: Leg, data: bytes) -> None:
        end = self.ends[leg]
        assert data, "an empty Send"
        assert end.got_ending is None, f"bytes leave for the {leg.value} after its {end.got_ending}"
        end.got += data

    def _end(self, leg: Leg, ending: str) -> None:
        end = self.ends[leg]
        assert not end.gone, f"{ending} to a leg that has ended"
        assert end.got_ending in (None, "FIN"), f"{ending} after {end.got_ending}"
        end.got_ending = ending
