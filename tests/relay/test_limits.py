"""The limits that the relay keeps: seats, and the time that a dial may take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from tests.relay.inside import FakeNames, descriptors, relaying, so
from tests.relay.peers import MIN_TTL, VERSIONS, Upstream, abort, dial, hang_up, recv, send, until
from tests.relay.rig import Door, Fact, Talk, Wall
from twisted.internet.threads import deferToThread

from bustedwall.policy.address import Address
from bustedwall.relay.seats import Seats
from bustedwall.terms.facts import AddressFailed, FlowAccepted, FlowClosed, FlowOpened, LimitReached
from bustedwall.terms.limits import Limit, Limits


def reached(wall: Wall, limit: str) -> list[Fact]:
    return [fact for fact in wall.facts() if fact["fact"] == "limit-reached" and fact["limit"] == limit]


# ---- flows


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


def test_a_client_too_many_waits_in_the_backlog_and_is_served_when_a_seat_is_free(
    tmp_path: Path, upstream: Upstream
) -> None:
    wall = Wall(tmp_path, [Door("web", upstream.address)], "--quiet", "--limit", "flows=2")
    try:
        seated = [Talk(wall, "web", dial(wall.addresses["web"]), upstream.accept()) for _ in range(2)]
        waiting = [dial(wall.addresses["web"]) for _ in range(3)]
        assert [send(client, b"I wait") for client in waiting] == ["ok"] * 3
        (fact,) = until(lambda: reached(wall, "flows"), "the limit is told")
        assert (fact["flow"], fact["value"]) == (None, 2)
        for talk in seated:  # who has a seat is not disturbed
            assert send(talk.client, b"hello") == "ok"
            assert recv(talk.server) == b"hello"
        assert len([f for f in wall.facts() if f["fact"] == "flow-accepted"]) == 2

        ends = [seated[0].client, seated[0].server]
        for client in waiting:
            for end in ends:
                end.close()
            ends = [client, server := upstream.accept()]
            assert recv(server) == b"I wait"
            assert send(server, b"served") == "ok"
            assert recv(client) == b"served"
        assert len(reached(wall, "flows")) == 1, "told once, as long as somebody waits"
    finally:
        hang_up()
        assert wall.stop() == 0


def test_a_limit_of_one_proxy_leaves_the_others_alone(tmp_path: Path, upstream: Upstream) -> None:
    doors = [Door("small", upstream.address, more={"limits": {"flows": 1}}), Door("large", upstream.address)]
    wall = Wall(tmp_path, doors, "--quiet")
    try:
        for name in ("small", "large", "large"):
            dial(wall.addresses[name])
            upstream.accept()
        dial(wall.addresses["small"])
        (fact,) = until(lambda: reached(wall, "flows"), "the limit is told")
        assert (fact["proxy"], fact["value"]) == ("small", 1)
    finally:
        hang_up()
        assert wall.stop() == 0


def test_seats_of_all_are_those_of_each_together() -> None:
    above = Seats(3)
    one, other = Seats(2, above), Seats(2, above)
    come: list[str] = []
    one.take()
    one.take()
    assert (one.full(), other.full()) == (one, None)
    other.take()
    assert other.full() is above
    above.wait(lambda: come.append("above"))
    one.wait(lambda: come.append("one"))

    one.give_back()

    assert come == ["above", "one"]
    one.take()
    one.give_back()
    assert come == ["above", "one"], "each is called once"


def test_fewer_seats_than_are_taken_are_free_once_enough_are_given_back() -> None:
    seats = Seats(3)
    for _ in range(3):
        seats.take()
    seats.resize(1)
    come: list[str] = []
    seats.wait(lambda: come.append("now"))
    seats.give_back()
    seats.give_back()
    assert not come
    seats.give_back()
    assert come == ["now"]


def test_more_seats_are_free_at_once() -> None:
    seats = Seats(1)
    seats.take()
    come: list[str] = []
    seats.wait(lambda: come.append("now"))
    seats.resize(2)
    assert come == ["now"]
    assert seats.full() is None


# ---- connect


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dial_that_nobody_answers_is_given_up(tmp_path: Path, version: int) -> None:
    upstream = Upstream(version)
    upstream.sock.setsockopt(*MIN_TTL[version], 255)  # SYNs are lost
    wall = Wall(tmp_path, [Door("deaf", upstream.address)], "--quiet", "--limit", "connect=300ms")
    try:
        base = wall.descriptors()
        began = time.monotonic()
        talk = Talk(wall, "deaf", dial(wall.addresses["deaf"]), None)
        assert recv(talk.client) == "ECONNRESET"
        assert time.monotonic() - began >= 0.3
        assert talk.story() == [
            "flow-accepted",
            "limit-reached connect 0.3",
            "address-failed limits.connect",
            "reset-sent client upstream not reached",
            "flow-closed 0 0 0",
        ]
        assert wall.descriptors() == base
    finally:
        hang_up()
        upstream.sock.close()
        assert wall.stop() == 0


@pytest_twisted.ensureDeferred
async def test_a_resolver_that_hangs_costs_one_question_and_every_client_its_time_only(upstream: Upstream) -> None:
    where = Address.parse(upstream.address)
    resolver = FakeNames((where.host, where.port), at_once=False)
    with relaying(Address("db.internal", where.port), resolver, limits=Limits(connect=0.2)) as (proxy, records):
        address = (proxy.address.host, proxy.address.port)
        clients = await deferToThread(lambda: [dial(address) for _ in range(3)])
        for client in clients:
            assert await deferToThread(recv, client) == "ECONNRESET"
        await so(lambda: records.count(FlowClosed) == 3, "all flows are closed")
        assert records.of(1)[1:3] == [
            LimitReached(Limit.CONNECT, 0.2),
            AddressFailed(f"db.internal:{where.port}", "limits.connect"),
        ]
        base = descriptors()
        resolver.answer()  # to nobody
        assert descriptors() == base
        assert resolver.asked == [("db.internal", where.port)]


@pytest_twisted.ensureDeferred
async def test_who_comes_while_a_name_is_resolved_gets_the_same_answer(upstream: Upstream) -> None:
    where = Address.parse(upstream.address)
    resolver = FakeNames((where.host, where.port), at_once=False)
    with relaying(Address("db.internal", where.port), resolver) as (proxy, records):
        clients = await deferToThread(lambda: [dial((proxy.address.host, proxy.address.port)) for _ in range(3)])
        await so(lambda: records.count(FlowAccepted) == 3, "all have come")
        abort(clients[1])
        await so(lambda: records.count(FlowClosed) == 1, "one has gone")
        resolver.answer()
        servers = [await deferToThread(upstream.accept) for _ in range(2)]
        assert [await deferToThread(send, server, b"hello") for server in servers] == ["ok", "ok"]
        assert [await deferToThread(recv, clients[number]) for number in (0, 2)] == [b"hello", b"hello"]
        assert len(resolver.asked) == 1


@pytest_twisted.ensureDeferred
async def test_a_dial_that_was_answered_has_no_timer_any_more(upstream: Upstream) -> None:
    where = Address.parse(upstream.address)
    resolver = FakeNames((where.host, where.port), at_once=False)
    with relaying(Address("db.internal", where.port), resolver, limits=Limits(connect=60.0)) as (proxy, records):
        await deferToThread(dial, (proxy.address.host, proxy.address.port))
        await so(lambda: resolver.asked, "the name is asked for")
        (flow,) = proxy.flows
        dialling = flow.dialling
        assert dialling is not None
        assert dialling.alarm is not None
        resolver.answer()
        await so(lambda: records.count(FlowOpened), "the flow is open")
        assert dialling.alarm is None
