"""Endings one after the other, and on legs of which a half is closed already.

Who has seen a FIN is in CLOSE_WAIT: a RST that comes then is EPIPE and end of file, never ECONNRESET
(RFC 9293 §3.10.7.4; the research's rules for what a RST means).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import hung_up, read_exactly, recv, send
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import events, fill_up, play

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}

AFTER = {
    "close": ["send: ok", "rst", "poll: IN OUT ERR HUP RDHUP", "recv: EOF", "send: EPIPE", "recv: EOF"],
    "reset": ["rst", "poll: IN OUT ERR HUP RDHUP", "recv: EOF", "send: EPIPE", "recv: EOF"],
    "vanish": ["poll: IN OUT RDHUP", "send: ok", "rst", "recv: EOF", "send: EPIPE", "recv: EOF"],
    "close_unread": ["poll: IN OUT RDHUP", "send: ok", "rst", "recv: EOF", "send: EPIPE", "recv: EOF"],
}
"""What somebody gets who has had a FIN before."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {"both": [policy(folder, "both", [{"half_close": "both"}])]}
    for leg in LEGS:
        now, then = ({"contains": word, "from": leg} for word in ("NOW", "THEN"))
        for fault in AFTER:
            name = f"then-{fault}-{leg}"
            steps: list[object] = [{"half_close": leg}, {"wait": then}, {fault: leg}]
            uses[name] = [policy(folder, name.replace("_", "-"), steps, now)]
        uses[f"late-{leg}"] = [policy(folder, f"late-{leg}", [{"half_close": leg}], {"eof": leg})]
        uses[f"late-close-{leg}"] = [policy(folder, f"late-close-{leg}", [{"close": leg}], {"eof": leg})]
        uses[f"unread-{leg}"] = [
            policy(folder, f"unread-{leg}", [{"close_unread": leg}], {"contains": "NOW", "from": OTHER[leg]})
        ]
    with running(folder, uses, buffer=8192) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the leg that is ended."""
    return request.param


def ends(talk: Talk, first: str) -> tuple[socket.socket, socket.socket]:
    """Return the two ends, the named one first."""
    assert talk.server is not None
    return (talk.client, talk.server) if first == "client" else (talk.server, talk.client)


@pytest.mark.parametrize("fault", AFTER)
def test_an_ending_after_half_a_close(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"then-{fault}-{leg}", version)
    victim, other = ends(talk, leg)
    assert send(victim, b"NOW") == "ok"
    assert recv(victim) == "EOF"
    assert send(victim, b"THEN") == "ok"
    assert read_exactly(other, 7) == b"NOWTHEN"
    if fault == "close_unread":
        talk.wait("fault-armed", 2)
    elif fault == "reset":
        talk.wait("reset-sent")
    else:
        talk.wait("leg-closed", 2)
    script = AFTER[fault]
    assert play(victim, script, lambda: None) == script
    other.close()
    talk.wait("flow-closed")


def test_half_a_close_of_both_leaves_two_who_may_speak_to_nobody(connect: Connect, version: int) -> None:
    talk = connect("both", version)
    script = ["recv: EOF", "send: ok", "sent", "send: ok", "sent", "poll: IN OUT RDHUP"]
    for end in (talk.client, talk.server):
        assert play(end, script, lambda: None) == script
    talk.client.close()
    talk.server.close()
    assert talk.wait("flow-closed")["discarded"] == 4 * len("some words")


def test_half_a_close_of_a_side_that_has_finished_ends_its_connection(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"late-{leg}", version)
    victim, other = ends(talk, leg)
    assert send(victim, b"last words") == "ok"
    victim.shutdown(socket.SHUT_WR)
    assert recv(victim) == "EOF"
    assert read_exactly(other, 10) == b"last words"
    assert recv(other) == "EOF", "its FIN goes on, whatever was done to the victim"
    assert send(other, b"an answer to nobody") == "ok"
    other.close()
    assert talk.wait("flow-closed")["discarded"] == len("an answer to nobody")


def test_a_close_of_a_side_that_has_finished_is_a_clean_end(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"late-close-{leg}", version)
    victim, other = ends(talk, leg)
    victim.shutdown(socket.SHUT_WR)
    assert [recv(victim), recv(victim)] == ["EOF", "EOF"]
    assert recv(other) == "EOF", "what the victim had said before goes on, its FIN too"
    assert send(other, b"an answer to nobody") == "ok"
    other.close()
    assert talk.wait("flow-closed")["discarded"] == len("an answer to nobody")


def test_close_unread_where_something_is_unread_already_is_a_rst_at_once(
    connect: Connect, version: int, leg: str
) -> None:
    # The other end does not read, so that the proxy does not read the victim either.
    talk = connect(f"unread-{leg}", version, buffer=8192)
    victim, other = ends(talk, leg)
    fill_up(victim, talk.wall.pid)
    assert events(victim) == ""
    assert send(other, b"an answer NOW") == "ok"
    assert hung_up(victim)
    assert read_exactly(victim, 13) == b"an answer NOW"
    script = ["recv: ECONNRESET", "recv: EOF", "send: EPIPE"]
    assert play(victim, script, lambda: None) == script
    assert talk.wait("leg-closed")["how"] == "close-unread"


def test_close_unread_of_a_side_that_has_finished_with_bytes_unread(connect: Connect, version: int, leg: str) -> None:
    talk = connect(f"unread-{leg}", version, buffer=8192)
    victim, other = ends(talk, leg)
    fill_up(victim, talk.wall.pid)
    victim.shutdown(socket.SHUT_WR)
    assert send(other, b"NOW") == "ok"
    assert hung_up(victim)
    assert read_exactly(victim, 3) == b"NOW"
    assert recv(victim) == "ECONNRESET"
