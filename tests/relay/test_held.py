"""On sockets: what is held stays within its limit, whoever sends as fast as it can, and whoever never reads."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import pytest_twisted
from tests.flow.play import arm, rule
from tests.relay.inside import relaying, so
from tests.relay.peers import Upstream, dial, fill, read_exactly, recv, send
from twisted.internet.threads import deferToThread

from bustedwall.flow.held import CHUNK, LEAN
from bustedwall.policy.address import Address
from bustedwall.policy.rules import AtOpen, Match
from bustedwall.relay.service import Proxy
from bustedwall.terms.facts import FlowClosed, LimitReached
from bustedwall.terms.limits import Limit, Limits

LIMIT = 1 << 20
HOSTILE = 4


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(4, buffer=1 << 16)
    yield upstream
    upstream.sock.close()


def connect(proxy: Proxy, upstream: Upstream) -> tuple[socket.socket, socket.socket]:
    return dial((proxy.address.host, proxy.address.port), buffer=1 << 16), upstream.accept()


def most(proxy: Proxy) -> list[int]:
    """Return a list that keeps the most that is ever held."""
    found, change = [0], proxy.held.change

    def watched(by: int) -> None:
        change(by)
        found[0] = max(found[0], proxy.held.total)

    proxy.held.__dict__["change"] = watched
    return found


async def fill_all(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    """Have all clients send until nothing more is taken."""
    for filled in [deferToThread(fill, client) for client, _ in pairs]:
        await filled


@pytest.mark.deadline(50)
@pytest.mark.parametrize(
    "steps",
    [["latency 60s from client"], ["stall from client"], ["latency 60s from client", "bandwidth 1MB/s from client"]],
)
@pytest_twisted.ensureDeferred
async def test_fast_senders_into_stages_that_hold(upstream: Upstream, steps: list[str]) -> None:
    hostile = rule(AtOpen(), *(arm(step) for step in steps), match=Match(first=HOSTILE))
    where = Address.parse(upstream.address)
    with relaying(where, rules=(hostile,), limits=Limits(held=LIMIT)) as (proxy, records):
        found = most(proxy)
        pairs = await deferToThread(lambda: [connect(proxy, upstream) for _ in range(HOSTILE)])
        await fill_all(pairs)
        await so(lambda: proxy.held.full, "so much is held that it is put to the test")
        assert found[0] <= LIMIT + CHUNK + 65 * 256 + HOSTILE * 2 * (LEAN + 256)
        assert LimitReached(Limit.HELD, LIMIT) in [fact for _, fact in records.facts]

        client, server = await deferToThread(connect, proxy, upstream)  # whom no rule touches
        data = bytes(3 << 20)
        sent = deferToThread(send, client, data)
        assert await deferToThread(read_exactly, server, len(data)) == data
        assert await sent == "ok"
        for pair in pairs:
            for end in pair:
                end.close()
        client.close()
        server.close()
        for flow in tuple(proxy.flows):
            flow.abort()
        await so(lambda: records.count(FlowClosed) == HOSTILE + 1, "all flows are closed")
        assert proxy.held.total == 0
        await so(lambda: not proxy.poller._scheduled, "who was pressed has been looked at")


@pytest.mark.deadline(50)
@pytest_twisted.ensureDeferred
async def test_who_is_pressed_goes_on_and_every_byte_arrives(upstream: Upstream) -> None:
    slow = rule(AtOpen(), arm("latency 50ms from client"))
    data = bytes(range(256)) * (2 << 12)  # twice the limit
    with relaying(Address.parse(upstream.address), rules=(slow,), limits=Limits(held=LIMIT)) as (proxy, _):
        found = most(proxy)
        pairs = await deferToThread(lambda: [connect(proxy, upstream) for _ in range(2)])
        sent = [deferToThread(send, client, data) for client, _ in pairs]
        got = [deferToThread(read_exactly, server, len(data)) for _, server in pairs]
        assert [await each for each in sent] == ["ok"] * 2
        assert [await each == data for each in got] == [True] * 2
        assert found[0] <= LIMIT + CHUNK + 65 * 256 + 2 * 2 * (LEAN + 256)
        await so(lambda: not proxy.held.total, "nothing is held any more")
        await so(lambda: not proxy.poller._scheduled, "who was pressed has been looked at")


@pytest.mark.deadline(50)
@pytest_twisted.ensureDeferred
async def test_servers_that_never_read(upstream: Upstream) -> None:
    """What their kernels do not take is kept: of one read each, and less when all keep too much."""
    with relaying(Address.parse(upstream.address), limits=Limits(held=LIMIT)) as (proxy, records):
        found = most(proxy)
        pairs = await deferToThread(lambda: [connect(proxy, upstream) for _ in range(6)])
        await fill_all(pairs)
        assert found[0] <= LIMIT + CHUNK + 256 + 6 * (LEAN + 256)
        one, other = pairs[0]
        await deferToThread(one.shutdown, socket.SHUT_WR)
        while isinstance(await deferToThread(recv, other, 1 << 20), bytes):
            pass
        other.close()
        for flow in tuple(proxy.flows):
            flow.abort()
        await so(lambda: records.count(FlowClosed) == 6, "all flows are closed")
        assert proxy.held.total == 0
        await so(lambda: not proxy.poller._scheduled, "who was pressed has been looked at")
