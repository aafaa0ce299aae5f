"""A request and its answer while segments of one leg are lost: what each call gives, and who sends again.

The rows are those of the research "what the applications see", request and response, measured on Linux
with a TCP_USER_TIMEOUT at both ends. Who retransmits is read from the kernel's counters of the ends and,
by sock_diag, of the proxy's own sockets.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import acknowledged, recv, send, until
from tests.relay.rig import Rig, policy, running
from tests.sockets.calls import QUIET, info

from bustedwall.kernel.abilities import find_out
from bustedwall.kernel.peer import peer_counts
from bustedwall.terms.needs import Ability

LIMIT = 0.6
"""Seconds for which an end waits for an ACK."""

REQUEST, ANSWER = b"request", b"answer"
GIVEN_UP = ["ETIMEDOUT", "EPIPE", "EOF"]
"""Of recv, then send, then recv."""


@dataclass(frozen=True)
class Row:
    """What is lost, and what comes of it."""

    fault: object
    heard: bool = True
    """The server has the request."""
    answered: bool = False
    """The client has the answer."""
    gives_up: str = ""
    """Whose kernel does."""
    again: str = ""
    """Who sends again: an end, or the proxy, on which leg; empty: nobody has to, for the answer carries the ACK."""


ROWS = {
    "data from client": Row({"drop": "data from client"}, heard=False, gives_up="client", again="client"),
    "all from client": Row({"drop": "all from client"}, heard=False, gives_up="client", again="client"),
    "acks from client": Row({"drop": "acks from client"}, answered=True, again="proxy to client"),
    "all to client": Row({"drop": "all to client"}, gives_up="client", again="proxy to client"),
    "both, client": Row({"blackhole": "client"}, heard=False, gives_up="client", again="client"),
    "data from server": Row({"drop": "data from server"}, gives_up="server", again="server"),
    "all from server": Row({"drop": "all from server"}, gives_up="server", again="server"),
    "acks from server": Row({"drop": "acks from server"}, answered=True),
    "all to server": Row({"drop": "all to server"}, heard=False, again="proxy to server"),
    "both, server": Row({"blackhole": "server"}, heard=False, again="proxy to server"),
}
GUARDED = ("data", "acks")


def key(row: str) -> str:
    return row.replace(", ", "-").replace(" ", "-")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    guarded = Ability.LOSE_SOME in find_out().missing()
    rows = {key(name): row for name, row in ROWS.items() if not (guarded and name.startswith(GUARDED))}
    with running(folder, {name: [policy(folder, name, [row.fault])] for name, row in rows.items()}) as rig:
        yield rig


def cases() -> Iterator[object]:
    for name in ROWS:
        marks = [pytest.mark.root("CAP_NET_ADMIN")] if name.startswith(GUARDED) else []
        yield pytest.param(name, marks=[*marks, pytest.mark.long("up to a second each")])


def hears(sock: socket.socket, words: bytes, *, so: bool) -> None:
    """Require that these words come, or that nothing does."""
    sock.settimeout(10 if so else QUIET)
    assert recv(sock) == (words if so else "nothing")
    sock.settimeout(10)


def sent_again(sock: socket.socket) -> bool:
    """Tell whether the proxy's end of this connection has retransmitted."""
    counts = peer_counts(sock)
    return counts is not None and counts.retransmitted >= 1


@pytest.mark.parametrize("name", list(cases()))
def test_a_row(connect: Connect, version: int, name: str) -> None:
    row = ROWS[name]
    talk = connect(key(name), version)
    assert talk.wait("loss-set")["error"] is None
    assert talk.server is not None
    ends = {"client": talk.client, "server": talk.server}
    assert send(talk.client, REQUEST) == "ok"
    hears(talk.server, REQUEST, so=row.heard)
    if row.heard:
        assert send(talk.server, ANSWER) == "ok"
    hears(talk.client, ANSWER, so=row.answered)
    if row.again in ends:
        until(lambda: info(ends[row.again]).total_retrans >= 1, f"{row.again} sends again")
    elif row.again:
        until(lambda: sent_again(ends[row.again.removeprefix("proxy to ")]), f"{row.again} sends again")
    if row.gives_up != "client":
        acknowledged(talk.client)  # by us, whatever becomes of it behind us
    for end in ends.values():
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LIMIT * 1000))
    if row.gives_up:
        victim = ends[row.gives_up]
        assert [recv(victim), send(victim, b"x"), recv(victim)] == GIVEN_UP
        assert info(victim).total_retrans >= 1
    for name_of, end in ends.items():
        if name_of != row.gives_up:
            hears(end, b"", so=False)
