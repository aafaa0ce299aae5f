"""Flows that only wait for silence have no logic until it may have come, and are ended all the same."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
import pytest_twisted
from tests.flow.play import arm, rule
from tests.relay.inside import relaying, so
from tests.relay.peers import Upstream, dial, recv
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from bustedwall.policy.address import Address
from bustedwall.policy.rules import AtIdle, AtSignal, Rule
from bustedwall.relay.service import Proxy
from bustedwall.relay.tcpflow import TcpFlow
from bustedwall.terms.facts import FlowOpened, RuleFired

PERIOD = 2.0
SILENCE = rule(AtIdle(PERIOD), arm("reset both"), name="test/silence")
LATER = rule(AtIdle(350.0), arm("reset both"), name="test/later")
SIGNAL = rule(AtSignal("go"), arm("reset client"), name="test/signal")


@pytest.fixture
def upstream(version: int) -> Iterator[Upstream]:
    upstream = Upstream(version)
    yield upstream
    upstream.sock.close()


def meet(proxy: Proxy, upstream: Upstream) -> tuple[socket.socket, socket.socket]:
    client = dial((proxy.address.host, proxy.address.port))
    return client, upstream.accept()


def exchange(client: socket.socket, server: socket.socket) -> bool:
    """Tell whether a message gets through."""
    try:
        client.sendall(b"12345")
        return server.recv(5, socket.MSG_WAITALL) == b"12345"
    except OSError:
        return False


def only(proxy: Proxy) -> TcpFlow:
    (flow,) = proxy.flows
    return flow


@pytest.mark.long("silence, 7 s of it")
@pytest.mark.deadline(60)
@pytest_twisted.ensureDeferred
async def test_silence_is_found_out_and_not_too_early(upstream: Upstream, version: int) -> None:
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    with relaying(Address.parse(upstream.address), version=version, rules=(SILENCE,)) as (proxy, records):
        client, server = await deferToThread(meet, proxy, upstream)
        await so(lambda: records.count(FlowOpened), "the flow is open")
        flow = only(proxy)
        assert flow.logic is None
        spoken, begin, alarms = time.monotonic(), time.monotonic(), {flow.alarm}
        while time.monotonic() - begin < 1.5 * PERIOD:
            now = time.monotonic()
            if not await deferToThread(exchange, client, server):
                alarms |= {None}  # this test had no turn for a whole period, and that was silence
                break
            spoken = now
            alarms.add(flow.alarm)
            await deferLater(reactor, 0.02)
        await so(lambda: records.count(RuleFired), "silence")
        assert time.monotonic() - spoken >= PERIOD - 0.01, "the kernel's clock has milliseconds"
        assert len(alarms) > 1, "it was woken once too early"
        for far_end in (client, server):
            assert await deferToThread(recv, far_end) == "ECONNRESET"
        (fired,) = [fact for fact in records.of(1) if isinstance(fact, RuleFired)]
        assert fired.passed_from_client >= 5, "what moved without a logic is known"


@pytest.mark.parametrize("rules", [(), (LATER,), (SILENCE, LATER), (SIGNAL, LATER)], ids=len)
@pytest_twisted.ensureDeferred
async def test_rules_that_come_and_go_wake_it(upstream: Upstream, version: int, rules: tuple[Rule, ...]) -> None:
    with relaying(Address.parse(upstream.address), version=version, rules=(LATER,)) as (proxy, records):
        client, server = await deferToThread(meet, proxy, upstream)
        await so(lambda: records.count(FlowOpened), "the flow is open")
        assert only(proxy).logic is None

        proxy.apply(rules)
        if not await deferToThread(exchange, client, server):
            assert SILENCE in rules
            assert records.count(RuleFired), "this test had no turn for a whole period, and that was silence"
            return
        if SIGNAL in rules:
            proxy.signal("go")
        if SILENCE in rules or SIGNAL in rules:
            assert await deferToThread(recv, client) == "ECONNRESET"
        else:
            assert only(proxy).alarm is None or LATER in rules
