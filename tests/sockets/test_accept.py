"""What happens to a client right after its handshake, before the upstream is dialled: `when: accept`.

The tables are those of the research of the connect phase on Linux: a blocking connect succeeds, the
call after it fails; without blocking SO_ERROR may have the RST already.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import hung_up, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import QUIET, play
from tests.sockets.doors import connected, house

from bustedwall.kernel.peer import peer_counts

SPAN = 0.4

STEPS: dict[str, list[object]] = {
    "reset": [{"reset": "client"}],
    "close": [{"close": "client"}],
    "close-unread": [{"close_unread": "client"}],
    "half-close": [{"half_close": "client"}],
    "vanish": [{"vanish": "client"}],
    "silent": [{"stall": "from client"}, {"stall": "from server"}],
    "deaf": [{"blackhole": "client"}],
    "lost": [{"drop": "all to client"}, {"wait": {"contains": "HEAL", "from": "server"}}, "heal"],
    "late-reset": [{"wait": {"bytes": "7B", "from": "client"}}, {"wait": "400ms"}, {"reset": "both"}],
    "late-start": [{"stall": "from client"}, {"wait": "400ms"}, "heal"],
    "at-open": [{"wait": "open"}, {"reset": "server"}],
}

NOT_ASKED = {
    "reset": ["rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
    "close": ["recv: EOF", "send: ok", "rst", "send: EPIPE", "recv: EOF"],
    "close-unread": ["recv: nothing", "send: ok", "rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
    "vanish": ["recv: nothing", "send: ok", "rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
}
"""What ends the client before the upstream is asked, and what the client's calls give."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    with running(folder, {name: [policy(folder, name, steps, "accept")] for name, steps in STEPS.items()}) as rig:
        yield rig


def asked(rig: Rig, version: int) -> bool:
    """Tell whether the proxy has dialled the upstream."""
    return bool(select.select([rig.upstreams[version].sock], [], [], QUIET)[0])


@pytest.mark.parametrize("name", NOT_ASKED)
def test_a_client_that_is_ended_at_accept(rig: Rig, version: int, name: str) -> None:
    talk = rig.dial(name, version)
    talk.wait("fault-armed")
    assert play(talk.client, NOT_ASKED[name], lambda: None) == NOT_ASKED[name]
    assert not asked(rig, version)
    story = talk.story()
    assert story[0] == "flow-accepted"
    assert not [fact for fact in story if fact.startswith("flow-opened")]


def test_a_reset_at_accept_may_be_told_by_so_error(rig: Rig, version: int) -> None:
    seen = set()
    for _ in range(20):
        with socket.socket({4: socket.AF_INET, 6: socket.AF_INET6}[version]) as sock:
            sock.setblocking(False)  # noqa: FBT003 (its only argument)
            sock.connect_ex(rig.wall.addresses[f"reset-{version}"])
            told = connected(sock)
            seen.add(told)
            if told == "ok":
                assert hung_up(sock)
                assert recv(sock) == "ECONNRESET"
            assert recv(sock) == "EOF"
    assert seen <= {"ok", "ECONNRESET"}


def test_half_a_close_at_accept_leaves_a_client_that_is_heard(connect: Connect, version: int) -> None:
    talk = connect("half-close", version)
    assert recv(talk.client) == "EOF"
    assert send(talk.client, b"request") == "ok"
    assert read_exactly(talk.server, 7) == b"request"
    assert send(talk.server, b"to nobody") == "ok"
    talk.client.close()
    assert recv(talk.server) == "EOF"
    talk.server.close()
    assert talk.wait("flow-closed")["discarded"] == len("to nobody")


def test_accepted_and_then_silence(connect: Connect, version: int) -> None:
    talk = connect("silent", version)
    for end in (talk.client, talk.server):
        script = ["send: ok", "sent", "recv: nothing", "send: ok", "sent", "poll: OUT"]
        assert play(end, script, lambda: None) == script


def test_a_loss_armed_at_accept_holds_before_the_first_byte(connect: Connect, version: int) -> None:
    talk = connect("deaf", version)
    talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 600)
    script = ["send: ok", "recv: ETIMEDOUT", "send: EPIPE", "recv: EOF"]
    assert play(talk.client, script, lambda: None) == script
    talk.server.settimeout(QUIET)
    assert recv(talk.server) == "nothing"


def test_a_loss_armed_at_accept_is_healed_by_its_script(connect: Connect, version: int) -> None:
    talk = connect("lost", version)
    assert send(talk.server, b"hello") == "ok"
    until(lambda: (counts := peer_counts(talk.client)) and counts.retransmitted, "it is sent again")
    assert send(talk.server, b" HEAL") == "ok"
    assert read_exactly(talk.client, 10) == b"hello HEAL"
    talk.wait("loss-set", 2)


def test_a_script_that_waits_at_accept_does_not_hold_up_the_upstream(connect: Connect, version: int) -> None:
    began = time.monotonic()
    talk = connect("late-reset", version)
    assert send(talk.client, b"request") == "ok"
    assert read_exactly(talk.server, 7) == b"request"
    assert recv(talk.client) == "ECONNRESET"
    assert time.monotonic() - began >= SPAN
    assert recv(talk.server) == "ECONNRESET"


def test_a_service_that_starts_late(connect: Connect, version: int) -> None:
    began = time.monotonic()
    talk = connect("late-start", version)
    assert send(talk.client, b"request") == "ok"
    assert read_exactly(talk.server, 7) == b"request"
    assert time.monotonic() - began >= SPAN


def test_a_script_of_accept_may_wait_for_the_server_leg(connect: Connect, version: int) -> None:
    talk = connect("at-open", version)
    assert recv(talk.server) == "ECONNRESET"
    talk.client.settimeout(QUIET)
    assert recv(talk.client) == "nothing"


# ---- a client that has spoken before it is accepted

QUEUED = {
    "close": ["recv: EOF", "send: ok", "rst", "send: EPIPE", "recv: EOF"],
    "close_unread": ["rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
    "reset": ["rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
    "vanish": ["poll: OUT", "send: ok", "rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"],
}


@pytest.mark.parametrize("fault", QUEUED)
def test_what_is_queued_at_accept_decides_between_fin_and_rst(tmp_path: Path, version: int, fault: str) -> None:
    full = policy(tmp_path, "full", ["backlog_full"], {"signal": "one"})
    at_accept = policy(tmp_path, "at-accept", [{fault: "client"}], "accept")
    with house(tmp_path, version, [full, at_accept]) as home:
        home.one()
        home.set("full")
        talk: Talk = home.dial()
        assert send(talk.client, b"a request that is queued") == "ok"
        home.change()
        home.set("open")
        talk.wait("fault-armed")
        assert play(talk.client, QUEUED[fault], lambda: None) == QUEUED[fault]
        assert not home.asked()
        talk.wait("flow-closed")
