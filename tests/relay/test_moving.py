"""What changes while something is under way: flows come and go, a setup is replaced, the last flow ends."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_twisted
from tests.flow.play import arm, rule
from tests.relay.inside import FakeNames, relaying, so
from tests.relay.peers import Upstream, abort, dial, recv
from twisted.internet.threads import deferToThread

from bustedwall.policy.address import Address
from bustedwall.policy.rules import AtRepeat, AtSignal
from bustedwall.relay import aim, perform
from bustedwall.relay.leg import TcpLeg
from bustedwall.relay.service import Proxy
from bustedwall.relay.state import document
from bustedwall.terms.commands import SetLoss
from bustedwall.terms.facts import FlowAccepted, FlowClosed, FlowOpened, LimitReached, LossSet
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import Limit, Limits
from bustedwall.terms.losses import Loss, Losses, Way, What


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


def door(proxy: Proxy) -> tuple[str, int]:
    return proxy.address.host, proxy.address.port


@pytest_twisted.ensureDeferred
async def test_the_state_is_told_whatever_flows_end_before_all_of_it_is(upstream: Upstream) -> None:
    with relaying(Address.parse(upstream.address)) as (proxy, records):
        clients = await deferToThread(lambda: [dial(door(proxy)) for _ in range(3)])
        await so(lambda: records.count(FlowOpened) == 3, "all flows are open")
        pieces = document(cast("Any", SimpleNamespace(proxies=(proxy,), leaving=set())), {"schema": 1})
        told = ""
        while '"flow":' not in told:
            told += next(pieces)
        for client in clients:
            abort(client)
        await so(lambda: records.count(FlowClosed) == 3, "all flows are closed")
        told += "".join(pieces)
        assert len(json.loads(told)["proxies"][0]["flows"]) == 1


@pytest_twisted.ensureDeferred
async def test_a_dial_keeps_the_limit_with_which_it_began(upstream: Upstream) -> None:
    where = Address.parse(upstream.address)
    resolver = FakeNames(at_once=False)
    with relaying(Address("db.internal", where.port), resolver, limits=Limits(connect=1.0)) as (proxy, records):
        client = await deferToThread(dial, door(proxy))
        await so(lambda: records.count(FlowAccepted) == 1, "the client has come")
        proxy.change(replace(proxy.setup, limits=Limits(connect=600.0)), None)
        assert await deferToThread(recv, client) == "ECONNRESET"
        assert LimitReached(Limit.CONNECT, 1.0) in records.of(1)


@pytest_twisted.ensureDeferred
async def test_a_proxy_whose_last_flow_is_ended_by_a_moment_of_a_policy_is_woken_no_more(upstream: Upstream) -> None:
    rules = (
        rule(AtSignal("end"), arm("reset both"), name="end"),
        rule(AtRepeat(600.0), arm("latency 1s from client"), name="again"),
    )
    with relaying(Address.parse(upstream.address), rules=rules) as (proxy, records):
        await deferToThread(dial, door(proxy))
        await so(lambda: records.count(FlowOpened) == 1, "the flow is open")
        over = proxy.drain(600.0).addCallback(lambda _: proxy.stopService())
        assert proxy._ruling.alarm is not None
        proxy.signal("end")
        await over
        assert proxy._ruling.alarm is None


@pytest_twisted.ensureDeferred
async def test_a_loss_that_the_kernel_refuses_is_aimed_no_more(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter asks where the keepalives are, is attached a moment later, and that may fail: no memory."""

    def refuse(_: object, losses: Losses, _before: Losses, numbers: Callable[[Losses], object]) -> None:
        numbers(losses)
        raise OSError(errno.ENOMEM, "no memory")

    monkeypatch.setattr(aim, "aim", lambda *_: 7)
    monkeypatch.setattr(perform, "apply_losses", refuse)
    with relaying(Address.parse(upstream.address)) as (proxy, records):
        await deferToThread(dial, door(proxy))
        await so(lambda: records.count(FlowOpened) == 1, "the flow is open")
        (flow,) = proxy.flows
        perform.perform(flow, [SetLoss(Leg.CLIENT, frozenset({Loss(Way.FROM, What.KEEPALIVES)}))])
        assert [fact.error for fact in records.of(1) if isinstance(fact, LossSet)] == ["ENOMEM"]
        assert flow.client.aim is None
        assert not any(isinstance(sleeper, aim.Aim) and sleeper.alarm for _, _, sleeper in proxy.alarm._heap)


def test_what_the_logic_raises_while_a_leg_is_read_out_is_not_taken_for_the_end_of_the_connection() -> None:
    def tell(_: object) -> None:
        raise OSError(errno.EBADF, "a bug")

    leg = SimpleNamespace(
        dead=False,
        look=True,
        name=Leg.CLIENT,
        _spare=lambda: 10,
        sock=SimpleNamespace(recv=lambda _: b"data"),
        flow=SimpleNamespace(tell=tell),
    )
    with pytest.raises(OSError, match="a bug"):
        TcpLeg.read_out(cast("Any", leg))
