"""A flow's socket as destination: it takes bytes until the kernel takes no more, and keeps the rest.

While it is `blocked` its source is not read, which is how backpressure gets through; what is kept is
bounded by what one read, one pipe or one direction can hold, and counted with what all flows hold.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from bustedwall.faults.holding import ITEM
from bustedwall.kernel.endings import shut
from bustedwall.kernel.sockets import Socket
from bustedwall.relay.aim import Aim
from bustedwall.relay.pipes import SPLICE, Pipe, pipes
from bustedwall.relay.rejection import Rejection
from bustedwall.relay.witness import Witness
from bustedwall.terms.commands import Depth
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS, Losses

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg
    from bustedwall.relay.tcpflow import TcpFlow


class Outlet(ABC):
    """The writing half of a leg; `flow` and `peer` are gone once the flow is closed."""

    __slots__ = (
        "aim",
        "blocked",
        "dead",
        "fd",
        "flow",
        "flush",
        "gone",
        "losses",
        "peer",
        "pending",
        "pipe",
        "piped",
        "rejection",
        "shut",
        "shut_due",
        "sock",
        "witness",
    )

    name: Leg

    def __init__(self, flow: TcpFlow, sock: Socket) -> None:
        self.flow: TcpFlow = flow
        self.peer: TcpLeg  # unset until the flow is open
        self.sock = sock
        self.fd = sock.fileno()
        self.pending: deque[bytes | memoryview] | None = None
        self.pipe: Pipe | None = None
        self.piped = 0
        self.blocked = False
        """The kernel took less than it was given; the rest is in `pipe`, then `pending`."""
        self.losses: Losses = NO_LOSS
        """What the kernel loses of this leg."""
        self.aim: Aim | None = None
        """Knows where losses are aimed; None as long as none was."""
        self.witness: Witness | None = None
        """Watches the losses; None as long as there was none."""
        self.rejection: Rejection | None = None
        """Answers what arrives by RSTs; None as long as nothing is rejected."""
        self.shut_due = self.shut = False
        self.flush: Depth | None = None
        self.gone = False
        """The connection is dead; what arrived before is still being read."""
        self.dead = False
        """The socket is closed; then the leg is gone, too."""

    @abstractmethod
    def broken(self, error: OSError) -> None:
        """Deal with an error of the connection that a write has met."""

    @abstractmethod
    def drained(self) -> None:
        """Go on: nothing waits any more."""

    def keep(self, data: bytes) -> None:
        """Keep bytes that the kernel did not take."""
        if self.pending is None:
            self.pending = deque()
        self.pending.append(data)
        self.flow.held.change(_cost(data))
        self.block()

    def block(self) -> None:
        """Note that the kernel took less than it was given."""
        self.blocked = True
        self.flow.held.blocked.add(self)  # type: ignore[arg-type]  # every outlet is a leg

    def write(self, data: bytes) -> None:
        """Send bytes, behind those that wait."""
        if self.gone:
            self.flow.discarded += len(data)
            return
        source = self.peer
        source.told += len(data)
        sent = 0
        if not self.blocked:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                pass  # the kernel takes nothing now: all of it is kept
            except OSError as error:
                self.flow.discarded += len(data)
                self.broken(error)
                return
        source.moved += sent
        if sent < len(data):
            source.owed += len(data) - sent
            self.keep(data[sent:])  # a view would keep the whole

    def write_first(self, data: bytes) -> None:
        """Send bytes before there is a peer; what the kernel does not take at once is lost, and counted.

        A new socket's buffer takes more than there can be (`inject`).
        """
        sent = 0
        if not self.gone:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                pass
            except OSError as error:
                self.broken(error)
        self.flow.discarded += len(data) - sent

    def drain(self) -> None:
        """Write until nothing waits or the kernel takes no more."""
        try:
            while self.piped:
                assert self.pipe is not None
                sent = os.splice(self.pipe[0], self.fd, self.piped, flags=SPLICE)
                self.piped -= sent
                self._accepted(sent)
            if self.pipe is not None:
                pipes.give_back(self.pipe)
                self.pipe = None
            while self.pending:
                data = self.pending[0]
                sent = self.sock.send(data)
                self._accepted(sent)
                if sent < len(data):
                    self.pending[0] = memoryview(data)[sent:]
                else:
                    self.pending.popleft()
                    self.flow.held.change(-_cost(data))
        except BlockingIOError:
            return
        except OSError as error:
            self.broken(error)
            return
        self.blocked, self.pending = False, None
        self.drained()

    def _accepted(self, count: int) -> None:
        self.peer.owed -= count
        self.peer.moved += count

    def finish(self) -> None:
        """Send a FIN, behind the bytes that wait."""
        if self.blocked:
            self.shut_due = True
        elif not self.gone:
            self.shut_due, self.shut = False, True
            shut(self.sock)

    def close(self, end: Callable[[Socket], None]) -> None:
        """Close the socket by `end`; what waited to be written is lost, and counted."""
        if self.dead:
            return
        self.dead = self.gone = True
        self.give_up_output()
        if self.aim is not None:
            self.aim.close()
            self.aim = None
        if self.witness is not None:
            self.witness.close()
            self.witness = None
        if self.rejection is not None:
            self.rejection.close()
            self.rejection = None
        self.flow.poller.forget(self.fd)
        end(self.sock)

    def give_up_output(self) -> None:
        """Throw away what waits to be written."""
        if self.blocked:
            self.flow.discarded += self.piped + sum(map(len, self.pending or ()))
            if self.pipe is not None:
                pipes.destroy(self.pipe)
                self.pipe = None
            self.flow.held.change(-sum(map(_cost, self.pending or ())))
            self.peer.owed = self.piped = 0
            self.pending = None
            self.blocked = False


def _cost(data: bytes | memoryview) -> int:
    """Return what data costs while it is kept: a view keeps all of what it is a view of."""
    whole = data.obj if isinstance(data, memoryview) else data
    return ITEM + len(cast("bytes", whole))
