"""`mss`: both legs of a flow carry segments that are no longer, both ways, as TCP_INFO says at all four ends."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import pytest
import pytest_twisted
from tests.relay.inside import so
from tests.relay.peers import LOCALHOST, VERSIONS, Upstream, acknowledged, dial, hang_up, read_exactly, send
from twisted.internet.threads import deferToThread

from bustedwall.kernel.passed import PassedSockets
from bustedwall.kernel.sockets import Socket
from bustedwall.policy.address import Address, Listen, Passed
from bustedwall.policy.load import load_typed
from bustedwall.policy.setup import ProxySetup
from bustedwall.relay.wall import Wall
from bustedwall.terms.facts import Fact

pytestmark = pytest.mark.deadline(60)

MSS = 1460
WIDE = 32000
"""Bytes that a segment on loopback has more than, where nobody clamps it."""
TIMESTAMPS, TIMESTAMP_SIZE = 1, 12
"""A bit of tcpi_options (linux/tcp.h); the option's bytes in each segment, padded (RFC 7323 appendix A)."""
TEXT = bytes(range(256)) * 4096


@dataclass(frozen=True)
class Segments:
    """What TCP_INFO says of segments (struct tcp_info, linux/tcp.h)."""

    longest: int
    """The bytes of ours that one carries (snd_mss)."""
    received: int
    """What the peer's are taken to carry (rcv_mss)."""
    sent: int
    sent_bytes: int
    wanted: int
    """How long one may be, options included, by `mss` and less by the options that every segment has."""


def segments(sock: Socket, mss: int) -> Segments:
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 208)
    longest, received = struct.unpack_from("II", told, 16)
    (sent,) = struct.unpack_from("I", told, 156)
    (sent_bytes,) = struct.unpack_from("Q", told, 200)
    return Segments(longest, received, sent, sent_bytes, mss - (TIMESTAMP_SIZE if told[5] & TIMESTAMPS else 0))


@dataclass(frozen=True)
class Flow:
    """The four ends of a flow."""

    client: socket.socket
    server: socket.socket
    ours: tuple[Socket, Socket]

    def ends(self) -> tuple[Socket, ...]:
        return (self.client, self.server, *self.ours)

    def longest(self) -> list[int]:
        """Return how long a segment is that each end sends, without the options."""
        return [segments(end, MSS).longest for end in self.ends()]


@pytest.fixture(params=VERSIONS, ids=lambda version: f"IPv{version}")
def upstream(request: pytest.FixtureRequest) -> Iterator[Upstream]:
    upstream = Upstream(request.param)
    yield upstream
    hang_up()
    upstream.sock.close()


class Proxy:
    """One proxy in this process."""

    def __init__(self, upstream: Upstream, listen: Listen | None = None, **keys: object) -> None:
        from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

        version = 6 if upstream.sock.family == socket.AF_INET6 else 4
        self._upstream = upstream
        door = Address(LOCALHOST[version], 0) if listen is None else listen
        self.setup = ProxySetup("web", door, Address.parse(upstream.address), ())
        self.passed = PassedSockets({"web": [os.dup(upstream.sock.fileno())]})
        self.wall = Wall(reactor, [self.changed(**keys)], _forget, seed=0, verbose=False, passed=self.passed)

    def changed(self, **keys: object) -> ProxySetup:
        return replace(self.setup, **keys)  # type: ignore[arg-type]  # whatever the test changes

    def change(self, **keys: object) -> None:
        self.wall.change([self.changed(**keys)], 0.0)

    async def connect(self) -> Flow:
        (proxy,) = self.wall.proxies
        before = set(proxy.flows)
        where = proxy.address.host, proxy.address.port
        client = await deferToThread(dial, where)
        server = await deferToThread(self._upstream.accept)
        await so(lambda: any(flow.opened for flow in proxy.flows - before), "the flow is open")
        (flow,) = proxy.flows - before
        assert flow.server is not None
        return Flow(client, server, (flow.client.sock, flow.server.sock))

    def __enter__(self) -> Self:
        self.wall.startService()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall.stopService()
        self.passed.close()


def _forget(proxy: str | None, flow: int | None, fact: Fact) -> None:
    pass


async def blocking(act: Callable[..., object], *args: object) -> object:
    return await deferToThread(partial(act, *args))


@pytest_twisted.ensureDeferred
async def test_no_end_sends_a_longer_segment_and_bytes_arrive_as_they_were(upstream: Upstream) -> None:
    with Proxy(upstream, mss=MSS) as proxy:
        flow = await proxy.connect()
        for end in flow.ends():
            told = segments(end, MSS)
            assert told.longest == told.wanted
        for sender, receiver in ((flow.client, flow.server), (flow.server, flow.client)):
            sending = deferToThread(send, sender, TEXT)
            assert await blocking(read_exactly, receiver, len(TEXT)) == TEXT
            assert await sending == "ok"
            await blocking(acknowledged, sender)
        for end in flow.ends():
            told = segments(end, MSS)
            assert told.longest == told.wanted
            assert told.received <= told.wanted
            assert told.sent * told.wanted >= told.sent_bytes >= len(TEXT), "the kernel counts segments, and not writes"


@pytest_twisted.ensureDeferred
async def test_a_reload_clamps_new_flows_and_lets_them_go_again(upstream: Upstream) -> None:
    with Proxy(upstream) as proxy:
        first = await proxy.connect()
        proxy.change(mss=MSS)
        second = await proxy.connect()
        proxy.change(mss=MSS // 2)
        third = await proxy.connect()
        proxy.change()
        fourth = await proxy.connect()
        assert min(first.longest()) > WIDE
        assert max(second.longest()) <= MSS
        assert max(third.longest()) <= MSS // 2
        assert min(fourth.longest()) > WIDE


@pytest_twisted.ensureDeferred
async def test_a_door_that_was_shut_by_refuse_clamps_when_it_is_open_again(upstream: Upstream) -> None:
    refused = load_typed((), ["refuse"], "applied").rules
    with Proxy(upstream, mss=MSS, rules=refused) as proxy:
        proxy.change(mss=MSS)
        assert max((await proxy.connect()).longest()) <= MSS
        proxy.change(mss=MSS, rules=refused)
        proxy.change(mss=MSS // 2, rules=refused)
        proxy.change(mss=MSS // 2)
        assert max((await proxy.connect()).longest()) <= MSS // 2


def test_a_door_that_was_passed_on_is_given_back_as_it_was(upstream: Upstream) -> None:
    lent = upstream.sock
    before = lent.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    with Proxy(upstream, Passed("web"), mss=MSS):
        assert lent.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == MSS
    assert lent.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == before
