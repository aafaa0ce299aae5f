"""`blackhole`, `drop: acks to` and `drop: next_write to` on real sockets, call by call.

The table is that of the research "what the applications see": faults on the client's leg and on the
server's leg, request and response, with a TCP_USER_TIMEOUT at both ends. A kernel that gives up tells
it once, to the first call, and sends nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import abort, fill, read_all, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import Blocked, info, play

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}
LIMIT = 0.6
SPAN = 0.5
RESET = "IN OUT ERR HUP RDHUP"
DELAY = "2s"

GIVEN_UP = {
    "blocking": ["send: ok", "strike", "recv: ETIMEDOUT", "recv: EOF", "send: EPIPE"],
    "sends first": ["send: ok", "send: ok", "strike", "rst", "send: ETIMEDOUT", "send: EPIPE", "recv: EOF"],
    "polls": [
        "poll: OUT",
        "send: ok",
        "poll: OUT",
        "strike",
        "rst",
        f"poll: {RESET}",
        "recv: ETIMEDOUT",
        "send: EPIPE",
    ],
}
"""What the end gets whose segments are lost, by the order of its calls; `rst` waits for the state CLOSE.

At `strike` it gets its limit: what a program does before may take longer than that on a busy machine.
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    rules: dict[str, tuple[list[object], object]] = {"hole-both": ([{"blackhole": "both"}], "open")}
    for leg in LEGS:
        acks = {"what": "acks", "to": leg}
        write = {"drop": {"what": "next_write", "to": leg}}
        rules[f"hole-{leg}"] = ([{"blackhole": leg}], "open")
        rules[f"hole-{leg}-span"] = ([{"blackhole": {"leg": leg, "for": "500ms"}}], "open")
        rules[f"hole-{leg}-healed"] = (
            [{"blackhole": leg}, {"wait": {"contains": "HEAL", "from": OTHER[leg], "deliver": False}}, "heal"],
            "open",
        )
        rules[f"acks-{leg}"] = ([{"drop": acks}], "open")
        rules[f"acks-{leg}-span"] = ([{"drop": {**acks, "for": "500ms"}}], "open")
        rules[f"write-{leg}"] = ([write], "open")
        rules[f"write-{leg}-later"] = ([write], {"contains": "NOW", "from": leg})
        rules[f"delay-{leg}"] = ([{"latency": {"delay": DELAY, "from": OTHER[leg]}}], "open")
    uses: dict[str, list[object]] = {name: [policy(folder, name, *rule)] for name, rule in rules.items()}
    for leg in LEGS:
        uses[f"blocked-{leg}"] = [*uses[f"delay-{leg}"], *uses[f"write-{leg}-later"]]
    with running(folder, uses) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the leg on which segments are lost."""
    return request.param


def armed(connect: Connect, name: str, version: int, leg: str) -> tuple[Talk, socket.socket, socket.socket]:
    """Return a flow, the end of the leg, and the other one."""
    talk = connect(name, version)
    talk.wait("fault-armed")
    if name.startswith(("hole", "acks")):
        assert talk.wait("loss-set")["error"] is None
    assert talk.server is not None
    return (talk, talk.client, talk.server) if leg == "client" else (talk, talk.server, talk.client)


def limit(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LIMIT * 1000))


# ---- blackhole


@pytest.mark.long("more than a second each")
@pytest.mark.parametrize("order", GIVEN_UP)
def test_blackhole_the_end_times_out_by_its_own_limit(connect: Connect, version: int, leg: str, order: str) -> None:
    talk, victim, other = armed(connect, f"hole-{leg}", version, leg)
    began = time.monotonic()
    assert play(victim, GIVEN_UP[order], lambda: limit(victim)) == GIVEN_UP[order]
    assert time.monotonic() - began >= LIMIT
    assert play(other, ["poll: OUT", "recv: nothing"], lambda: None) == ["poll: OUT", "recv: nothing"]
    abort(other)
    talk.wait("flow-closed")
    lost = [fact["leg"] for fact in talk.facts() if fact["fact"] == "peer-lost"]
    assert lost == [OTHER[leg]], "giving up sends nothing"


def test_blackhole_who_only_reads_waits_for_ever(connect: Connect, version: int, leg: str) -> None:
    _, victim, other = armed(connect, f"hole-{leg}", version, leg)
    limit(victim)
    blocked = Blocked(victim)
    assert send(other, b"never heard") == "ok"
    time.sleep(LIMIT)  # the limit has to have its chance
    assert blocked.waits
    victim.shutdown(socket.SHUT_RD)  # lets the thread go
    assert blocked.result() == "EOF"


def test_blackhole_without_blocking(connect: Connect, version: int, leg: str) -> None:
    _, victim, _ = armed(connect, f"hole-{leg}", version, leg)
    script = ["recv: EAGAIN", "send: ok", "recv: EAGAIN", "strike", "recv: ETIMEDOUT", "recv: EOF", "send: EPIPE"]
    assert play(victim, script, lambda: limit(victim), at_once=True) == script


def test_blackhole_the_other_end_may_speak_and_is_acknowledged(connect: Connect, version: int, leg: str) -> None:
    _, _, other = armed(connect, f"hole-{leg}", version, leg)
    limit(other)
    script = ["send: ok", "sent", "send: ok", "sent", "recv: nothing", "poll: OUT"]
    assert play(other, script, lambda: None) == script


def test_blackhole_of_both_legs(connect: Connect, version: int) -> None:
    talk, client, server = armed(connect, "hole-both", version, "client")
    talk.wait("loss-set", 2)
    for end in (client, server):
        script = GIVEN_UP["blocking"]
        assert play(end, script, lambda end=end: limit(end)) == script


def test_blackhole_ends_and_everything_arrives(connect: Connect, version: int, leg: str) -> None:
    began = time.monotonic()
    talk, victim, other = armed(connect, f"hole-{leg}-span", version, leg)
    for end in (victim, other):
        assert send(end, b"words " * 1000) == "ok"
        end.shutdown(socket.SHUT_WR)
    assert read_all(victim) == (b"words " * 1000, "EOF")
    assert read_all(other) == (b"words " * 1000, "EOF")
    assert time.monotonic() - began >= SPAN
    talk.wait("flow-closed")


def test_blackhole_is_healed_and_what_was_lost_is_sent_again(connect: Connect, version: int, leg: str) -> None:
    _, victim, other = armed(connect, f"hole-{leg}-healed", version, leg)
    assert send(victim, b"lost") == "ok"
    until(lambda: info(victim).total_retrans >= 1, "it is sent again")
    assert send(other, b"lost, tooHEAL") == "ok"
    assert read_exactly(other, 4) == b"lost"
    assert read_exactly(victim, 9) == b"lost, too"


# ---- drop: acks to


def test_acks_lost_the_request_is_delivered_and_its_sender_gives_up(connect: Connect, version: int, leg: str) -> None:
    _, victim, other = armed(connect, f"acks-{leg}", version, leg)
    limit(victim)
    assert send(victim, b"request") == "ok"
    assert read_exactly(other, 7) == b"request"
    script = ["send: ok", "sent", "recv: nothing"]
    assert play(other, script, lambda: None) == script
    assert [recv(victim), send(victim, b"x"), recv(victim)] == ["ETIMEDOUT", "EPIPE", "EOF"]
    assert info(victim).total_retrans >= 1
    assert play(other, ["recv: nothing"], lambda: None) == ["recv: nothing"], "delivered once"


def test_acks_are_heard_again_and_what_was_held_arrives(connect: Connect, version: int, leg: str) -> None:
    began = time.monotonic()
    talk, victim, other = armed(connect, f"acks-{leg}-span", version, leg)
    assert send(victim, b"request") == "ok"
    assert read_exactly(other, 7) == b"request"
    assert send(other, b"answer") == "ok"
    assert read_exactly(victim, 6) == b"answer"
    assert time.monotonic() - began >= SPAN
    assert play(victim, ["sent"], lambda: None) == ["sent"]
    assert talk.wait("loss-set", 2)["losses"] == []


# ---- drop: next_write to


def test_next_write_is_lost_once_and_tcp_repairs_it(connect: Connect, version: int, leg: str) -> None:
    talk, victim, other = armed(connect, f"write-{leg}", version, leg)
    began = time.monotonic()
    assert send(other, b"lost at first") == "ok"
    fact = talk.wait("write-lost")
    assert (fact["size"], fact["not_lost"], fact["leg"]) == (13, 0, leg)
    assert read_exactly(victim, 13) == b"lost at first"
    assert time.monotonic() - began >= 0.1, "a tail loss probe comes after two round trips and 200 ms at most"
    for word in (b"and", b"then", b"no", b"more"):
        assert send(other, word) == "ok"
        assert read_exactly(victim, len(word)) == word
    assert send(victim, b"thanks") == "ok"
    assert read_exactly(other, 6) == b"thanks"
    abort(victim)
    talk.wait("flow-closed")
    assert len([f for f in talk.facts() if f["fact"] == "write-lost"]) == 1


def test_next_write_and_more_behind_it_arrive_in_order(connect: Connect, version: int, leg: str) -> None:
    _, victim, other = armed(connect, f"write-{leg}", version, leg)
    data = bytes(range(251)) * 8000
    assert send(other, data) == "ok"
    other.shutdown(socket.SHUT_WR)
    assert read_all(victim) == (data, "EOF")


def test_next_write_in_the_middle_of_a_conversation(connect: Connect, version: int, leg: str) -> None:
    talk, victim, other = armed_later(connect, f"write-{leg}-later", version, leg)
    assert send(other, b"before") == "ok"
    assert read_exactly(victim, 6) == b"before"
    assert send(victim, b"NOW") == "ok"
    talk.wait("fault-armed")
    assert send(other, b"after") == "ok"
    assert talk.wait("write-lost")["size"] == 5
    assert read_exactly(victim, 5) == b"after"


def armed_later(connect: Connect, name: str, version: int, leg: str) -> tuple[Talk, socket.socket, socket.socket]:
    """Return a flow whose fault comes later, the end of the leg, and the other one."""
    talk = connect(name, version, buffer=8192)
    assert talk.server is not None
    return (talk, talk.client, talk.server) if leg == "client" else (talk, talk.server, talk.client)


def test_a_next_write_that_finds_the_leg_blocked_is_not_lost_and_says_so(connect: Connect, version: int) -> None:
    # What comes first fills the way; what is to be lost was read before that and comes due behind it.
    talk, victim, other = armed_later(connect, "blocked-client", version, "client")
    much = bytes(8 << 20)
    assert send(other, much) == "ok"
    time.sleep(1.5)  # so that it comes due that much later, and the word before it
    assert send(other, b"the next write") == "ok"
    until(lambda: victim.recv(1, socket.MSG_PEEK), "the first bytes arrive")
    assert send(victim, b"NOW") == "ok"
    fact = talk.wait("write-lost")
    assert fact["size"] == 0
    assert fact["not_lost"] >= 1
    assert read_exactly(victim, len(much)) == much
    assert read_exactly(victim, 14) == b"the next write"


@pytest.mark.long("more than a second each")
def test_bulk_into_a_blackhole_fills_the_buffers_and_then_blocks(connect: Connect, version: int, leg: str) -> None:
    _, victim, other = armed(connect, f"hole-{leg}", version, leg)
    assert fill(victim) < 64 << 20
    fill(other)
    limit(other)
    assert recv(other) == "ETIMEDOUT", "a window that stays closed is the end, too: the proxy holds no more"
