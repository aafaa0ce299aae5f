"""Turns of clients on real sockets: what the server was sent, and whether it has answered."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import pytest_twisted
from tests.flow.play import arm, rule
from tests.relay.inside import relaying_all, so
from tests.relay.peers import Upstream, abort, dial, read_exactly, recv, send
from twisted.internet.threads import deferToThread

from bustedwall.policy.address import Address
from bustedwall.policy.rules import AtBytes, AtOpen, Rule
from bustedwall.policy.setup import ProxySetup
from bustedwall.terms.facts import FlowClosed, TurnSent
from bustedwall.terms.leg import Leg

Talk = Callable[[socket.socket, socket.socket], Awaitable[None]]

BIG = 3 << 20


async def told(version: int, talk: Talk, *rules: Rule, turns: bool = True) -> list[TurnSent]:
    """Hold a talk over one flow; return the turns that were told until it was closed."""
    upstream = Upstream(version)
    host = {4: "127.0.0.1", 6: "::1"}[version]
    setup = ProxySetup("proxy", Address(host, 0), Address.parse(upstream.address), rules, turns=turns)
    with relaying_all([setup]) as ((proxy, records),):
        client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
        server = await deferToThread(upstream.accept)
        await talk(client, server)
        client.close()
        server.close()
        await so(lambda: records.count(FlowClosed), "the flow is closed")
    upstream.sock.close()
    facts = [fact for fact in records.of(1) if isinstance(fact, TurnSent | FlowClosed)]
    assert isinstance(facts[-1], FlowClosed), "the last turn is told before the end"
    return [fact for fact in facts if isinstance(fact, TurnSent)]


async def says(source: socket.socket, target: socket.socket, data: bytes) -> None:
    sent = deferToThread(send, source, data)
    assert await deferToThread(read_exactly, target, len(data)) == data
    await sent


@pytest.mark.parametrize("answer", [b"200", b"x" * BIG], ids=["short", "spliced"])
@pytest_twisted.ensureDeferred
async def test_a_request_that_is_repeated_shows(version: int, answer: bytes) -> None:
    async def talk(client: socket.socket, server: socket.socket) -> None:
        await says(server, client, b"hello")
        for request in (b"GET /a", b"GET /b", b"GET /a"):
            await says(client, server, request)
            await says(server, client, answer)

    turns = await told(version, talk)
    assert [(turn.turn, turn.bytes, turn.answered) for turn in turns] == [(n, 6, True) for n in (1, 2, 3)]
    assert turns[0].digest == turns[2].digest != turns[1].digest


@pytest_twisted.ensureDeferred
async def test_a_request_in_many_pieces_is_one_turn(version: int) -> None:
    async def talk(client: socket.socket, server: socket.socket) -> None:
        await says(client, server, b"x" * BIG)
        await says(client, server, b"y")
        await says(server, client, b"200")

    (turn,) = await told(version, talk)
    assert (turn.bytes, turn.answered) == (BIG + 1, True)


@pytest_twisted.ensureDeferred
async def test_what_nobody_answers_is_told_as_that(version: int) -> None:
    async def talk(client: socket.socket, server: socket.socket) -> None:
        await says(client, server, b"GET /")
        abort(server)
        assert await deferToThread(recv, client) == "ECONNRESET"

    (turn,) = await told(version, talk)
    assert (turn.bytes, turn.answered) == (5, False)


@pytest_twisted.ensureDeferred
async def test_an_answer_that_meets_no_client_any_more_is_one(version: int) -> None:
    async def talk(client: socket.socket, server: socket.socket) -> None:
        await says(client, server, b"GET /")
        assert await deferToThread(recv, client) == "ECONNRESET"
        assert await deferToThread(send, server, b"200") == "ok"

    (turn,) = await told(version, talk, rule(AtBytes(Leg.CLIENT, 5), arm("reset client")))
    assert (turn.bytes, turn.answered) == (5, True)


@pytest_twisted.ensureDeferred
async def test_a_request_that_was_lost_before_it_came_is_none(version: int) -> None:
    async def talk(client: socket.socket, server: socket.socket) -> None:
        assert await deferToThread(send, client, b"GET /") == "ok"
        abort(server)
        await deferToThread(recv, client)

    assert await told(version, talk, rule(AtOpen(), arm("stall from client"))) == []


@pytest_twisted.ensureDeferred
async def test_without_it_nothing_is_told_and_the_flow_has_no_logic(version: int) -> None:
    async def talk(client: socket.socket, server: socket.socket) -> None:
        await says(client, server, b"GET /")
        await says(server, client, b"200")

    assert await told(version, talk, turns=False) == []


@pytest_twisted.ensureDeferred
async def test_it_is_for_flows_that_come_later(version: int) -> None:
    upstream = Upstream(version)
    host = {4: "127.0.0.1", 6: "::1"}[version]
    setup = ProxySetup("proxy", Address(host, 0), Address.parse(upstream.address), ())
    with relaying_all([setup]) as ((proxy, records),):
        ends = []
        for turns in (False, True):
            proxy.change(replace(setup, turns=turns), None)
            client = await deferToThread(dial, (proxy.address.host, proxy.address.port))
            ends.append((client, await deferToThread(upstream.accept)))
        for client, server in ends:
            await says(client, server, b"GET /")
            await says(server, client, b"200")
        assert [number for number, fact in records.facts if isinstance(fact, TurnSent)] == [2]
        for client, server in ends:
            client.close()
            server.close()
        await so(lambda: records.count(FlowClosed) == 2, "both are closed")
    upstream.sock.close()
