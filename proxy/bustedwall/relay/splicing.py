"""Bytes from socket to socket by splice(2), without meeting Python, a bounded run at a time.

`do` may be on another thread (see `crew`): it calls the kernel and keeps what came of it. `account`
and `follow` are the poller's thread again.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING

from bustedwall.relay.crew import Run
from bustedwall.relay.pipes import SIZE, SPLICE, Pipe, pipes
from bustedwall.relay.poller import IN

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg

_ROUNDS = 8
"""Pipes full in a row before other directions have their turn."""

_SMALL = 1 << 14
_COPY_AFTER = 9
"""Small splices in a row after which a direction is better copied: for small messages splice costs more."""


class Stop(Enum):
    """Why a splicing run is over."""

    TURN = "turn"
    """It has had its turn, or its credit is used up; there may be more."""
    EMPTY = "empty"
    """The source has nothing more now."""
    FIN = "fin"
    """The source has ended."""
    BLOCKED = "blocked"
    """The destination takes no more; `left` bytes are in the pipe."""
    SOURCE = "source"
    """Reading failed with `error`."""
    DESTINATION = "destination"
    """Writing failed with `error`; `left` bytes are in the pipe."""
    SMALL = "small"
    """What comes is small; it is better copied."""


class SpliceRun(Run):
    """From a leg to its peer; what it needs of them is taken when it begins."""

    __slots__ = ("credit", "error", "left", "leg", "moved", "pipe", "small", "source", "stop", "to")

    def __init__(self, leg: TcpLeg, pipe: Pipe) -> None:
        super().__init__()
        self.leg = leg
        self.source, self.to = leg.fd, leg.peer.fd
        self.pipe = pipe
        self.credit = leg.credit
        """Bytes that may be read at most; what is left of them afterwards."""
        self.small = leg.full
        """Small splices in a row so far."""
        self.moved = 0
        """Bytes that the destination has taken."""
        self.left = 0
        """Bytes that were read and not taken."""
        self.stop = Stop.TURN
        self.error: OSError | None = None

    def do(self) -> None:  # noqa: PLR0911 (one loop, every way out in sight)
        """Splice until there is a reason to stop."""
        outlet, inlet = self.pipe
        for _ in range(_ROUNDS):
            try:
                count = os.splice(self.source, inlet, min(SIZE, self.credit), flags=SPLICE)
            except BlockingIOError:
                self.stop = Stop.EMPTY
                return
            except OSError as error:
                self.stop, self.error = Stop.SOURCE, error
                return
            if not count:
                self.stop = Stop.FIN
                return
            self.credit -= count
            try:
                sent = os.splice(outlet, self.to, count, flags=SPLICE)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.stop, self.error, self.left = Stop.DESTINATION, error, count
                return
            self.moved += sent
            if sent < count:
                self.stop, self.left = Stop.BLOCKED, count - sent
                return
            if not self.credit:
                return
            self.small = self.small + 1 if count < _SMALL else 0
            if self.small > _COPY_AFTER:
                self.stop = Stop.SMALL
                return

    def account(self) -> None:
        """Count what has moved; what has not is the peer's to write, or lost with it."""
        leg = self.leg
        leg.credit, leg.full = self.credit, self.small
        leg.moved += self.moved
        if self.stop is Stop.BLOCKED:
            leg.owed = leg.peer.piped = self.left
            leg.peer.pipe = self.pipe
            leg.peer.block()
        elif self.left:
            pipes.destroy(self.pipe)
            leg.flow.discarded += self.left
        else:
            pipes.give_back(self.pipe)

    def follow(self) -> None:
        """Have the leg go on as the reason says."""
        leg = self.leg
        if leg.dead:
            return
        events, leg.ready = leg.ready, 0
        match self.stop:
            case Stop.EMPTY:
                pass
            case Stop.FIN:
                leg.finish_reading()
            case Stop.SOURCE:
                assert self.error is not None
                leg.lose(self.error)
            case Stop.DESTINATION:
                assert self.error is not None
                leg.ready = events | IN
                leg.peer.broken(self.error)
            case Stop.TURN if not leg.credit:
                leg.ready = events | IN
                leg.flow.tell(None)
            case Stop.BLOCKED:
                leg.ready = events | IN
            case _:
                if self.stop is Stop.SMALL:
                    leg.splicing, leg.full = False, 0
                leg.pause(events)

    def on_failure(self) -> None:
        """End the flow."""
        self.leg.on_failure()
