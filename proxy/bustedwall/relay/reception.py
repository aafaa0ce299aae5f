"""Clients that have yet to say whose connection they bring: a PROXY header is to come first.

The header is looked at in the kernel's queue and taken out when it is whole, and not a byte more. So
what comes behind it meets a flow that is as any other.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from bustedwall.kernel.endings import reset
from bustedwall.kernel.sockets import Socket
from bustedwall.policy.address import Address
from bustedwall.relay.alarm import Alarm
from bustedwall.relay.poller import FINISHING, Poller
from bustedwall.terms.facts import ProxyHeaderRefused
from bustedwall.terms.proxy_header import LIMIT, Ends, Header, HeaderError, Refusal, Version, read, write

_PEEK = int(socket.MSG_PEEK)

Client = tuple[str, int]
"""A client's address and port."""


class Reception:
    """All clients of a proxy whose header is not yet whole."""

    def __init__(
        self,
        poller: Poller,
        alarm: Alarm,
        admit: Callable[[Socket, Client, Header], None],
        lost: Callable[[], None],
        record: Callable[[ProxyHeaderRefused], None],
    ) -> None:
        """`lost` is called for each client that is not let in."""
        self.poller = poller
        self.alarm = alarm
        self._admit = admit
        self._lost = lost
        self._record = record
        self._arrivals: set[Arrival] = set()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._arrivals)

    def receive(self, sock: Socket, client: Client, within: float) -> None:
        """Wait for a client's header, so many seconds at most."""
        arrival = Arrival(self, sock, client)
        self._arrivals.add(arrival)
        self.alarm.set(arrival, self.poller.clock() + within)
        self.poller.watch(sock.fileno(), arrival)

    def admit(self, arrival: Arrival, header: Header) -> None:
        """Let a client in that has told its header."""
        self._forget(arrival)
        self.poller.release(arrival.sock.fileno())
        self._admit(arrival.sock, arrival.client, header)

    def refuse(self, arrival: Arrival, why: Refusal) -> None:
        """End a client's connection by a RST."""
        self._end(arrival)
        self._record(ProxyHeaderRefused(str(Address(*arrival.client)), why))

    def give_up(self, arrival: Arrival) -> None:
        """End a client's connection after a bug, if it is still here."""
        if arrival in self._arrivals:
            self._end(arrival)

    def close(self) -> None:
        """End all by a RST: nobody is let in any more."""
        for arrival in tuple(self._arrivals):
            self._end(arrival)

    def _end(self, arrival: Arrival) -> None:
        self._forget(arrival)
        self.poller.forget(arrival.sock.fileno())
        reset(arrival.sock)
        self._lost()

    def _forget(self, arrival: Arrival) -> None:
        self._arrivals.remove(arrival)
        self.alarm.set(arrival, None)


class Arrival:
    """One client whose header is not yet whole."""

    __slots__ = ("_reception", "alarm", "client", "sock")

    def __init__(self, reception: Reception, sock: Socket, client: Client) -> None:
        self._reception = reception
        self.sock = sock
        self.client = client
        """As the kernel has it."""
        self.alarm: float | None = None

    def on_event(self, events: int) -> None:
        """Look how far the header has come."""
        try:
            header = read(self.sock.recv(LIMIT, _PEEK))
        except BlockingIOError:
            return
        except OSError:
            self._reception.refuse(self, Refusal.ENDED)
        except HeaderError as error:
            self._reception.refuse(self, error.refusal)
        else:
            if header is not None:
                # The kernel gives less where the peer has set an urgent mark in it meanwhile.
                whole = len(self.sock.recv(header.size)) == header.size
                if whole:
                    self._reception.admit(self, header)
                else:
                    self._reception.refuse(self, Refusal.MALFORMED)
            elif events & FINISHING:
                self._reception.refuse(self, Refusal.ENDED)

    def on_turn(self) -> None:
        """Do nothing: an arrival asks for no turns."""

    def wake(self, now: float) -> None:
        """Wait no longer."""
        self._reception.refuse(self, Refusal.LATE)

    def on_failure(self) -> None:
        """End this client."""
        self._reception.give_up(self)


def introduction(version: Version, sock: Socket, client: Client, header: Header | None) -> bytes:
    """Return the header for the upstream: the ends that the client's header tells, or else the real ones."""
    told = None if header is None else header.ends
    ends = Ends.of(client, sock.getsockname()[:2]) if told is None else told
    return write(version, ends, b"" if header is None else header.extra)
