"""The client is connected before the upstream is; what it gets when that one refuses, is silent, or comes late."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.peers import (
    FAMILY,
    LOCALHOST,
    MIN_TTL,
    VERSIONS,
    Upstream,
    abort,
    at,
    dial,
    hang_up,
    read_all,
    recv,
    send,
    until,
)
from tests.relay.rig import Door, Talk, Wall, told


class Bench:
    """Upstreams that refuse, that swallow SYNs, and that are called by name; a proxy before each."""

    def __init__(self, folder: Path) -> None:
        self.deaf = {version: Upstream(version) for version in VERSIONS}
        self.refusing = {version: socket.socket(FAMILY[version]) for version in VERSIONS}
        self.named = Upstream(4)
        doors = [Door("named", self.named.address.replace(LOCALHOST[4], "localhost"))]
        for version in VERSIONS:
            # Bound and not listening: the port refuses, and nobody else can take it.
            self.refusing[version].bind((LOCALHOST[version], 0))
            refusing = at(*self.refusing[version].getsockname()[:2])
            doors.append(Door(f"refusing-{version}", refusing, (), at(LOCALHOST[version], 0)))
            doors.append(Door(f"deaf-{version}", self.deaf[version].address, (), at(LOCALHOST[version], 0)))
        self.wall = Wall(folder, doors, "--quiet")
        self.base = self.wall.descriptors()

    def dial(self, proxy: str) -> Talk:
        return Talk(self.wall, proxy, dial(self.wall.addresses[proxy]), None)

    def set_deaf(self, version: int, *, deaf: bool) -> None:
        self.deaf[version].sock.setsockopt(*MIN_TTL[version], 255 if deaf else 0)

    def tidy(self) -> None:
        hang_up()
        for version, upstream in self.deaf.items():
            self.set_deaf(version, deaf=False)
            upstream.forget()


@pytest.fixture(scope="module")
def _bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("wall"))
    yield bench
    for sock in (*bench.refusing.values(), bench.named.sock, *(upstream.sock for upstream in bench.deaf.values())):
        sock.close()
    assert bench.wall.stop() == 0


@pytest.fixture
def bench(_bench: Bench) -> Iterator[Bench]:
    yield _bench
    _bench.tidy()


def test_a_refused_upstream_is_a_connect_that_succeeds_and_then_a_rst(bench: Bench, version: int) -> None:
    talk = bench.dial(f"refusing-{version}")
    assert recv(talk.client) == "ECONNRESET"
    assert talk.story() == [
        "flow-accepted",
        "address-failed ECONNREFUSED",
        "reset-sent client upstream not reached",
        "flow-closed 0 0 0",
    ]
    assert bench.wall.descriptors() == bench.base


def test_a_silent_upstream_makes_the_client_wait_and_loses_nothing_once_it_answers(bench: Bench, version: int) -> None:
    bench.set_deaf(version, deaf=True)
    talk = bench.dial(f"deaf-{version}")
    assert send(talk.client, b"early") == "ok"
    talk.client.settimeout(0.3)
    assert recv(talk.client) == "nothing"
    bench.set_deaf(version, deaf=False)
    server = bench.deaf[version].accept()  # by the repeated SYN, a second after the first
    assert recv(server) == b"early"
    assert send(server, b"late") == "ok"
    talk.client.settimeout(10)
    assert recv(talk.client) == b"late"
    talk.client.close()
    assert recv(server) == "EOF"
    server.close()
    assert talk.story() == [
        "flow-accepted",
        "flow-opened",
        "peer-finished client",
        "peer-finished server",
        "flow-closed 5 4 0",
    ]


def test_a_client_that_aborts_while_its_upstream_is_dialled_leaves_nothing(bench: Bench, version: int) -> None:
    bench.set_deaf(version, deaf=True)
    talk = bench.dial(f"deaf-{version}")
    talk.wait("flow-accepted")
    until(lambda: len(bench.wall.descriptors()) == len(bench.base) + 2, "the proxy is dialling")
    abort(talk.client)
    assert talk.story() == ["flow-accepted", "peer-lost client ECONNRESET", "flow-closed 0 0 0"]
    assert bench.wall.descriptors() == bench.base


def test_a_client_that_has_finished_before_its_upstream_answers_is_still_served(bench: Bench, version: int) -> None:
    # A FIN may be a half-close: the client may still want its answer.
    bench.set_deaf(version, deaf=True)
    talk = bench.dial(f"deaf-{version}")
    assert send(talk.client, b"question") == "ok"
    talk.client.shutdown(socket.SHUT_WR)
    bench.set_deaf(version, deaf=False)
    server = bench.deaf[version].accept()
    assert read_all(server) == (b"question", "EOF")
    assert send(server, b"answer") == "ok"
    server.close()
    assert read_all(talk.client) == (b"answer", "EOF")


def test_while_one_upstream_is_silent_other_flows_go_on(bench: Bench, version: int) -> None:
    bench.set_deaf(version, deaf=True)
    waiting = bench.dial(f"deaf-{version}")
    waiting.wait("flow-accepted")
    for _ in range(10):
        assert recv(bench.dial(f"refusing-{version}").client) == "ECONNRESET"
    waiting.client.settimeout(0)
    with pytest.raises(BlockingIOError):
        waiting.client.recv(1)


def test_an_upstream_can_be_called_localhost(bench: Bench) -> None:
    talk = bench.dial("named")
    server = bench.named.accept()
    assert send(talk.client, b"hello") == "ok"
    assert recv(server) == b"hello"
    server.close()
    opened = talk.wait("flow-opened")
    assert opened["upstream"] == bench.named.address


def test_each_flow_dials_for_itself(bench: Bench, version: int) -> None:
    began = time.monotonic()
    talks = [bench.dial(f"refusing-{version}") for _ in range(5)]
    assert [recv(talk.client) for talk in talks] == ["ECONNRESET"] * 5
    for talk in talks:
        assert told(talk.wait("address-failed")) == "address-failed ECONNREFUSED"
        assert talk.wait("flow-closed")["seconds"] <= time.monotonic() - began
