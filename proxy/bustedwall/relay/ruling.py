"""A proxy's table, performed: its clock, its door, and the word to all flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from bustedwall.flow.orders import (
    CallRule,
    FlowsChanged,
    RulesChanged,
    SetDoor,
    Signalled,
    TableCommand,
    TableEvent,
    TellRules,
)
from bustedwall.flow.table import FlowTable
from bustedwall.policy.rules import Rule
from bustedwall.relay.alarm import Alarm
from bustedwall.relay.notes import Notes
from bustedwall.terms.door import Door
from bustedwall.terms.events import Woke
from bustedwall.terms.facts import Fact

if TYPE_CHECKING:
    from bustedwall.relay.tcpflow import TcpFlow


class Ruling(Notes):
    """Tells the table what happens and does what it says."""

    def __init__(
        self,
        table: FlowTable,
        clock: Alarm,
        flows: Iterable[TcpFlow],
        set_door: Callable[[Door], None],
        record: Callable[[Fact], None],
    ) -> None:
        super().__init__()
        self.table = table
        self.alarm: float | None = None
        self._clock = clock
        self._flows = flows
        self._set_door = set_door
        self._record = record
        self._stopped = False
        self._flows_changed = False
        """The table has yet to be told so: what it commanded before is still being performed."""

    def change(self, rules: tuple[Rule, ...]) -> None:
        """Have these rules from now on, for open flows and for those that come."""
        self._tell(RulesChanged(rules))

    def signal(self, name: str) -> None:
        """Fire a signal."""
        self._tell(Signalled(name))

    def flows_changed(self) -> None:
        """Note that a flow has come or ended, and that the door may depend on it."""
        if self.performing:
            self._flows_changed = True
        else:
            self._tell(FlowsChanged())

    def stop(self) -> None:
        """Be woken no more, not even if it is a moment of the policy that has ended the last flow."""
        self._stopped = True
        self._clock.set(self, None)

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Do what is due."""
        self._tell(Woke())

    def on_failure(self) -> None:
        """Go on after a bug, which has been logged: the flows are not to blame."""

    def record(self, fact: Fact) -> None:
        """Record a fact of the proxy."""
        self._record(fact)

    def _tell(self, event: TableEvent) -> None:
        self._obey(event)
        while self._flows_changed:
            self._flows_changed = False
            self._obey(FlowsChanged())
        if not self._stopped:
            self._clock.set(self, self.table.deadline())

    def _obey(self, event: TableEvent) -> None:
        self.begin()
        try:
            self._perform(self.table.handle(event, self._clock.now()))
        finally:
            self.end()

    def _perform(self, commands: Iterable[TableCommand]) -> None:
        for command in commands:
            match command:
                case SetDoor(door):
                    self._set_door(door)
                case CallRule(rule):
                    for flow in tuple(self._flows):
                        flow.poller.guard(flow, partial(flow.call, rule))
                case TellRules(new):
                    for flow in tuple(self._flows):
                        for fact in self.table.draws(flow, new):
                            flow.note(fact)
                        flow.poller.guard(flow, flow.change_rules)
                case _:
                    self.note(command.fact)
