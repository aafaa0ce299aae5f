"""`reset` on real sockets: exactly N bytes, then ECONNRESET, once; the other leg is kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import acknowledged, hung_up, read_all, read_exactly, recv, send
from tests.relay.rig import Rig, Talk, policy, running

from bustedwall.kernel.evidence import snapshot

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}
MUCH = 200_000
SMALL = 4096


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    policies = {
        f"{leg}-{'flush' if flush else 'now'}-{after}": (
            [{"reset": {"leg": leg, "flush": flush}}],
            {"bytes": f"{after}B", "from": OTHER[leg]},
        )
        for leg in LEGS
        for flush in (False, True)
        for after in (1, 1000, MUCH)
    }
    for leg in LEGS:
        policies[f"{leg}-alone"] = ([{"reset": {"leg": leg, "ttl": 3}}], {"bytes": "1B", "from": OTHER[leg]})
    policies["both"] = ([{"reset": "both"}], {"bytes": "10B", "from": "client"})
    policies["open"] = ([{"reset": "client"}], "open")
    uses = {name: [policy(folder, name, *rule)] for name, rule in policies.items()}
    with running(folder, uses, buffer=SMALL) as rig:
        yield rig


def ends(talk: Talk, first: str) -> tuple[socket.socket, socket.socket]:
    """Return the two ends, the named one first."""
    return (talk.client, talk.server) if first == "client" else (talk.server, talk.client)


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the leg that is reset."""
    return request.param


@pytest.mark.parametrize("flush", ["now", "flush"])
@pytest.mark.parametrize("after", [1, 1000])
def test_exactly_n_bytes_arrive_and_then_the_reset_once(
    connect: Connect, version: int, leg: str, flush: str, after: int
) -> None:
    victim, other = ends(connect(f"{leg}-{flush}-{after}", version), leg)
    assert send(other, bytes(range(250)) * 20) == "ok"
    got, ending = read_all(victim)
    assert (got, ending) == ((bytes(range(250)) * 20)[:after], "ECONNRESET")
    assert recv(victim) == "EOF"
    assert send(victim, b"x") == "EPIPE"
    assert recv(victim) == "EOF"


def test_the_first_call_after_the_reset_may_be_a_send(connect: Connect, version: int, leg: str) -> None:
    victim, other = ends(connect(f"{leg}-now-1000", version), leg)
    assert send(other, b"x" * 1000) == "ok"
    assert hung_up(victim)
    assert send(victim, b"x") == "ECONNRESET"
    assert send(victim, b"x") == "EPIPE"
    # What had arrived before the RST is readable still; the error is not told again.
    assert read_all(victim) == (b"x" * 1000, "EOF")


def test_the_bytes_may_come_one_by_one(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"{leg}-now-1000", version)
    victim, other = ends(talk, leg)
    for number in range(999):
        assert send(other, bytes([number % 251])) == "ok"
    assert read_exactly(victim, 999) == bytes(number % 251 for number in range(999))
    assert send(other, b"!?") == "ok"
    assert read_all(victim) == (b"!", "ECONNRESET")
    assert talk.wait("rule-fired")["passed_from_client" if leg == "server" else "passed_from_server"] == 1000


def test_with_flush_a_slow_reader_gets_all_bytes(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"{leg}-flush-{MUCH}", version, buffer=SMALL)
    victim, other = ends(talk, leg)
    data = bytes(range(250)) * (MUCH // 250)
    assert send(other, data + b"not this") == "ok"
    got, ending = read_all(victim, 2000)
    assert ending == "ECONNRESET"
    talk.wait("reset-sent")
    too_slow = [fact for fact in talk.facts() if fact["fact"] == "flush-gave-up"]  # on a busy machine
    assert got == data or (too_slow and data.startswith(got))


def test_without_flush_the_reset_overtakes_what_is_unsent(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"{leg}-now-{MUCH}", version, buffer=SMALL)
    victim, other = ends(talk, leg)
    data = bytes(range(250)) * (MUCH // 250)
    assert send(other, data) == "ok"
    assert hung_up(victim)
    got, ending = read_all(victim)
    assert ending == "ECONNRESET"
    assert data.startswith(got)
    assert len(got) < MUCH
    assert talk.wait("rule-fired")["passed_from_client" if leg == "server" else "passed_from_server"] == MUCH


def test_with_flush_a_reader_that_stops_is_reset_after_a_second(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"{leg}-flush-{MUCH}", version, buffer=SMALL)
    victim, other = ends(talk, leg)
    assert send(other, b"x" * MUCH) == "ok"
    assert hung_up(victim)
    got, ending = read_all(victim)
    assert ending == "ECONNRESET"
    assert len(got) < MUCH
    talk.wait("reset-sent")
    told = [fact["fact"] for fact in talk.facts()]
    assert told.index("flush-gave-up") < told.index("reset-sent")


@pytest.mark.parametrize("flush", ["now", "flush"])
def test_the_other_leg_is_kept_read_and_its_fin_answered(connect: Connect, version: int, leg: str, flush: str) -> None:
    talk = connect(f"{leg}-{flush}-1000", version)
    victim, other = ends(talk, leg)
    assert send(other, b"x" * 1500) == "ok"
    assert read_all(victim) == (b"x" * 1000, "ECONNRESET")
    other.settimeout(0.2)
    assert recv(other) == "nothing", "it does not know"
    other.settimeout(10)
    for _ in range(4):
        assert send(other, b"y" * 100_000) == "ok"
    other.shutdown(socket.SHUT_WR)
    assert recv(other) == "EOF"
    closed = talk.wait("flow-closed")
    assert closed["from_client" if leg == "server" else "from_server"] == 1000
    assert closed["discarded"] == 500 + 400_000


def test_a_reset_of_one_leg_leaves_the_other_alive(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"{leg}-alone", version)
    victim, other = ends(talk, leg)
    assert send(other, b"x") == "ok"
    assert read_all(victim) == (b"x", "ECONNRESET")
    talk.wait("ending-evidence")
    assert send(other, b"and on") == "ok"
    acknowledged(other)
    assert snapshot(other).state == "established"
    assert {(fact["leg"], fact["fact"]) for fact in talk.facts() if "leg" in fact} == {
        (leg, "reset-sent"),
        (leg, "ending-evidence"),
    }, "nothing was done to it"
    other.shutdown(socket.SHUT_WR)
    assert recv(other) == "EOF", "and its end is its own"


def test_what_the_victim_had_sent_before_still_arrives(connect: Connect, version: int, leg: str) -> None:
    victim, other = ends(connect(f"{leg}-now-1", version), leg)
    assert send(victim, b"before") == "ok"
    assert read_exactly(other, 6) == b"before"
    assert send(other, b"x") == "ok"
    assert read_all(victim) == (b"x", "ECONNRESET")


def test_both_legs_are_reset(connect: Connect, version: int) -> None:
    talk = connect("both", version)
    assert send(talk.client, b"0123456789abc") == "ok"
    assert read_all(talk.server) == (b"0123456789", "ECONNRESET")
    assert recv(talk.client) == "ECONNRESET"
    assert talk.story() == [
        "flow-accepted",
        "flow-opened",
        "rule-fired both/rule 1 10 0 None",
        "fault-armed both/rule reset both",
        "reset-sent client both/rule",
        "reset-sent server both/rule",
        f"flow-closed 10 0 {talk.wait('flow-closed')['discarded']}",
    ]


def test_a_reset_at_open_finds_a_client_that_is_connected(connect: Connect, version: int) -> None:
    talk = connect("open", version)
    assert recv(talk.client) == "ECONNRESET"
    talk.server.settimeout(0.2)
    assert recv(talk.server) == "nothing"


def test_the_journal_of_a_reset(connect: Connect, version: int) -> None:
    talk = connect("client-flush-1000", version)
    assert send(talk.client, b"GET") == "ok"
    assert read_exactly(talk.server, 3) == b"GET"
    assert send(talk.server, b"x" * 1000) == "ok"
    assert read_all(talk.client) == (b"x" * 1000, "ECONNRESET")
    talk.server.close()
    assert talk.story() == [
        "flow-accepted",
        "flow-opened",
        "rule-fired client-flush-1000/rule 1 3 1000 None",
        "fault-armed client-flush-1000/rule reset {leg: client, flush: true}",
        "reset-sent client client-flush-1000/rule",
        "peer-finished server",
        "flow-closed 3 1000 0",
    ]
