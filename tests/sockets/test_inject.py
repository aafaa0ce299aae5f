"""`inject`, as the peers read it, on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import read_all, read_exactly, send
from tests.relay.rig import Rig, Talk, policy, running

LEGS = ("client", "server")
TEXT = "-ERR max number of clients reached\r\n"
DATA = bytes(range(251)) * 400
MOST = 4096


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    hello: list[object] = [{"inject": {"text": TEXT, "to": "client"}}, {"close": "client"}]
    most: list[object] = [{"inject": {"hex": "ab" * MOST, "to": "client"}}, {"close": "client"}]
    uses: dict[str, list[object]] = {
        "first": [policy(folder, "first", hello, "accept")],
        "most": [policy(folder, "most", most, "accept")],
    }
    for leg, other in zip(LEGS, reversed(LEGS), strict=True):
        step: list[object] = [{"inject": {"text": "between", "to": other}}]
        uses[f"between-{leg}"] = [policy(folder, f"between-{leg}", step, {"bytes": "1000B", "from": leg})]
    with running(folder, uses) as rig:
        yield rig


def ends(talk: Talk, leg: str) -> tuple[socket.socket, socket.socket]:
    """Return the end that speaks, and the one that listens."""
    assert talk.server is not None
    return (talk.client, talk.server) if leg == "client" else (talk.server, talk.client)


def test_a_client_is_told_why_and_then_of_the_end(rig: Rig, version: int) -> None:
    talk = rig.dial("first", version)

    assert read_all(talk.client) == (TEXT.encode(), "EOF")


def test_a_new_connection_takes_as_much_as_there_can_be(rig: Rig, version: int) -> None:
    talk = rig.dial("most", version)

    assert read_all(talk.client) == (b"\xab" * MOST, "EOF")
    assert talk.wait("flow-closed")["discarded"] == 0


@pytest.mark.parametrize("leg", LEGS)
def test_they_stand_where_the_rule_says_and_every_other_byte_comes(connect: Connect, version: int, leg: str) -> None:
    speaker, listener = ends(connect(f"between-{leg}", version), leg)

    assert send(speaker, DATA) == "ok"
    assert read_exactly(listener, 1000) == DATA[:1000]
    assert read_exactly(listener, 7) == b"between"
    assert read_exactly(listener, len(DATA) - 1000) == DATA[1000:]
    speaker.shutdown(socket.SHUT_WR)
    assert read_all(listener) == (b"", "EOF")
    # And the other way nothing has come that nobody sent.
    assert send(listener, b"answer") == "ok"
    listener.shutdown(socket.SHUT_WR)
    assert read_all(speaker) == (b"answer", "EOF")
