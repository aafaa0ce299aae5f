"""`bandwidth`, and `latency` that varies: never earlier than they say, no byte lost, none out of order.

How exact they are is measured in benchmarks/; a busy machine makes everything late and nothing early.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import abort, fill, read_all, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import info, play, stopped

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}
RATE = 64 << 10
DATA = bytes(range(251)) * 131  # half a second's worth

STEPS: dict[str, dict[str, object]] = {
    "narrow": {"bandwidth": {"rate": "64KiB/s"}},
    "narrow-span": {"bandwidth": {"rate": "1KiB/s", "for": "700ms"}},
    "burst": {"bandwidth": {"rate": "1KiB/s", "burst": "16KiB"}},
    "shared": {"bandwidth": {"rate": "64KiB/s", "shared": True}},
    "uniform": {"latency": {"delay": "100ms", "jitter": "60ms", "distribution": "uniform"}},
    "normal": {"latency": {"delay": "50ms", "jitter": "30ms"}},
    "spikes": {"latency": {"delay": "20ms", "spikes": "50%", "spike": "1500ms"}},
    "spike": {"latency": {"delay": "20ms", "spikes": "100%", "spike": "400ms"}},
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {}
    for leg in LEGS:
        for name, step in STEPS.items():
            ((word, settings),) = step.items()
            assert isinstance(settings, dict)
            uses[f"{name}-{leg}"] = [policy(folder, f"{name}-{leg}", [{word: {**settings, "from": leg}}])]
    with running(folder, uses) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the side whose bytes are slowed."""
    return request.param


def armed(connect: Connect, name: str, version: int, leg: str) -> tuple[Talk, socket.socket, socket.socket]:
    """Return a flow, the end whose bytes are slowed, and the other one."""
    talk = connect(name, version)
    talk.wait("fault-armed")
    assert talk.server is not None
    return (talk, talk.client, talk.server) if leg == "client" else (talk, talk.server, talk.client)


# ---- bandwidth


def test_bytes_take_as_long_as_the_rate_says_and_the_fin_is_behind_them(
    connect: Connect, version: int, leg: str
) -> None:
    _, speaker, listener = armed(connect, f"narrow-{leg}", version, leg)
    began = time.monotonic()
    assert send(speaker, DATA) == "ok"
    assert play(speaker, ["sent"], lambda: None) == ["sent"]
    speaker.shutdown(socket.SHUT_WR)
    assert read_all(listener) == (DATA, "EOF")
    assert time.monotonic() - began >= len(DATA) / RATE
    assert info(speaker).retransmits == 0
    assert send(listener, b"x" * 1_000_000) == "ok"
    assert read_exactly(speaker, 1_000_000) == b"x" * 1_000_000


def test_a_rst_is_behind_the_bytes(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"narrow-{leg}", version, leg)
    began = time.monotonic()
    assert send(speaker, DATA) == "ok"
    assert play(speaker, ["sent"], lambda: None) == ["sent"]
    abort(speaker)
    assert read_all(listener) == (DATA, "ECONNRESET")
    assert time.monotonic() - began >= len(DATA) / RATE


def test_what_is_held_is_bounded_and_the_window_closes(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"narrow-{leg}", version, leg)
    sent = fill(speaker)
    until(lambda: info(speaker).window == 0 or info(speaker).notsent == 0, "the window is closed")
    assert sent < 32 << 20
    assert isinstance(recv(listener), bytes)


def test_a_burst_passes_at_once(connect: Connect, version: int, leg: str) -> None:
    _, speaker, listener = armed(connect, f"burst-{leg}", version, leg)
    began = time.monotonic()
    assert send(speaker, b"x" * (16 << 10)) == "ok"
    assert read_exactly(listener, 16 << 10) == b"x" * (16 << 10)
    assert time.monotonic() - began < 8, "at its rate it would take 16 s"
    assert send(speaker, b"y" * 512) == "ok"
    assert read_exactly(listener, 512) == b"y" * 512
    assert time.monotonic() - began >= 0.4


def test_when_it_ends_what_is_held_goes_out_at_once(connect: Connect, version: int, leg: str) -> None:
    began = time.monotonic()
    _, speaker, listener = armed(connect, f"narrow-span-{leg}", version, leg)
    assert send(speaker, DATA) == "ok"
    assert read_exactly(listener, len(DATA)) == DATA
    assert 0.7 <= time.monotonic() - began < 16, "at its rate it would take 32 s"


def test_flows_that_share_a_pipe_take_turns(rig: Rig, connect: Connect, version: int, leg: str) -> None:
    flows = [armed(connect, f"shared-{leg}", version, leg) for _ in range(3)]
    got: dict[int, float] = {}

    def read(number: int, listener: socket.socket) -> None:
        assert read_exactly(listener, len(DATA) // 2) == DATA[: len(DATA) // 2]
        got[number] = time.monotonic() - began

    readers = [threading.Thread(target=read, args=(n, flow[2]), daemon=True) for n, flow in enumerate(flows)]
    for reader in readers:
        reader.start()
    with stopped(rig.wall):  # or the first one would have the pipe for itself until the others have spoken
        for _, speaker, _ in flows:
            assert send(speaker, DATA[: len(DATA) // 2]) == "ok"
        began = time.monotonic()
    for reader in readers:
        reader.join(20)
    alone = len(DATA) / 2 / RATE
    assert len(got) == 3
    assert max(got.values()) >= 3 * alone * 0.95
    assert min(got.values()) >= 2 * alone * 0.9, "nobody has the pipe for himself"


# ---- latency that varies


def silence(sock: socket.socket) -> float:
    """Return the seconds since data arrived (tcpi_last_data_recv)."""
    told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 56)[52:]
    return int.from_bytes(told, sys.byteorder) / 1000


@pytest.mark.parametrize(("name", "least"), [("uniform", 0.04), ("normal", 0.0), ("spikes", 0.02), ("spike", 0.42)])
def test_bytes_and_fin_are_never_early_and_in_order(
    connect: Connect, version: int, leg: str, name: str, least: float
) -> None:
    _, speaker, listener = armed(connect, f"{name}-{leg}", version, leg)
    data = bytes(range(251)) * 2000
    began = time.monotonic()
    assert send(speaker, data) == "ok"
    speaker.shutdown(socket.SHUT_WR)
    got = bytearray()
    first = 0.0
    while isinstance(part := recv(listener), bytes):
        first = first or time.monotonic() - began
        got += part
    assert part == "EOF"
    assert bytes(got) == data
    assert first >= least


@pytest.mark.long("two seconds each")
def test_spikes_strike_some_and_spare_others(connect: Connect, version: int, leg: str) -> None:
    # 24 draws of one half: all alike once in eight million runs.
    flows = [armed(connect, f"spikes-{leg}", version, leg) for _ in range(24)]
    began = time.monotonic()
    for _, speaker, _ in flows:
        assert send(speaker, b"x") == "ok"
    for _, _, listener in flows:
        assert recv(listener) == b"x"
    # When it arrived, whenever it was read.
    took = [time.monotonic() - silence(listener) - began for _, _, listener in flows]
    assert max(took) >= 1.5, "a spike, but for the kernel's clock, which is a little coarse"
    assert min(took) < 1.5
