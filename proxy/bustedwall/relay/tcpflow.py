"""A flow as two sockets: dial, relay, tell the logic, close.

Most flows have no logic, because no rule can touch them: then a FIN is passed on here, in one line,
and bytes never meet policy code. A RST is not that simple (bytes before it have to go out, for a
while), so the first one gives the flow its logic late; see relay/consulting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bustedwall.capture.tap import Tap
from bustedwall.flow.endings import FLUSH_LIMIT
from bustedwall.flow.flow import Flow
from bustedwall.kernel.endings import errno_name, reset, unsent
from bustedwall.kernel.sockets import Socket
from bustedwall.policy.address import Address
from bustedwall.relay.consulting import Consulting
from bustedwall.relay.dial import Dialling
from bustedwall.relay.ending import end_leg
from bustedwall.relay.leg import UNLIMITED, TcpLeg
from bustedwall.relay.poller import IN, Poller
from bustedwall.terms.commands import Depth
from bustedwall.terms.endings import How
from bustedwall.terms.events import Accepted, Arrived, DialFailed, Ended, Flushed, Opened, Spoke
from bustedwall.terms.facts import (
    Fact,
    FlowAccepted,
    FlowClosed,
    FlowFailed,
    FlowOpened,
    PeerFinished,
    PeerLost,
)
from bustedwall.terms.items import FIN, RST
from bustedwall.terms.leg import Leg

if TYPE_CHECKING:
    from bustedwall.relay.service import Proxy

FLUSH_POLL = 0.001
"""Seconds between two looks at an unsent queue; the kernel announces when it has room, not when it is empty."""


class TcpFlow(Consulting):
    """One client connection and its upstream connection."""

    __slots__ = (
        "_grave",
        "address",
        "alarm",
        "began",
        "client",
        "closed",
        "dialling",
        "discarded",
        "header",
        "held",
        "number",
        "opened",
        "others",
        "poller",
        "proxy",
        "server",
        "tap",
    )

    def __init__(self, proxy: Proxy, number: int, address: str, logic: Flow | None, sock: Socket) -> None:
        super().__init__(logic)
        self.proxy = proxy
        self.poller: Poller = proxy.poller
        self.held = proxy.held
        self.number = number
        self.address = address
        """The client's, without its port."""
        self.others = proxy.table.flows - 1
        """How many others were open when it came."""
        self.header = b""
        """What the upstream is told first; no byte of the client's."""
        self.client = TcpLeg(self, Leg.CLIENT, sock)
        self.server: TcpLeg | None = None
        self.dialling: Dialling | None = None
        self.opened = self.closed = False
        self.discarded = 0
        self.alarm: float | None = None
        self.tap: Tap | None = None
        """Captures it, if it is captured."""
        self._grave: float | None = None
        """When a leg that is gone is buried, whether or not all that it had sent was taken."""
        self.began = self.poller.clock()

    # ---- beginning

    def start(self, client: tuple[str, int], via: str | None = None) -> None:
        """Take the client in and dial the upstream."""
        if self.proxy.verbose:
            self.note(FlowAccepted(str(Address(*client)), via))
        self.poller.watch(self.client.fd, self.client)
        if self.logic is None:
            self.dial()
        else:
            self.tell(Accepted())

    def dial(self) -> None:
        """Connect the upstream."""
        self.dialling = Dialling(self)
        self.dialling.start()

    def dial_failed(self) -> None:
        """Give the client what it would have got from the upstream: a RST."""
        self.dialling = None
        self.get_logic()
        self.tell(DialFailed())

    def open(self, sock: Socket, address: str, *, watched: bool) -> None:
        """Start to relay; both legs are up."""
        self.dialling = None
        self.opened = True
        client, server = self.client, TcpLeg(self, Leg.SERVER, sock)
        self.server = server
        client.peer, server.peer = server, client
        if self.proxy.verbose:
            self.note(FlowOpened(address))
        if watched:
            self.poller.hand_over(server.fd, server)
        else:
            self.poller.watch(server.fd, server)
        if self.logic is None:
            client.credit = server.credit = UNLIMITED
            self.begin_rest()
            client.resume()
        else:
            self.tell(Opened())

    # ---- what legs report

    def finish(self, leg: TcpLeg) -> None:
        """Pass a FIN on."""
        if self.proxy.verbose:
            self.note(PeerFinished(leg.name))
        if self.logic is not None:
            self.tell(Arrived(leg.name, FIN))
        else:
            if leg.shut and leg.peer.eof and not leg.peer.blocked:
                leg.peer.shut = True  # the last of the two: closing the socket sends the FIN
            else:
                leg.peer.finish()
            self.close_if_done()

    def spoke(self) -> None:
        """Note that the client has sent something before the upstream is dialled, if it is not being dialled yet."""
        if self.logic is not None and self.dialling is None:
            self.tell(Spoke())

    def lose(self, leg: TcpLeg, error: int | None) -> None:
        """Note that a leg's connection is dead; what it had sent before is still taken, for a while."""
        if leg.gone:
            return
        leg.gone = True
        self.note(PeerLost(leg.name, errno_name(error)))
        if not self.opened:
            self._give_up_dialling()
            return
        leg.give_up_output()
        leg.peer.resume()
        if leg.eof:
            self.bury(leg)
        else:
            self._grave = self.poller.clock() + FLUSH_LIMIT
            leg.ready |= IN
            leg.resume()
            self.set_alarm()

    def bury(self, leg: TcpLeg) -> None:
        """Close a leg that is gone and put its RST behind its bytes."""
        self.get_logic()
        leg.close(Socket.close)
        self.tell(Arrived(leg.name, RST))

    def drained(self, leg: TcpLeg) -> None:
        """Go on after the kernel has taken all that waited for a leg."""
        if leg.shut_due:
            leg.finish()
        source = leg.peer
        if leg.flush is Depth.KERNEL:
            self.try_flush(leg)
        elif self.logic is not None and source.moved > source.told:
            self.tell(None)
        self.close_if_done()
        if not leg.dead:
            source.read_on()

    def wake(self, now: float) -> None:
        """Do what is due."""
        if self._grave is not None and self._grave <= now:
            self._grave = None
            for leg in self.legs():
                if leg.gone and not (leg.dead or leg.lingering):
                    leg.read_out()
        for leg in self.legs():
            if leg.flush is Depth.WIRE:
                self.try_flush(leg)
        self.awake(now)

    def closed_unread(self, leg: TcpLeg) -> None:
        """Tell the logic that a leg is closed which waited for something unread."""
        self.tell(Ended(leg.name))

    def throw_away(self, count: int) -> None:
        """Count bytes that arrived and went nowhere."""
        self.discarded += count

    def leg(self, name: Leg) -> TcpLeg:
        """Return a leg by name; the server's must be there."""
        leg = self.client if name is Leg.CLIENT else self.server
        assert leg is not None, "the logic acts on a server leg that does not exist yet"
        return leg

    def legs(self) -> tuple[TcpLeg, ...]:
        """Return the legs that there are."""
        return (self.client,) if self.server is None else (self.client, self.server)

    def try_flush(self, leg: TcpLeg) -> None:
        """Tell the logic that a leg's bytes have come as far as it asked, if they have."""
        if (depth := leg.flush) and (leg.gone or not (leg.blocked or (depth is Depth.WIRE and unsent(leg.sock)))):
            leg.flush = None
            self.tell(Flushed(leg.name, depth))

    def set_alarm(self) -> None:
        """Be woken when the next thing is due."""
        when = self.due()
        if self._grave is not None and (when is None or self._grave < when):
            when = self._grave
        for leg in self.legs():
            if leg.flush is Depth.WIRE:
                soon = self.poller.clock() + FLUSH_POLL
                when = soon if when is None else min(when, soon)
        if when != self.alarm:
            self.proxy.alarm.set(self, when)

    # ---- end

    def abort(self) -> None:
        """End the flow now, both legs by RST."""
        if self.dialling is not None:
            self.dialling.cancel()
            self.dialling = None
        for leg in self.legs():
            leg.close(reset)
        self.close_if_done()

    def kill(self, how: How, cause: str) -> None:
        """End the flow now, both legs in this way, because somebody asked for it; each ending is a fact."""
        if self.dialling is not None:
            self.dialling.cancel()
            self.dialling = None
        for leg in self.legs():
            if not leg.dead:
                end_leg(leg, how, cause)
        self.close_if_done()

    def on_failure(self) -> None:
        """End the flow after a bug of ours."""
        self.note(FlowFailed("see the log"))
        self.abort()

    def _give_up_dialling(self) -> None:
        """Close everything: the client has gone before the upstream answered, or was asked."""
        if self.dialling is not None:
            self.dialling.cancel()
            self.dialling = None
        self.client.close(Socket.close)
        self.close_if_done()

    def close_if_done(self) -> None:
        """Close both sockets once nothing more can happen on either, and let go of everything."""
        client = self.client
        if self.closed or self.dialling is not None or not (client.dead or client.eof):
            return  # the usual answer, after every chunk that is looked at
        legs = self.legs()
        if not all(leg.dead or (leg.done and (self.logic is None or self.logic.over)) for leg in legs):
            return
        self.closed = True
        for leg in legs:
            leg.close(Socket.close)
        if self.tap is not None:
            self.tap.end(self.number)
        self.proxy.alarm.set(self, None)
        self.held.forget(self)
        if self.logic is not None:
            self.logic.abandon()
        self._tell_the_end()
        self.proxy.flow_closed(self)
        if self.logic is not None:
            self.logic.close()
        for leg in legs:
            del leg.flow  # or flow and legs would wait for the garbage collector
            if self.server is not None:
                del leg.peer

    def _tell_the_end(self) -> None:
        spoke = self.server is not None and self.server.unheard
        if self.logic is not None and (turn := self.logic.last_turn(spoke=spoke)) is not None:
            self.note(turn)
        if self.proxy.verbose:
            self.note(self._summary())

    def _summary(self) -> FlowClosed:
        discarded = self.discarded + (0 if self.logic is None else self.logic.discarded)
        from_server = 0 if self.server is None else self.server.moved
        return FlowClosed(self.client.moved, from_server, discarded, round(self.poller.clock() - self.began, 6))

    def record(self, fact: Fact) -> None:
        """Record a fact of this flow."""
        self.proxy.record(self.number, fact)
