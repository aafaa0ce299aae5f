"""`latency` on real sockets: never earlier, never out of order, endings behind their bytes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import HANG, abort, read_all, read_exactly, recv, send
from tests.relay.rig import Rig, Talk, policy, running

DELAY = 0.1
SPAN = 0.5
LEGS = ("client", "server")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    policies = {leg: [{"latency": f"100ms from {leg}"}] for leg in LEGS}
    policies["span"] = [{"latency": {"delay": "1h", "from": "client", "for": "500ms"}}]
    policies["healed"] = [{"latency": "1h from client"}, {"wait": "500ms"}, "heal"]
    policies["twice"] = [{"latency": "100ms from client"}, {"latency": "150ms from client"}]
    with running(folder, {name: [policy(folder, name, steps)] for name, steps in policies.items()}) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the leg whose bytes are delayed."""
    return request.param


def ends(talk: Talk, first: str) -> tuple[socket.socket, socket.socket]:
    """Return the two ends, the one that is delayed first; both know each other's faults."""
    talk.wait("fault-armed")
    return (talk.client, talk.server) if first == "client" else (talk.server, talk.client)


def test_no_byte_arrives_earlier_and_the_way_back_is_not_delayed(connect: Connect, version: int, leg: str) -> None:
    slow, other = ends(connect(leg, version), leg)
    for number in range(3):
        began = time.monotonic()
        assert send(slow, bytes([number]) * 1000) == "ok"
        assert read_exactly(other, 1000) == bytes([number]) * 1000
        assert time.monotonic() - began >= DELAY
        assert send(other, b"back") == "ok"
        assert read_exactly(slow, 4) == b"back"


def test_each_byte_waits_for_its_own_time(connect: Connect, version: int, leg: str) -> None:
    slow, other = ends(connect(leg, version), leg)
    sent, arrived = [], []
    with ThreadPoolExecutor(1) as pool:

        def listen() -> None:
            for number in range(10):
                assert read_exactly(other, 1) == bytes([number])
                arrived.append(time.monotonic())

        heard = pool.submit(listen)
        for number in range(10):
            sent.append(time.monotonic())
            assert send(slow, bytes([number])) == "ok"
            time.sleep(0.02)  # so that each has a time of its own
        heard.result(HANG)
    assert all(there - here >= DELAY for here, there in zip(sent, arrived, strict=True))


def test_many_bytes_arrive_in_order_and_the_fin_behind_them(connect: Connect, version: int, leg: str) -> None:
    slow, other = ends(connect(leg, version), leg)
    data = bytes(range(251)) * 8000
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(read_all, other)
        began = time.monotonic()
        assert send(slow, data) == "ok"
        slow.shutdown(socket.SHUT_WR)
        got, ending = heard.result(HANG)
    assert (len(got), ending) == (len(data), "EOF")
    assert got == data
    assert time.monotonic() - began >= DELAY


def test_a_fin_alone_is_delayed(connect: Connect, version: int, leg: str) -> None:
    slow, other = ends(connect(leg, version), leg)
    began = time.monotonic()
    slow.shutdown(socket.SHUT_WR)
    assert recv(other) == "EOF"
    assert time.monotonic() - began >= DELAY


def test_a_rst_arrives_behind_the_bytes_and_as_late(connect: Connect, version: int, leg: str) -> None:
    slow, other = ends(connect(leg, version), leg)
    began = time.monotonic()
    assert send(slow, b"the last words") == "ok"
    abort(slow)
    assert read_exactly(other, 14) == b"the last words"
    assert recv(other) == "ECONNRESET"
    assert time.monotonic() - began >= DELAY


def test_two_latencies_add_up(connect: Connect, version: int) -> None:
    talk = connect("twice", version)
    talk.wait("fault-armed", 2)
    began = time.monotonic()
    assert send(talk.client, b"x") == "ok"
    assert recv(talk.server) == b"x"
    assert time.monotonic() - began >= DELAY + 0.15


@pytest.mark.parametrize("name", ["span", "healed"])
def test_what_is_held_goes_out_at_once_and_in_order_when_the_fault_ends(
    connect: Connect, version: int, name: str
) -> None:
    began = time.monotonic()
    talk = connect(name, version)
    talk.wait("fault-armed")
    data = bytes(range(251)) * 100
    for at in range(0, len(data), 1000):
        assert send(talk.client, data[at : at + 1000]) == "ok"
    talk.client.shutdown(socket.SHUT_WR)
    assert read_all(talk.server) == (data, "EOF")
    assert time.monotonic() - began >= SPAN
    assert send(talk.server, b"not delayed") == "ok"
    assert recv(talk.client) == b"not delayed"
    talk.server.close()
    fault, why = {
        "span": ("latency {delay: 1h, from: client, for: 500ms}", "its time is over"),
        "healed": ("latency 1h from client", "healed"),
    }[name]
    story = talk.story()
    story.remove("peer-finished client")  # before the fault ends, unless we are late
    assert story == [
        "flow-accepted",
        "flow-opened",
        f"rule-fired {name}/rule 1 0 0 None",
        f"fault-armed {name}/rule {fault}",
        f"fault-ended {name}/rule {fault} {why}",
        "peer-finished server",
        f"flow-closed {len(data)} 11 0",
    ]
