"""A flow's logic, as a flow consults it: made when there is need of it, told, obeyed, given up while it rests.

Who has none is given it late, with the history told that it has missed: by the first RST, by a rule
that comes or is called, and, where rules wait for silence, when that may have come. Then the kernel is
asked; was it too early, only the time of the last byte is kept until the next time (flow/rest).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.policy.rules import Rule
from bustedwall.relay.leg import UNLIMITED, TcpLeg
from bustedwall.relay.notes import Notes
from bustedwall.relay.perform import perform
from bustedwall.terms.events import Arrived, Event, Passed, Woke
from bustedwall.terms.items import FIN
from bustedwall.terms.leg import Leg

if TYPE_CHECKING:
    from bustedwall.flow.rest import Rest
    from bustedwall.relay.poller import Poller
    from bustedwall.relay.reservoir import Reservoir
    from bustedwall.relay.service import Proxy

Told = Event | RulesChanged | RuleCalled


class Consulting(Notes):
    """The part of a flow that talks to its logic."""

    __slots__ = ("_events", "_resting", "logic")

    proxy: Proxy
    poller: Poller
    held: Reservoir
    number: int
    address: str
    began: float
    others: int
    opened: bool
    closed: bool

    def __init__(self, logic: Flow | None) -> None:
        super().__init__()
        self.logic = logic
        self._resting: Rest | None = None
        self._events: list[Told | None] = []

    @abstractmethod
    def legs(self) -> tuple[TcpLeg, ...]:
        """Return the legs that there are."""

    @abstractmethod
    def leg(self, name: Leg) -> TcpLeg:
        """Return a leg by name; the server's must be there."""

    @abstractmethod
    def dial(self) -> None:
        """Connect the upstream."""

    @abstractmethod
    def try_flush(self, leg: TcpLeg) -> None:
        """Tell the logic that a leg's bytes have come as far as it asked, if they have."""

    @abstractmethod
    def on_failure(self) -> None:
        """End the flow after a bug of ours."""

    @abstractmethod
    def set_alarm(self) -> None:
        """Be woken when the next thing is due."""

    @abstractmethod
    def close_if_done(self) -> None:
        """End once nothing more can happen."""

    # ---- telling

    def tell(self, event: Told | None) -> None:
        """Tell the logic an event, after the bytes that moved without it, and perform what it commands.

        None tells the bytes only. What happens during the performance is told afterwards.
        """
        self._events.append(event)
        if self.performing:
            return
        self.begin()
        try:
            while self._events:
                self._tell(self._events.pop(0))
        finally:
            self.end()
        self.close_if_done()
        if not self.closed:
            self.refresh()
            self.set_alarm()

    def _tell(self, event: Told | None) -> None:
        logic, now = self.logic, self.poller.clock()
        assert logic is not None
        for leg in self.legs():
            moved = leg.moved - leg.told
            if moved > 0:
                leg.told = leg.moved
                perform(self, logic.handle(Passed(leg.name, moved), now))
        if event is not None:
            perform(self, logic.handle(event, now))

    def call(self, rule: Rule) -> None:
        """Tell the logic that a moment of a policy has come, if the rule matches this flow."""
        if self.proxy.table.touches(rule, self):
            self.change_rules()
            self.tell(RuleCalled(rule))

    def change_rules(self) -> None:
        """Tell the logic the rules of this flow, which may be others than before."""
        rules = self.proxy.table.rules_of(self)
        if rules or self._resting is not None or self.logic is not None:
            self.get_logic()
            self.tell(RulesChanged(rules))

    def refresh(self) -> None:
        """Ask the logic how each leg may be read from now on."""
        assert self.logic is not None
        if self.held.full:
            self.held.press(self)  # to be asked again when it is not
        for leg in self.legs():
            if leg.dead or leg.eof or not self.opened:
                continue
            passage = self.logic.passage(leg.name)
            leg.look = passage.look
            if passage.credit is None:
                leg.credit = UNLIMITED
            else:
                leg.credit = passage.credit if passage.look else passage.credit - leg.owed
            if leg.ready and leg.credit:
                leg.resume()

    # ---- having one or none

    def get_logic(self) -> None:
        """Give a flow that has none the logic of no rules, or the one that rests, and the history that matters."""
        if self.logic is not None:
            return
        moved = {leg.name: leg.moved for leg in self.legs()}
        resting, self._resting = self._resting, None
        self.logic = self.proxy.table.join(self, moved, opened=self.opened, resting=resting)
        for leg in self.legs():
            leg.told = leg.moved
            if leg.eof:
                self.logic.handle(Arrived(leg.name, FIN), self.began)  # has been performed

    def begin_rest(self) -> None:
        """Begin without a logic: both legs are up."""
        self._resting = self.proxy.table.rest(self, self.poller.clock())
        if self._resting is not None:
            self.set_alarm()

    def awake(self, now: float) -> None:
        """Have the logic do what is due, and rest again if it was nothing."""
        if self._resting is not None:
            if now < self._resting.due:
                self.set_alarm()
                return
            self.get_logic()
        if self.logic is None:
            return
        self.tell(Woke())
        if not self.closed and (resting := self.logic.rest()) is not None:
            self.logic.abandon()
            self.logic.close()
            self.held.forget(self)
            self.logic, self._resting = None, resting
            self.set_alarm()

    def due(self) -> float | None:
        """Return when the logic has something to do, or None."""
        if self.logic is not None:
            return self.logic.deadline()
        return None if self._resting is None else self._resting.due
