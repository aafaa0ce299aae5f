"""A proxy as a Twisted service: a door, an upstream, and the flows between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from bustedwall.flow.table import FlowTable
from bustedwall.kernel.sockets import Socket
from bustedwall.policy.address import Address
from bustedwall.policy.load import ProxySetup
from bustedwall.policy.rules import Rule
from bustedwall.relay.alarm import Alarm
from bustedwall.relay.dial import Upstream
from bustedwall.relay.drain import Drain
from bustedwall.relay.listener import Listener, listen
from bustedwall.relay.poller import Poller, Reactor
from bustedwall.relay.reception import Reception, introduction
from bustedwall.relay.ruling import Ruling
from bustedwall.relay.tcpflow import TcpFlow
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door
from bustedwall.terms.facts import Fact, ProxyListening
from bustedwall.terms.proxy_header import Header

Record = Callable[[str, int | None, Fact], None]
"""Where facts go: the proxy's name, the flow's number or None, the fact."""


class DataPlane:
    """What the proxies of one reactor share: the epoll and the timer."""

    def __init__(self, reactor: Reactor) -> None:
        self.poller = Poller(reactor)
        self.alarm = Alarm(self.poller)

    def close(self) -> None:
        """Leave the reactor; all proxies must have been stopped."""
        self.alarm.close()
        self.poller.close()


class Proxy(Service):
    """One listener with its upstream and its rules.

    `startService` raises OSError if the address cannot be had. `stopService` closes the door and
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
    ) -> None:
        self.setName(setup.name)
        self.proxy_name = setup.name
        self.poller = plane.poller
        self.alarm = plane.alarm
        self.upstream = Upstream(plane.poller.reactor, setup.upstream)
        self.verbose = verbose
        """Record also what every flow does: accepted, opened, finished, closed."""
        self._setup = setup
        self._record = record
        self._listener: Listener | None = None
        self._flows: set[TcpFlow] = set()
        self._reception = Reception(plane.poller, plane.alarm, self._admit, partial(self.record, None))
        self._drain: Drain | None = None
        self.table = FlowTable(dice, setup.limits)
        self._ruling = Ruling(self.table, plane.alarm, self._flows, self._set_door, partial(self.record, None))

    @property
    def address(self) -> Address:
        """Where clients connect, with the port that the kernel picked; the service must be running."""
        assert self._listener is not None
        return self._listener.address

    def startService(self) -> None:  # noqa: N802 (Twisted's name)
        """Open the door."""
        self._listener = Listener(self.poller, listen(self._setup.listen), self._accept, self._ruling.note)
        super().startService()
        self.record(None, ProxyListening(str(self.address), str(self.upstream.address)))
        self._ruling.change(self._setup.rules)

    def stopService(self) -> None:  # noqa: N802 (Twisted's name)
        """Shut the door and end every flow."""
        super().stopService()
        self._ruling.stop()
        self.shut()
        self.end_flows()

    def shut(self) -> None:
        """Shut the door for good; a client that comes meets a closed port. Open flows go on, with their rules."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._reception.close()

    def end_flows(self) -> None:
        """End every flow now, both legs by RST."""
        if self._drain is not None:
            self._drain.end_now()
        for flow in tuple(self._flows):
            flow.abort()

    def drain(self, seconds: float) -> Deferred[None]:
        """Shut the door and wait for the open flows, so long at most; then end the rest."""
        self.shut()
        self._drain = Drain(self.poller.reactor, self._flows, seconds, partial(self.record, None))
        return self._drain.over

    def apply(self, rules: tuple[Rule, ...]) -> None:
        """Have these rules from now on: unchanged ones go on, the others end, on open flows too."""
        self._setup = replace(self._setup, rules=rules)
        self._ruling.change(rules)

    def signal(self, name: str) -> None:
        """Fire a signal: the moment of every rule that waits for it has come."""
        self._ruling.signal(name)

    def record(self, flow: int | None, fact: Fact) -> None:
        """Record a fact of this proxy, or of one of its flows."""
        self._record(self.proxy_name, flow, fact)

    def flow_closed(self, flow: TcpFlow) -> None:
        """Forget a flow whose sockets are closed."""
        self._flows.discard(flow)
        if self._drain is not None:
            self._drain.flow_closed()

    def _accept(self, sock: Socket, client: tuple[str, int]) -> None:
        heard = self._setup.proxy_protocol
        if heard.hears:
            self._reception.receive(sock, client, heard.within)
        else:
            self._admit(sock, client)

    def _admit(self, sock: Socket, client: tuple[str, int], header: Header | None = None) -> None:
        tells, via = self._setup.proxy_protocol.tells, None
        told = b"" if tells is None else introduction(tells, sock, client, header)
        if header is not None and header.ends is not None:
            client, via = (str(header.ends.source), header.ends.source_port), str(Address(*client))
        logic = self.table.admit(client[0], self.poller.clock())
        flow = TcpFlow(self, self.table.admitted, client[0], logic, sock)
        flow.header = told
        self._flows.add(flow)
        for fact in self.table.draws(flow.number):
            flow.note(fact)
        self.poller.guard(flow, partial(flow.start, client, via))

    def _set_door(self, door: Door) -> None:
        if self._listener is not None:  # a proxy that drains has rules, but no door any more
            self._listener.set_door(door)
