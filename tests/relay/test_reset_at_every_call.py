"""A peer may reset its connection at any moment: here just before each call that the proxy makes to the kernel.

The same conversation is held again and again under a fault; the nth time the RST comes before the nth
call. Whatever comes of it is no bug: a bug is logged, and that fails the test.
"""

from __future__ import annotations

import socket
import sys
from _socket import socket as Socket  # noqa: N812 (as in kernel/sockets)
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest
import pytest_twisted
from tests.flow.play import rule
from tests.relay.inside import relaying
from tests.relay.peers import FAMILY, LOCALHOST, abort
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bustedwall.faults.fault import Fault
from bustedwall.policy.address import Address
from bustedwall.policy.rules import Arm, AtAccept, AtBytes, AtOpen, Heal, Wait
from bustedwall.terms.leg import Leg
from bustedwall.testing.written import examples, read

FAULTS = [fault for fault in map(read, examples()) if not fault.at_door]

CALLS = {"ioctl", "splice"}
"""Calls that are no methods of a socket."""

MUCH = bytes(300_000)


class Calls:
    """Counts the kernel calls of the proxy, and does something just before one of them."""

    def __init__(self, which: int, act: Callable[[], None]) -> None:
        self._left, self._act = which, act
        self.reached = False
        """Whether there have been so many."""

    def saw(self, frame: FrameType, event: str, call: Any) -> None:  # noqa: ANN401 (any builtin)
        """Be told what the interpreter does."""
        if event != "c_call" or not frame.f_globals["__name__"].startswith("bustedwall."):
            return
        if isinstance(getattr(call, "__self__", None), Socket) or call.__name__ in CALLS:
            self._left -= 1
            if not self._left:
                self.reached = True
                self._act()


@contextmanager
def counting(which: int, act: Callable[[], None]) -> Iterator[Calls]:
    """Count until the block is left."""
    calls, before = Calls(which, act), sys.getprofile()
    sys.setprofile(calls.saw)
    try:
        yield calls
    finally:
        sys.setprofile(before)


async def turns(count: int) -> None:
    """Let the reactor have its turn."""
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    for _ in range(count):
        turn: Deferred[None] = deferLater(reactor, 0.0005)
        await turn


@contextmanager
def listening(version: int) -> Iterator[socket.socket]:
    with socket.socket(FAMILY[version]) as sock:
        sock.bind((LOCALHOST[version], 0))
        sock.listen()
        sock.settimeout(0)
        yield sock


class Ends:
    """The client, the upstream's listener, and the server when it has been accepted."""

    def __init__(self, version: int, upstream: socket.socket) -> None:
        self.client, self._upstream = socket.socket(FAMILY[version]), upstream
        self.client.settimeout(0)
        self._server: socket.socket | None = None

    def server(self) -> socket.socket | None:
        """Return the server as soon as there is one."""
        if self._server is None:
            with suppress(BlockingIOError):
                self._server, _ = self._upstream.accept()
                self._server.settimeout(0)
        return self._server

    def there(self) -> list[socket.socket]:
        """Return the ends that there are, and that have not reset."""
        return [end for end in (self.client, self.server()) if end is not None and end.fileno() >= 0]

    def reset(self, victim: str) -> None:
        """Reset the connection of one end, if it has one already."""
        end = self.client if victim == "client" else self.server()
        if end is not None:
            abort(end)


async def converse(version: int, fault: Fault, victim: str, which: int) -> bool:
    """Hold a conversation in which a peer resets before a call; return whether there were so many calls."""
    if fault.at_accept:
        rules = (rule(AtAccept(), Arm(fault, None), Wait(0.001), Heal()),)
    else:
        rules = (rule(AtOpen(), Arm(fault, None), Wait(AtBytes(Leg.CLIENT, 4)), Heal()),)
    with (
        listening(version) as upstream,
        relaying(Address(*upstream.getsockname()[:2]), version=version, rules=rules) as (proxy, _),
    ):
        ends = Ends(version, upstream)
        with counting(which, lambda: ends.reset(victim)) as calls:
            ends.client.connect_ex((proxy.address.host, proxy.address.port))
            await talk(ends)
        for end in ends.there():
            abort(end)
        await turns(2)
    return calls.reached


async def talk(ends: Ends) -> None:
    """Ask, answer, send much both ways, and finish; each call may meet the reset."""
    await turns(4)
    client, server = ends.client, ends.server()
    for speaker, data in ((client, b"ask"), (server, b"answer"), (client, MUCH), (server, MUCH)):
        if speaker is not None:
            with suppress(OSError):
                speaker.send(data)
        await turns(3)
        for end in ends.there():
            with suppress(OSError):
                while end.recv(1 << 20):
                    pass
    for end in reversed(ends.there()):
        with suppress(OSError):
            end.shutdown(socket.SHUT_WR)
        await turns(2)


@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.long("some forty conversations each")
@pytest.mark.deadline(240)
@pytest.mark.timeout(240)
@pytest_twisted.ensureDeferred
async def test_a_peer_that_resets_before_any_call_is_no_bug(fault: Fault, victim: str, version: int) -> None:
    which = 1
    while await converse(version, fault, victim, which):
        which += 1
    assert which > 20, "the conversation has calls"
