"""The endings of a leg, call by call: `reset`, `close`, `close_unread`, `half_close`, `vanish`.

The tables are those of the research of RST and FIN variants on Linux ("what the applications see"),
and RFC 9293 §3.6 and §3.10.7: what a RST means depends on the state of who receives it. ESTABLISHED:
ECONNRESET, once, by the next call of any kind. CLOSE_WAIT, after a FIN: EPIPE and end of file.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import hung_up, read_all, read_exactly, recv, send
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import CLOSED, QUIET, Blocked, events, play, state

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}
FAULTS = ("reset", "close", "close_unread", "half_close", "vanish")
LASTING_OTHERS = ("reset", "close", "close_unread", "vanish")
RESET = "IN OUT ERR HUP RDHUP"
"""What poll says where a RST has arrived."""

BLOCKED = {
    "reset": ["recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
    "close": ["recv: EOF", "recv: EOF", "send: ok", "rst", "recv: EOF", "send: EPIPE"],
    "half_close": ["recv: EOF", "recv: EOF", "send: ok", "send: ok", "recv: EOF"],
}
"""Who is in recv when it happens: the call that waits, and those after it."""

STILL_BLOCKED = {
    "close_unread": ["send: ok", "rst"],
    "vanish": ["send: ok", "rst"],
}
"""Who is in recv and notices nothing, until something is sent beside it; then recv gives ECONNRESET."""

IDLE = {
    "reset": [
        "strike",
        "rst",
        f"poll: {RESET}",
        "send: ECONNRESET",
        "send: EPIPE",
        "recv: EOF",
        "recv: EOF",
        "send: EPIPE",
    ],
    "close": [
        "strike",
        "poll: IN OUT RDHUP",
        "send: ok",
        "rst",
        f"poll: {RESET}",
        "send: EPIPE",
        "recv: EOF",
        "recv: EOF",
        "send: EPIPE",
    ],
    "close_unread": [
        "strike",
        "poll: OUT",
        "send: ok",
        "rst",
        f"poll: {RESET}",
        "send: ECONNRESET",
        "recv: EOF",
        "recv: EOF",
        "send: EPIPE",
    ],
    "half_close": [
        "strike",
        "poll: IN OUT RDHUP",
        "send: ok",
        "sent",
        "send: ok",
        "recv: EOF",
        "recv: EOF",
        "send: ok",
        "sent",
    ],
    "vanish": [
        "strike",
        "poll: OUT",
        "send: ok",
        "rst",
        f"poll: {RESET}",
        "send: ECONNRESET",
        "recv: EOF",
        "recv: EOF",
        "send: EPIPE",
    ],
}
"""Who does nothing when it happens, then polls, and makes the calls `send; send; recv; recv; send`."""

TALKING = {
    "reset": ["send: ok", "strike", "rst", "send: ECONNRESET", "recv: EOF", "send: EPIPE"],
    "close": ["send: ok", "strike", "send: ok", "rst", "recv: EOF", "send: EPIPE"],
    "close_unread": ["send: ok", "sent", "strike", "send: ok", "rst", "recv: ECONNRESET", "send: EPIPE"],
    "half_close": ["send: ok", "strike", "send: ok", "recv: EOF", "send: ok", "sent"],
    "vanish": ["send: ok", "sent", "strike", "send: ok", "rst", "recv: ECONNRESET", "send: EPIPE"],
}
"""Who makes the calls `send; recv; send` afterwards."""

AT_ONCE = {
    "reset": ["recv: EAGAIN", "strike", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
    "close": ["recv: EAGAIN", "strike", "recv: EOF", "send: ok", "rst", "send: EPIPE", "recv: EOF"],
    "close_unread": ["recv: EAGAIN", "strike", "recv: EAGAIN", "send: ok", "recv: ECONNRESET", "send: EPIPE"],
    "half_close": ["recv: EAGAIN", "strike", "recv: EOF", "send: ok", "sent", "send: ok", "recv: EOF"],
    "vanish": ["recv: EAGAIN", "strike", "recv: EAGAIN", "send: ok", "recv: ECONNRESET", "send: EPIPE"],
}
"""Whose socket does not block."""

HAPPENED = {"reset": "reset-sent", "close_unread": "fault-armed"}
"""The fact that tells that it has happened, or waits for something to leave unread; elsewhere leg-closed."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {}
    for leg in LEGS:
        now = {"contains": "NOW", "from": OTHER[leg], "deliver": False}
        for fault in FAULTS:
            steps: dict[str, object] = {f"{fault}-{leg}": {fault: leg}}
            if fault in LASTING_OTHERS:
                steps |= {f"{fault}-{leg}-{o}": {fault: {"leg": leg, "other": o}} for o in ("close", "reset")}
            for name, step in steps.items():
                uses[name] = [policy(folder, name.replace("_", "-"), [step], now)]
    with running(folder, uses) as rig:
        yield rig


def ends(talk: Talk, first: str) -> tuple[socket.socket, socket.socket]:
    """Return the two ends, the named one first."""
    assert talk.server is not None
    return (talk.client, talk.server) if first == "client" else (talk.server, talk.client)


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the leg that is ended."""
    return request.param


def strike(talk: Talk, leg: str, fault: str) -> None:
    """Have the fault happen, by a word of the other end that does not go through; return when it has."""
    _, other = ends(talk, leg)
    assert send(other, b"NOW") == "ok"
    talk.wait(HAPPENED.get(fault, "leg-closed"))


@pytest.mark.parametrize("fault", BLOCKED)
def test_who_is_blocked_in_recv(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"{fault}-{leg}", version)
    victim, _ = ends(talk, leg)
    blocked = Blocked(victim)
    strike(talk, leg, fault)
    assert [f"recv: {blocked.result()}"] == BLOCKED[fault][:1]
    assert play(victim, BLOCKED[fault][1:], strike) == BLOCKED[fault][1:]


@pytest.mark.parametrize("fault", STILL_BLOCKED)
def test_who_is_blocked_in_recv_and_notices_nothing(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"{fault}-{leg}", version)
    victim, _ = ends(talk, leg)
    blocked = Blocked(victim)
    strike(talk, leg, fault)
    assert blocked.waits
    assert victim.send(b"some words")
    assert blocked.result() == "ECONNRESET"
    assert [recv(victim), send(victim, b"x")] == ["EOF", "EPIPE"]


@pytest.mark.parametrize("fault", FAULTS)
def test_who_polls_and_then_sends_twice_reads_twice_and_sends(
    connect: Connect, version: int, leg: str, fault: str
) -> None:
    talk = connect(f"{fault}-{leg}", version)
    victim, _ = ends(talk, leg)
    script = IDLE[fault]
    assert play(victim, script, lambda: strike(talk, leg, fault)) == script


@pytest.mark.parametrize("fault", FAULTS)
def test_who_sends_and_then_reads_and_sends(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"{fault}-{leg}", version)
    victim, other = ends(talk, leg)
    script = TALKING[fault]

    def heard_and_struck() -> None:
        assert read_exactly(other, 10) == b"some words"
        strike(talk, leg, fault)

    assert play(victim, script, heard_and_struck) == script
    if fault == "half_close":
        assert read_exactly(other, 20) == b"some words" * 2


@pytest.mark.parametrize("fault", FAULTS)
def test_whose_socket_does_not_block(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"{fault}-{leg}", version)
    victim, _ = ends(talk, leg)
    script = AT_ONCE[fault]
    assert play(victim, script, lambda: strike(talk, leg, fault), at_once=True) == script


@pytest.mark.parametrize("fault", FAULTS)
def test_what_had_arrived_stays_readable(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"{fault}-{leg}", version)
    victim, other = ends(talk, leg)
    assert send(other, b"an answer, and then NOW") == "ok"
    talk.wait(HAPPENED.get(fault, "leg-closed"))
    assert read_exactly(victim, 20) == b"an answer, and then "
    if fault in STILL_BLOCKED:
        assert send(victim, b"thanks") == "ok"
    assert recv(victim) == ("EOF" if fault in ("close", "half_close") else "ECONNRESET")


@pytest.mark.parametrize("fault", LASTING_OTHERS)
def test_the_other_end_knows_nothing_and_is_read(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"{fault}-{leg}", version)
    victim, other = ends(talk, leg)
    strike(talk, leg, fault)
    if fault == "close_unread":
        assert send(victim, b"unread") == "ok"
        assert talk.wait("leg-closed")["how"] == "close-unread"
        assert hung_up(victim)
    assert events(other) == "OUT"
    script = ["send: ok", "sent", "recv: nothing", "send: ok", "sent"]
    assert play(other, script, strike) == script
    other.shutdown(socket.SHUT_WR)
    other.settimeout(10)
    assert recv(other) == "EOF", "its FIN is answered"
    closed = talk.wait("flow-closed")
    assert closed["discarded"] == len("NOW") + 2 * len("some words")


@pytest.mark.parametrize("other_ending", ["close", "reset"])
@pytest.mark.parametrize("fault", LASTING_OTHERS)
def test_the_other_end_is_ended_too(connect: Connect, version: int, leg: str, fault: str, other_ending: str) -> None:
    talk = connect(f"{fault}-{leg}-{other_ending}", version)
    victim, other = ends(talk, leg)
    strike(talk, leg, fault)
    if other_ending == "reset":
        script = ["rst", f"poll: {RESET}", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"]
    else:
        script = ["recv: EOF", "send: ok", "rst", "send: EPIPE", "recv: EOF"]
    assert play(other, script, strike) == script
    if fault == "close_unread":
        assert send(victim, b"unread") == "ok"
        assert hung_up(victim)
    talk.wait("flow-closed")


def test_half_close_keeps_what_the_other_side_says_and_answers_it_no_more(
    connect: Connect, version: int, leg: str
) -> None:
    # The FIN has gone to the victim: what the other end sends from now on has nowhere to go.
    talk = connect(f"half_close-{leg}", version)
    victim, other = ends(talk, leg)
    strike(talk, leg, "half_close")
    assert recv(victim) == "EOF"
    for _ in range(3):
        assert send(victim, b"x" * 100_000) == "ok"
        assert read_exactly(other, 100_000) == b"x" * 100_000
        assert send(other, b"thrown away") == "ok"
    victim.close()
    assert recv(other) == "EOF"
    other.close()
    assert talk.wait("flow-closed")["discarded"] == len("NOW") + 3 * len("thrown away")


def test_vanish_makes_way_for_the_same_port(rig: Rig, connect: Connect, version: int) -> None:
    # After a reboot a client may come again from its old port; the old connection is no more.
    for _ in range(5):
        talk = connect("vanish-client", version)
        client = talk.client
        here = client.getsockname()
        strike(talk, "client", "vanish")
        assert send(client, b"hello?") == "ok"
        assert play(client, ["rst"], strike) == ["rst"]
        again = socket.socket(client.family)
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.close()
        try:
            again.bind(here)
        except OSError as taken:
            again.close()
            if taken.errno != errno.EADDRINUSE:
                raise
            continue  # another program got the port in this moment
        break
    else:
        raise AssertionError("five times another program got the port")
    with again:
        again.settimeout(10)
        again.connect(rig.wall.addresses[f"vanish-client-{version}"])
        server = rig.upstreams[version].accept()
        assert send(again, b"here I am again") == "ok"
        assert read_exactly(server, 15) == b"here I am again"


def test_vanish_while_bytes_are_on_their_way_to_it_sends_none_of_them(connect: Connect, version: int) -> None:
    talk = connect("vanish-client", version)
    assert send(talk.server, b"heard NOW") == "ok"
    talk.wait("leg-closed")
    assert read_exactly(talk.client, 6) == b"heard "
    assert send(talk.server, b"never heard") == "ok"
    talk.client.settimeout(QUIET)
    assert recv(talk.client) == "nothing"
    assert state(talk.client) != CLOSED


def test_a_close_is_behind_all_that_had_passed_even_to_a_slow_reader(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"close-{leg}", version)
    victim, other = ends(talk, leg)
    data = bytes(range(250)) * 4000
    assert send(other, data + b"NOW") == "ok"
    talk.wait("leg-closed")
    assert read_all(victim, 3000) == (data, "EOF")
