"""`larger_than` goes by the segment, also where many of them come as one piece, as tshark shows: it needs root."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.relay.peers import LOCALHOST, VERSIONS, Upstream, at, dial, read_exactly, recv, send, until
from tests.relay.rig import Door, Talk, Wall, policy
from tests.sockets.calls import QUIET
from tests.sockets.capture import ACK, capturing

pytestmark = [pytest.mark.root("CAP_NET_ADMIN"), pytest.mark.real("tshark")]

MSS = 1460
FULL = MSS - 12
"""Bytes that a segment carries beside its timestamps (RFC 7323 appendix A)."""

TEXT = bytes(range(256)) * 4096
"""A mebibyte: what waits for the window leaves as pieces."""


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[int, Upstream]]:
    upstreams = {version: Upstream(version) for version in VERSIONS}
    yield upstreams
    for upstream in upstreams.values():
        upstream.sock.close()


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory, upstreams: dict[int, Upstream]) -> Iterator[Wall]:
    folder = tmp_path_factory.mktemp("wall")
    doors = [
        Door(f"{limit}-{version}", upstream.address, [use], at(LOCALHOST[version], 0), {"mss": MSS})
        for limit in (FULL, FULL - 1)
        for use in [policy(folder, f"of-{limit}", [{"drop": lost(limit)}])]
        for version, upstream in upstreams.items()
    ]
    wall = Wall(folder, doors, "--quiet")
    yield wall
    assert wall.stop() == 0


def lost(limit: int) -> dict[str, object]:
    return {"what": "data", "from": "client", "larger_than": f"{limit}B"}


def connected(wall: Wall, upstream: Upstream, name: str) -> tuple[socket.socket, socket.socket]:
    """Return the client and the server of a flow on which the loss is in force."""
    client = dial(wall.addresses[name])
    server = upstream.accept()
    assert Talk(wall, name, client, server).wait("loss-set")["error"] is None
    return client, server


def test_pieces_of_segments_that_are_not_larger_pass(wall: Wall, upstreams: dict[int, Upstream], version: int) -> None:
    name = f"{FULL}-{version}"
    client, server = connected(wall, upstreams[version], name)
    with client, server, capturing(client.getsockname()[1]) as capture, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, client, TEXT)
        assert read_exactly(server, len(TEXT)) == TEXT
        assert sending.result() == "ok"
        to_proxy = [packet for packet in capture.packets() if packet.target == wall.addresses[name][1]]
    assert max(packet.length for packet in to_proxy) > FULL, "some came as one piece"


def test_of_segments_that_are_larger_none_passes_and_smaller_ones_do(
    wall: Wall, upstreams: dict[int, Upstream], version: int
) -> None:
    name = f"{FULL - 1}-{version}"
    client, server = connected(wall, upstreams[version], name)
    client_port = client.getsockname()[1]
    with client, server, capturing(client_port) as capture:
        for size in (1, FULL - 1):
            assert send(client, bytes(size)) == "ok"
            assert read_exactly(server, size) == bytes(size)
        assert send(client, bytes(10 * FULL)) == "ok"
        until(lambda: any(p.repeated and p.length >= FULL for p in capture.packets()), "it is sent again")
        server.settimeout(QUIET)
        assert recv(server) == "nothing"
        packets = capture.packets()
    large = next(packet for packet in packets if packet.source == client_port and packet.length >= FULL)
    acked = [packet.ack for packet in packets if packet.target == client_port and packet.has(ACK)]
    assert max(acked) == large.seq, "of what is larger not one byte is ACKed"
