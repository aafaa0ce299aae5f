"""A large transfer while segments of one leg are lost: who is blocked, who gives up, who notices nothing.

As measured on Linux (TCP_USER_TIMEOUT at both ends, none in the proxy). What is lost on the sender's
own leg it retransmits itself. On the other leg it is our kernel that has to, and the sender meets a
closed window: it gives up all the same, although each probe is answered. ACKs alone matter to who
sends: those of the sender of a transfer come with data, or not at all.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import recv, send
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import info

from bustedwall.kernel.abilities import find_out
from bustedwall.terms.needs import Ability

LIMIT = 1.0
"""Seconds for which an application's kernel waits for an ACK, or for a window."""

SIZE = 64 << 20
"""More than all buffers on the way together."""

QUIET = 0.3

LOSSES = {
    f"{name}-{leg}": (fault, leg)
    for leg in ("client", "server")
    for name, fault in {
        "from": {"drop": f"all from {leg}"},
        "data": {"drop": f"data from {leg}"},
        "acks": {"drop": f"acks from {leg}"},
        "to": {"drop": f"all to {leg}"},
        "both": {"blackhole": leg},
    }.items()
}
GUARDED = ("data", "acks")
HERE = {
    name: fault
    for name, (fault, _) in LOSSES.items()
    if not name.startswith(GUARDED) or Ability.LOSE_SOME not in find_out().missing()
}


def harmless(name: str, sender: str) -> bool:
    """Tell whether a transfer from this end does not feel it: nothing of it, and no ACK for it, is lost."""
    kind, _, leg = name.partition("-")
    return (kind == "acks" and leg == sender) or (kind == "data" and leg != sender)


def cases() -> Iterator[object]:
    for name in LOSSES:
        for sender in ("client", "server"):
            marks = [pytest.mark.root("CAP_NET_ADMIN")] if name.startswith(GUARDED) else []
            yield pytest.param(name, sender, marks=[*marks, pytest.mark.long("more than a second each")])


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    with running(folder, {name: [policy(folder, name, [fault])] for name, fault in HERE.items()}) as rig:
        yield rig


@dataclass
class Reader:
    """Reads what comes, until it is told that no more is sent and nothing has come for a while."""

    sock: socket.socket
    count: int = 0
    end: str = ""

    def __post_init__(self) -> None:
        self._sent = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.sock.settimeout(QUIET)
        self._thread.start()

    def _read(self) -> None:
        while self.count < SIZE:
            last = self._sent.is_set()
            got = recv(self.sock, 1 << 18)
            if isinstance(got, bytes):
                self.count += len(got)
            elif got != "nothing" or last:
                self.end = got
                return

    def join(self, *, all_of_it: bool) -> None:
        """Wait until it has all, or, where not all can come, until nothing comes."""
        if not all_of_it:
            self._sent.set()
        self._thread.join(30)
        self._sent.set()
        self._thread.join(30)


def ends(talk: Talk, sender: str) -> tuple[socket.socket, socket.socket]:
    """Return the sender and the receiver."""
    assert talk.server is not None
    return (talk.client, talk.server) if sender == "client" else (talk.server, talk.client)


@pytest.mark.parametrize(("name", "sender"), list(cases()))
def test_a_large_transfer(connect: Connect, version: int, name: str, sender: str) -> None:
    talk = connect(name, version)
    assert talk.wait("loss-set")["error"] is None
    speaker, listener = ends(talk, sender)
    if not harmless(name, sender):  # a busy machine must not seem to be one that loses
        for sock in (speaker, listener):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LIMIT * 1000))
    reader = Reader(listener)
    speaker.settimeout(30)
    began = time.monotonic()
    said = send(speaker, bytes(SIZE))
    took = time.monotonic() - began
    reader.join(all_of_it=harmless(name, sender))
    if harmless(name, sender):
        assert (said, reader.count, reader.end) == ("ok", SIZE, "")
        return
    assert said == "ETIMEDOUT"
    assert took >= LIMIT
    assert send(speaker, b"more") == "EPIPE"
    assert recv(speaker) == "EOF"
    assert reader.end == "nothing", "the other end is told nothing"
    assert reader.count < SIZE
    if name.endswith(sender):
        assert info(speaker).total_retrans >= 1
