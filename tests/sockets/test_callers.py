"""Faults that leave a connection whole, for each kind of caller: nothing fails, bytes come later or otherwise.

How much later, how evenly, and which bytes is measured in the tests of each fault.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import Blocked, events, play

FAULTS = {
    "latency": "100ms from {}",
    "bandwidth": "64KiB/s from {}",
    "slice": "4B from {}",
    "corrupt": "100% from {}",
    "discard": "4B from {}",
    "duplicate": "4B from {}",
}
LEGS = ("client", "server")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    steps = {f"{word}-{leg}": [{word: form.format(leg)}] for word, form in FAULTS.items() for leg in LEGS}
    with running(folder, {name: [policy(folder, name, each)] for name, each in steps.items()}) as rig:
        yield rig


def ends(talk: Talk, leg: str) -> tuple[socket.socket, socket.socket]:
    """Return who speaks, whose bytes are touched, and who listens."""
    assert talk.server is not None
    return (talk.client, talk.server) if leg == "client" else (talk.server, talk.client)


WORDS = b"some words"

CHANGED = {"discard": -4, "duplicate": 4}
"""Bytes more or fewer than were sent, once."""


class Listener:
    """Who hears the bytes that are touched, and knows how many have to come."""

    def __init__(self, sock: socket.socket, fault: str) -> None:
        self.sock = sock
        self._to_come = CHANGED.get(fault, 0)

    def hears(self, count: int) -> None:
        """Wait until all that was sent is here, and take what is left of it: the next caller meets silence."""
        self._to_come += count
        until(lambda: received(self.sock) >= self._to_come, "all bytes")
        assert received(self.sock) == self._to_come
        self.sock.settimeout(0)
        while recv(self.sock) not in ("EAGAIN", "EOF"):
            pass


def received(sock: socket.socket) -> int:
    """Return how many bytes have arrived, read or not (tcpi_bytes_received)."""
    return int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)[128:], sys.byteorder)


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_kind_of_caller_meets_an_error(connect: Connect, version: int, leg: str, fault: str) -> None:
    talk = connect(f"{fault}-{leg}", version)
    talk.wait("fault-armed")
    speaker, sock = ends(talk, leg)
    listener = Listener(sock, fault)

    blocked = Blocked(sock)
    assert send(speaker, WORDS) == "ok"
    assert blocked.result() == "data", "who is blocked in recv"
    listener.hears(len(WORDS))

    assert events(sock) == "OUT"
    assert send(speaker, WORDS) == "ok"
    until(lambda: events(sock) == "IN OUT", "who polls is told")
    listener.hears(len(WORDS))

    assert play(sock, ["recv: EAGAIN"], lambda: None, at_once=True) == ["recv: EAGAIN"]
    assert send(speaker, WORDS) == "ok"
    assert play(sock, ["recv: data"], lambda: None, at_once=True) == ["recv: data"], "whose socket does not block"
    listener.hears(len(WORDS))

    calls = ["send: ok", "send: ok"]
    assert play(speaker, calls, lambda: None) == calls
    calls = ["recv: data"]
    assert play(sock, calls, lambda: None) == calls
    listener.hears(2 * len(WORDS))
    assert send(speaker, WORDS) == "ok"
    calls = ["recv: data", "send: ok"]
    assert play(sock, calls, lambda: None) == calls, "send; send; recv; recv; send"
    assert recv(speaker) == WORDS, "the other direction is not touched"

    listener.hears(len(WORDS))
    speaker.close()
    sock.settimeout(10)
    assert recv(sock) == "EOF", "the end comes behind all bytes"
