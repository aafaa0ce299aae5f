"""A proxy as a Twisted service: a door, an upstream, and the flows between them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from bustedwall.capture.tap import Tap
from bustedwall.flow.recorded import NOTHING, Recorded
from bustedwall.flow.table import FlowTable
from bustedwall.kernel.sockets import Socket
from bustedwall.policy.address import Address, Passed
from bustedwall.policy.rules import AtSignal, Rule
from bustedwall.policy.setup import ProxySetup
from bustedwall.relay.drain import Drain
from bustedwall.relay.listener import Listener, listen
from bustedwall.relay.plane import DataPlane
from bustedwall.relay.reception import Reception, introduction
from bustedwall.relay.ruling import Ruling
from bustedwall.relay.seats import Seats
from bustedwall.relay.tcpflow import TcpFlow
from bustedwall.relay.upstream import Upstream
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door
from bustedwall.terms.facts import Fact, ProxyListening, RulesChanged
from bustedwall.terms.proxy_header import Header

Record = Callable[[str | None, int | None, Fact], None]
"""Where facts go: the proxy's name or None, the flow's number or None, the fact."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """How much was in force when rules were taken away."""

    rules: int = 0
    faults: int = 0
    flows: int = 0
    """On which something was armed."""

    def __add__(self, other: Cleared) -> Cleared:
        return Cleared(self.rules + other.rules, self.faults + other.faults, self.flows + other.flows)


class Proxy(Service):
    """One listener with its upstream and its rules.

    `startService` raises OSError if an address cannot be had. `stopService` closes the door and
    ends every flow with a RST on both legs.
    """

    def __init__(
        self,
        plane: DataPlane,
        setup: ProxySetup,
        *,
        dice: Dice,
        record: Record,
        verbose: bool = False,
        door: socket.socket | None = None,
        admitted: int = 0,
        tap: Tap | None = None,
        recorded: Recorded = NOTHING,
    ) -> None:
        self.setName(setup.name)
        self.proxy_name = setup.name
        self.poller = plane.poller
        self.alarm = plane.alarm
        self.held = plane.held
        self.doors = plane.doors
        self._names = plane.names
        self.upstream = Upstream(plane.names, plane.alarm, setup.upstream, setup.source, setup.mss)
        self.verbose = verbose
        """Record also what every flow does: accepted, opened, finished, closed."""
        self.setup = setup
        """What the config says of this proxy."""
        self.rules: tuple[Rule, ...] = ()
        """Those in force: of the setup, once the door is open."""
        self.cleared = False
        """All rules were taken away, and nothing has changed since."""
        self._record = record
        self._door = door
        """A socket that listens already; None: `startService` opens one."""
        self._listener: Listener | None = None
        self.tap: Tap | None = None
        """Captures the flows that come, if they are captured."""
        self._take_tap(tap)
        self.flows: set[TcpFlow] = set()
        self._seats = Seats(setup.limits.flows, plane.seats)
        self._reception = Reception(
            plane.poller, plane.alarm, self._admit, self._seats.give_back, partial(self.record, None)
        )
        self._drain: Drain | None = None
        self.table = FlowTable(dice, setup.limits, admitted, plane.held, recorded)
        self.table.make_dry(dry=setup.dry_run)
        self.table.tell_turns(told=setup.turns)
        self._ruling = Ruling(self.table, plane.alarm, self.flows, self._set_door, partial(self.record, None))

    @property
    def has_door(self) -> bool:
        """Tell whether clients can come."""
        return self._listener is not None

    @property
    def address(self) -> Address:
        """Where clients connect, with the port that the kernel picked; the service must be running."""
        assert self._listener is not None
        return self._listener.address

    def startService(self) -> None:  # noqa: N802 (Twisted's name)
        """Open the door."""
        for notice in self.setup.notices:
            self.record(None, notice)
        self._listen(self._door or self._opened())
        super().startService()
        self.rules = self.setup.rules
        self._ruling.change(self.rules)

    def stopService(self) -> None:  # noqa: N802 (Twisted's name)
        """Shut the door and end every flow."""
        super().stopService()
        self._ruling.stop()
        self.shut()
        self.end_flows()
        self._take_tap(None)

    def shut(self) -> None:
        """Shut the door for good; a client that comes meets a closed port. Open flows go on, with their rules."""
        self._shut_door()
        self._reception.close()

    def end_flows(self) -> None:
        """End every flow now, both legs by RST."""
        if self._drain is not None:
            self._drain.end_now()
        for flow in tuple(self.flows):
            flow.abort()

    def drain(self, seconds: float) -> Deferred[None]:
        """Shut the door and wait for the open flows, so long at most; then end the rest."""
        self.shut()
        self._drain = Drain(self.poller.reactor, self.flows, seconds, partial(self.record, None))
        return self._drain.over

    def runs(self, setup: ProxySetup) -> bool:
        """Tell whether this is the setup."""
        return setup == self.setup

    def change(self, setup: ProxySetup, door: socket.socket | None, tap: Tap | None = None) -> None:
        """Have another setup from now on, and another door if there is one; open flows keep their connections.

        Those that are captured are so to their end, by the tap that they have.
        """
        self._take_tap(tap)
        before, self.setup = self.setup, setup
        self.cleared = False
        for notice in setup.notices:
            if notice not in before.notices:
                self.record(None, notice)
        self.upstream = Upstream(self._names, self.alarm, setup.upstream, setup.source, setup.mss)
        self.table.limit(setup.limits)
        self.table.make_dry(dry=setup.dry_run)
        self.table.tell_turns(told=setup.turns)
        self._seats.resize(setup.limits.flows)
        if self._listener is not None:
            self._listener.clamp(setup.mss)
        if door is not None:
            self._shut_door()
            self._listen(door)
            self._set_door(self.table.door)
        self.apply(setup.rules)

    def apply(self, rules: tuple[Rule, ...]) -> None:
        """Have these rules from now on: unchanged ones go on, the others end, on open flows too."""
        before, self.rules = self.rules, rules
        added, removed = _names(rules, but=before), _names(before, but=rules)
        self._ruling.change(rules)
        if added or removed:
            self.record(None, RulesChanged(added, removed, len(rules) - len(added)))

    def share_port(self, *, shared: bool) -> None:
        """Let another socket of ours listen on the same port, until the door is shut."""
        if self._listener is not None:
            self._listener.share_port(shared=shared)

    def clear(self) -> Cleared:
        """Take all policies away; open flows go on, healed."""
        armed = [flow.logic.armed for flow in self.flows if flow.logic is not None]
        cleared = Cleared(
            rules=len(self.rules),
            faults=len(self.table.armed) + sum(map(len, armed)),
            flows=sum(map(bool, armed)),
        )
        self.cleared = self.cleared or bool(self.rules)
        self.setup = self.setup.with_policies(())
        self.apply(())
        return cleared

    def signal(self, name: str) -> int:
        """Fire a signal: the moment of every rule that waits for it has come; return how many those are."""
        self._ruling.signal(name)
        return sum(rule.when == AtSignal(name) for rule in self.rules)

    def record(self, flow: int | None, fact: Fact) -> None:
        """Record a fact of this proxy, or of one of its flows."""
        self._record(self.proxy_name, flow, fact)

    def flow_closed(self, flow: TcpFlow) -> None:
        """Forget a flow whose sockets are closed."""
        self.flows.discard(flow)
        self._seats.give_back()
        if self.table.leave(self.poller.clock()):
            self._ruling.flows_changed()
        if self._drain is not None:
            self._drain.flow_closed()

    def _accept(self, sock: Socket, client: tuple[str, int]) -> None:
        heard = self.setup.proxy_protocol
        if heard.hears:
            self._reception.receive(sock, client, heard.within)
            self._seats.take()
        else:
            self._admit(sock, client)

    def _admit(self, sock: Socket, client: tuple[str, int], header: Header | None = None) -> None:
        tells, via, peer = self.setup.proxy_protocol.tells, None, client
        told = b"" if tells is None else introduction(tells, sock, client, header)
        if header is not None and header.ends is not None:
            client, via = (str(header.ends.source), header.ends.source_port), str(Address(*client))
        logic = self.table.admit(client[0], self.poller.clock())
        flow = TcpFlow(self, self.table.admitted, client[0], logic, sock)
        if self.tap is not None and self.tap.begin(flow.number, sock.getsockname()[:2], peer):
            flow.tap = self.tap
        flow.header = told
        self.flows.add(flow)
        if header is None:
            self._seats.take()  # who was in the reception has one
        for fact in self.table.draws(flow):
            flow.note(fact)
        if self.table.crowded:
            self._ruling.flows_changed()  # before anybody can see that the flow is there
        self.poller.guard(flow, partial(flow.start, client, via))

    def _take_tap(self, tap: Tap | None) -> None:
        """Have flows that come from now on be captured by this one."""
        if self.tap is not None and self.tap is not tap:
            self.tap.leave()
        self.tap = tap
        if tap is not None:
            tap.record = self.record

    def _shut_door(self) -> None:
        if self._listener is not None:
            self.doors.shut(self.proxy_name)
            self._listener.close()
            self._listener = None

    def _opened(self) -> socket.socket:
        assert isinstance(self.setup.listen, Address), "a socket that is passed on is opened by who has it"
        return listen(self.setup.listen, mss=self.setup.mss)

    def _listen(self, sock: socket.socket) -> None:
        lent = isinstance(self.setup.listen, Passed)
        self._listener = Listener(self.poller, sock, self._seats, self._accept, self._ruling.note, lent=lent)
        self._listener.clamp(self.setup.mss)
        self.doors.open(self.proxy_name, sock.getsockname())
        self.record(None, ProxyListening(str(self.address), str(self.upstream.address)))

    def _set_door(self, door: Door) -> None:
        if self._listener is not None:  # a proxy that drains has rules, but no door any more
            self._listener.set_door(door)


def _names(rules: Collection[Rule], *, but: Collection[Rule]) -> tuple[str, ...]:
    return tuple(rule.name for rule in rules if rule not in but)
