"""In the reactor of the test: what is left in memory and open, names, and moments that only a held reactor shows."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator

import pytest
import pytest_twisted
from tests.relay.inside import FakeNames, Records, descriptors, relaying, so
from tests.relay.peers import MIN_TTL, Upstream, abort, acknowledged, dial, read_all, read_exactly, recv, send
from twisted.internet.threads import deferToThread

from bustedwall.flow.flow import Flow
from bustedwall.policy.address import Address
from bustedwall.policy.rules import AtAge, Heal, Rule, Wait
from bustedwall.policy.setup import ProxySetup
from bustedwall.relay.service import Proxy
from bustedwall.relay.tcpflow import TcpFlow
from bustedwall.relay.wall import CannotStartError, Wall
from bustedwall.terms.endings import How
from bustedwall.terms.facts import AddressFailed, EndingEvidence, FlowClosed, FlowOpened, PeerLost, ResetSent
from bustedwall.terms.leg import Leg
from bustedwall.terms.verdict import Verdict


@pytest.fixture
def upstream(version: int) -> Iterator[Upstream]:
    upstream = Upstream(version)
    yield upstream
    upstream.sock.close()


def where(upstream: Upstream) -> Address:
    return Address.parse(upstream.address)


def client_of(proxy: Proxy) -> socket.socket:
    return dial((proxy.address.host, proxy.address.port))


def live(proxy: Proxy, upstream: Upstream, count: int) -> None:
    """Open flows, use them, and end them in every way."""
    clients = [client_of(proxy) for _ in range(count)]
    servers = [upstream.accept() for _ in clients]
    for number, client in enumerate(clients):
        assert send(client, b"%8d" % number) == "ok"
    for server in servers:
        said = read_exactly(server, 8)
        assert send(server, said) == "ok"
        client = clients[int(said)]
        assert read_exactly(client, 8) == said
        ends = (client, server) if int(said) % 2 else (server, client)
        if int(said) % 3 == 0:
            abort(ends[0])
            assert recv(ends[1]) == "ECONNRESET"
        elif int(said) % 3 == 1:
            ends[0].shutdown(socket.SHUT_WR)
            assert recv(ends[1]) == "EOF"
        for end in ends:
            end.close()


@pytest.mark.deadline(20)
@pytest_twisted.ensureDeferred
async def test_flows_that_have_ended_leave_no_descriptor_and_no_object(upstream: Upstream, version: int) -> None:
    with relaying(where(upstream), version=version) as (proxy, records):
        await deferToThread(live, proxy, upstream, 12)
        await so(lambda: records.count(FlowClosed) == 12, "all flows are closed")
        base = descriptors()
        gc.collect()
        gc.disable()  # flows must not wait for the collector
        try:
            for _ in range(3):
                await deferToThread(live, proxy, upstream, 100)
            await so(lambda: records.count(FlowClosed) == 312, "all flows are closed")
            # A flow that ended by RST had a timer of a second; it may be known until then.
            await so(lambda: not any(isinstance(thing, TcpFlow) for thing in gc.get_objects()), "no flow in memory")
        finally:
            gc.enable()
        assert descriptors() == base


@pytest.mark.deadline(20)
@pytest_twisted.ensureDeferred
async def test_of_flows_that_rules_waited_on_hardly_any_stay_in_memory(upstream: Upstream, version: int) -> None:
    # The timers' heap forgets what is not to be woken any more when it is more than what is, and more than 64.
    rules = (Rule("test/age", AtAge(350.0), (Wait(1.0), Heal())),)
    with relaying(where(upstream), version=version, rules=rules) as (proxy, records):
        gc.collect()
        gc.disable()  # flows must not wait for the collector
        try:
            await deferToThread(live, proxy, upstream, 120)
            await so(lambda: records.count(FlowClosed) == 120, "all flows are closed")
            await so(lambda: sum(isinstance(thing, Flow) for thing in gc.get_objects()) <= 65, "flows are forgotten")
        finally:
            gc.enable()


@pytest_twisted.ensureDeferred
async def test_a_stopped_proxy_leaves_nothing_open_even_in_the_midst_of_flows(upstream: Upstream, version: int) -> None:
    await deferToThread(int)  # the reactor's threads have their descriptors now
    base = descriptors()
    with relaying(where(upstream), version=version) as (proxy, records):
        pairs = await deferToThread(lambda: [(client_of(proxy), upstream.accept()) for _ in range(10)])
        await so(lambda: records.count(FlowOpened) == 10, "all flows are open")
    for pair in pairs:
        for end in pair:
            assert await deferToThread(recv, end) == "ECONNRESET"
            end.close()
    assert descriptors() == base


def test_of_two_proxies_neither_starts_if_one_cannot(version: int) -> None:
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    taken = Upstream(version)
    base = descriptors()
    free, used = ProxySetup("free", Address("127.0.0.1", 0), where(taken), ()), where(taken)
    wall = Wall(reactor, [free, ProxySetup("used", used, used, ())], Records(), seed=0, verbose=True)
    with pytest.raises(CannotStartError, match=r"proxy 'used' cannot listen on .*: Address already in use"):
        wall.startService()
    assert descriptors() == base
    taken.sock.close()


@pytest.mark.parametrize("version", [4])
@pytest.mark.usefixtures("version")
@pytest_twisted.ensureDeferred
async def test_every_address_of_a_name_is_tried_in_turn(upstream: Upstream) -> None:
    port = where(upstream).port
    with socket.socket() as dead:
        dead.bind(("127.0.0.2", port))  # bound and not listening: it refuses
        resolver = FakeNames(
            ("::1", 1),  # tcpmux: nobody offers it
            ("127.0.0.2", port),
            ("127.0.0.1", port),
        )
        with relaying(Address("db.internal", port), resolver) as (proxy, records):
            client = await deferToThread(client_of, proxy)
            server = await deferToThread(upstream.accept)
            assert resolver.asked == [("db.internal", port)]
            await deferToThread(send, client, b"hello")
            assert await deferToThread(recv, server) == b"hello"
            assert records.of(1)[1:4] == [
                AddressFailed("[::1]:1", "ECONNREFUSED"),
                AddressFailed(f"127.0.0.2:{port}", "ECONNREFUSED"),
                FlowOpened(f"127.0.0.1:{port}"),
            ]
            another = await deferToThread(client_of, proxy)
            await deferToThread(upstream.accept)
            assert len(resolver.asked) == 2, "a name is resolved anew for each flow"
            another.close()


@pytest_twisted.ensureDeferred
async def test_an_unknown_name_is_a_rst_and_a_fact(version: int) -> None:
    with relaying(Address("no.such.host.invalid", 80), FakeNames(), version) as (proxy, records):
        client = await deferToThread(client_of, proxy)
        assert await deferToThread(recv, client) == "ECONNRESET"
        await so(lambda: records.count(FlowClosed), "the flow is closed")
        assert records.of(1)[1:4] == [
            AddressFailed("no.such.host.invalid:80", "host name not found"),
            EndingEvidence(Leg.CLIENT, How.RESET, "upstream not reached", Verdict.EFFECTIVE, "established", 0, 0, 0),
            ResetSent(Leg.CLIENT, "upstream not reached"),
        ]


@pytest_twisted.ensureDeferred
async def test_a_client_may_abort_while_the_name_is_resolved(upstream: Upstream, version: int) -> None:
    port = where(upstream).port
    resolver = FakeNames((where(upstream).host, port), at_once=False)
    with relaying(Address("db.internal", port), resolver, version) as (proxy, records):
        client = await deferToThread(client_of, proxy)
        await so(lambda: resolver.asked, "the name is asked for")
        abort(client)
        await so(lambda: records.count(FlowClosed), "the flow is closed")
        resolver.answer()
        assert records.of(1)[1:] == [PeerLost(Leg.CLIENT, "ECONNRESET"), records.of(1)[-1]]
        upstream.sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            upstream.sock.accept()


@pytest_twisted.ensureDeferred
async def test_an_upstream_that_speaks_and_aborts_before_it_is_looked_at_was_not_refused(
    upstream: Upstream, version: int
) -> None:
    upstream.sock.setsockopt(*MIN_TTL[version], 255)
    with relaying(where(upstream), version=version) as (proxy, records):
        client = await deferToThread(client_of, proxy)
        await so(lambda: proxy.flows, "the proxy is dialling")
        upstream.sock.setsockopt(*MIN_TTL[version], 0)
        # From here to the next await the reactor stands still: the proxy sees all of it at once.
        server = upstream.accept()
        assert send(server, b"no seat is free") == "ok"
        acknowledged(server)
        abort(server)
        assert await deferToThread(read_all, client) == (b"no seat is free", "ECONNRESET")
        await so(lambda: records.count(FlowClosed), "the flow is closed")
        assert records.count(AddressFailed) == 0
