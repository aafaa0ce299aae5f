"""A flow's socket as source: bytes in, nothing decided.

As destination a leg is an `Outlet`. As source it is read within its `credit`; what is read goes, by
`look`, to the flow's logic or straight to the peer's socket, copied or spliced.

A reset is told once, by the first call that meets it, and after it reads return 0 like a clean end
of file. So the first error marks the leg `gone`; what had arrived before is still read to its end,
and only then the RST takes its place behind those bytes.

A call of the flow may end it, and then this leg is dead and has no flow and no peer any more: after
each such call a method returns or looks at `dead` first.

`credit` is counted down by what is read and `moved` up by what the other socket has accepted; the
difference, `owed`, waits in the destination. `told` is how much of `moved` the flow's logic knows of:
bytes that it sent itself it knows at once, the others it is told before any other event. The two
kinds never wait together, because a leg is not read while bytes of it wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bustedwall.flow.held import CHUNK
from bustedwall.kernel.endings import alive, pending_error
from bustedwall.kernel.sockets import Socket, unread
from bustedwall.relay.ending import end_leg
from bustedwall.relay.outlet import Outlet
from bustedwall.relay.pipes import pipes
from bustedwall.relay.poller import ERR, FINISHING, IN, OUT, READABLE
from bustedwall.relay.splicing import SpliceRun
from bustedwall.terms.endings import How
from bustedwall.terms.events import Arrived
from bustedwall.terms.items import Bytes
from bustedwall.terms.leg import Leg

if TYPE_CHECKING:
    from bustedwall.relay.tcpflow import TcpFlow

UNLIMITED = 1 << 59
"""Credit that no flow uses up, in an int that is still quick to subtract from."""

_ROUNDS = 8
"""Reads in a row before other flows have their turn."""

_LARGE = 2
"""A read of a quarter of what it may take, as a shift, is large."""
_SPLICE_AFTER = 3
"""Large reads in a row after which a direction is spliced; for small messages splice costs more."""

_WITHOUT_PIPE = -1000
"""Where counting large reads begins when there was no pipe to be had: it is tried again much later."""


_buffer = memoryview(bytearray(CHUNK))
"""Shared by all legs: nothing stays in it between two calls."""


class TcpLeg(Outlet):
    """A connected socket, as source of one direction and destination of the other."""

    __slots__ = (
        "cause",
        "credit",
        "eof",
        "full",
        "lingering",
        "look",
        "moved",
        "name",
        "owed",
        "queued",
        "ready",
        "running",
        "splicing",
        "told",
        "unheard",
    )

    def __init__(self, flow: TcpFlow, name: Leg, sock: Socket) -> None:
        super().__init__(flow, sock)
        self.name = name
        self.look = False
        self.credit = 0  # until the flow is open
        self.moved = self.told = self.owed = 0
        self.ready = 0
        """Events that were not followed up, because the leg could not be read then."""
        self.queued = False
        """A turn has been asked for."""
        self.running = False
        """A run has been asked for."""
        self.eof = False
        """The peer's FIN has been read."""
        self.lingering = False
        """It is closed as soon as something is unread."""
        self.cause = ""
        """Why it lingers."""
        self.full = 0
        """Large reads in a row, or small splices in a row."""
        self.splicing = False
        self.unheard = False
        """Something was read here that nobody was there to get."""

    # ---- Watcher

    def on_event(self, events: int) -> None:
        """Write what waits, then read what there is."""
        if self.lingering:
            self._close_unread()
            return
        if events & ERR:
            error = pending_error(self.sock)
            if error:
                self.flow.lose(self, error)
            if self.dead:
                return
        if self.blocked and events & OUT:
            self.drain()
            if self.dead:
                return
        if events & READABLE and not self.eof:
            if self.ready or not self.credit or self.peer.blocked:
                self.ready |= events
                if not self.flow.opened:
                    self.flow.spoke()
                self.read_on()
            else:
                self._read(events)

    def on_turn(self) -> None:
        """Read on where it was left."""
        self.queued = False
        if not self.dead:
            self.read_on()

    def on_failure(self) -> None:
        """End the flow."""
        self.flow.on_failure()

    # ---- Outlet

    def broken(self, error: OSError) -> None:
        """Note that the connection is dead; what had arrived is still to be read."""
        self.flow.lose(self, error.errno)

    def drained(self) -> None:
        """Let the flow go on."""
        self.flow.drained(self)

    # ---- ending

    def close_unread(self, cause: str) -> None:
        """Close as soon as something is unread; until then neither read nor write."""
        self.lingering = self.gone = True
        self.cause = cause
        self.give_up_output()
        self._close_unread()

    def _close_unread(self) -> None:
        """Close if there is something unread, or if the peer has ended: then nothing will come."""
        if unread(self.sock) or self.eof or not alive(self.sock):
            flow = self.flow
            end_leg(self, How.CLOSE_UNREAD, self.cause)
            flow.closed_unread(self)

    # ---- source

    def resume(self) -> None:
        """Ask for a turn if there is something to read."""
        if self.ready and not self.queued:
            self.queued = True
            self.flow.poller.later(self)

    def read_on(self) -> None:
        """Move what there is, by the way that suits it, if there may be something and it may be read."""
        events = self.ready
        if not events or not self.credit or self.peer.blocked:
            return
        self.ready = 0
        self._read(events)

    def _read(self, events: int) -> None:
        if self.peer.gone or self.peer.shut:
            self._throw_away(events)
        elif self.look:
            self._show(events)
        elif self.splicing:
            self._splice(events)
        else:
            self._copy(events)

    def pause(self, events: int) -> None:
        """Remember that there is more, for when the leg may be read again."""
        self.ready = events | IN
        if self.credit and not self.peer.blocked:
            self.resume()

    def _copy(self, events: int) -> None:  # noqa: C901, PLR0911 (the byte path: one loop, every way out in sight)
        peer, recv_into, send = self.peer, self.sock.recv_into, self.peer.sock.send
        most = self.flow.held.chunk
        for _ in range(_ROUNDS):
            limit = most if self.credit > most else self.credit  # noqa: FURB136 (min() is a call)
            try:
                count = recv_into(_buffer, limit)
            except BlockingIOError:
                return
            except OSError as error:
                self.lose(error)
                return
            if not count:
                self.finish_reading()
                return
            self.credit -= count
            try:
                sent = send(_buffer[:count])
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.flow.discarded += count
                self.ready = events | IN
                peer.broken(error)
                return
            self.moved += sent
            if sent < count:
                self.owed = count - sent
                peer.keep(bytes(_buffer[sent:count]))
                self.ready = events | IN
                return
            if not self.credit:
                self.ready = events | IN
                self.flow.tell(None)
                return
            self.full = self.full + 1 if count >= most >> _LARGE else 0
            if self.full > _SPLICE_AFTER:
                self.splicing, self.full = True, 0
            if count < limit and not events & FINISHING:
                return
            if self.splicing:
                self._splice(events)
                return
        self.pause(events)

    def _splice(self, events: int) -> None:
        """Ask for a run, which the poller does together with those of other legs."""
        self.ready |= events
        if not self.running:
            self.running = True
            self.flow.poller.run(self.begin)

    def begin(self) -> SpliceRun | None:
        """Return the run that was asked for, or None if it is not to be any more."""
        self.running = False
        if self.dead or not self.ready or not self.credit or self.peer.blocked:
            return None  # whoever changes that has it read on
        if self.splicing and not (self.look or self.peer.gone or self.peer.shut):
            pipe = pipes.borrow()
            if pipe is not None:
                return SpliceRun(self, pipe)
            self.splicing, self.full = False, _WITHOUT_PIPE
        self.resume()
        return None

    def _show(self, events: int) -> None:
        """Give each chunk to the flow's logic, which says what becomes of it."""
        for _ in range(_ROUNDS):
            if not self.look or not self.credit or self.peer.blocked:
                break
            most = self.flow.held.chunk
            limit = most if self.credit > most else self.credit  # noqa: FURB136 (min() is a call)
            try:
                data = self.sock.recv(limit)
            except BlockingIOError:
                return
            except OSError as error:
                self.lose(error)
                return
            if not data:
                self.finish_reading()
                return
            self.flow.tell(Arrived(self.name, Bytes(data)))
            if self.dead or (len(data) < limit and not events & FINISHING):
                return
        self.pause(events)

    def read_out(self) -> None:
        """Be buried, with what had arrived read before: into stages, whatever room they have, or nowhere."""
        while not self.dead and self.look and (room := self._spare()):
            try:
                data = self.sock.recv(room)
            except OSError:  # nothing more, or the error that ended the connection
                break
            if not data:
                break
            self.flow.tell(Arrived(self.name, Bytes(data)))
        if not self.dead:
            self.flow.discarded += unread(self.sock)
            self.flow.bury(self)

    def _spare(self) -> int:
        """Return how many bytes may be read at once into stages, because the limits allow it."""
        logic = self.flow.logic
        return 0 if logic is None else min(CHUNK, logic.spare(self.name))

    def _throw_away(self, events: int) -> None:
        """Read what nobody is there to get."""
        for _ in range(_ROUNDS):
            try:
                count = self.sock.recv_into(_buffer)
            except BlockingIOError:
                return
            except OSError as error:
                self.lose(error)
                return
            if not count:
                self.finish_reading()
                return
            self.flow.discarded += count
            self.unheard = True
        self.pause(events)

    def finish_reading(self) -> None:
        """Read 0: the FIN, or, on a leg that is gone, the end of what had arrived before."""
        if self.gone:
            self.flow.bury(self)
        else:
            self.eof = True
            self.flow.finish(self)

    def lose(self, error: OSError) -> None:
        """Meet the error that ended the connection; the kernel gives it only after all that had arrived."""
        self.broken(error)
        if not self.dead:
            self.flow.bury(self)

    @property
    def done(self) -> bool:
        """Tell whether nothing more can happen here: closed, or a FIN both ways."""
        return self.dead or (self.eof and self.shut)
