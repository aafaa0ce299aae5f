"""Chance decides about each segment, though the kernel sees several at once: measured on its own sockets.

Ten segments are sent as one piece to a socket that has just been accepted, often. How many are in front
of the first lost one is then geometric, (1 - p)^k p, as where each is drawn by itself (RFC 5681 §3.1 and
RFC 6928 let ten go at once). Each limit is five standard deviations: one run in a million is further off.
"""

from __future__ import annotations

import socket
import struct

import pytest
from tests.relay.peers import LOCALHOST, MIN_TTL, VERSIONS, abort, until

from bustedwall.kernel.evidence import Snapshot, snapshot
from bustedwall.kernel.filter import attach
from bustedwall.kernel.sockets import clamp, unread
from bustedwall.terms.losses import Loss, Way, What

pytestmark = pytest.mark.root("CAP_NET_ADMIN")

SEGMENTS, TRIES = 10, 1500


def longest(sock: socket.socket) -> int:
    """Return how many bytes a segment of ours carries (tcpi_snd_mss)."""
    return int(struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 20), 16)[0])


def in_front(door: socket.socket, loss: Loss) -> int:
    """Return how many of the segments of a piece have arrived."""
    peer = socket.socket(door.family)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")  # bbr would pace them
    peer.connect(door.getsockname()[:2])
    ours, _ = door.accept()
    attach(ours, [loss], {})
    size = longest(peer)
    assert size <= 1460
    # It sends nothing again: it hears no ACK that could tell of a gap, and is gone before a probe for the tail.
    peer.setsockopt(*MIN_TTL[4 if door.family is socket.AF_INET else 6], 255)
    peer.send(bytes(SEGMENTS * size))
    abort(peer)

    def seen() -> Snapshot | None:
        now = snapshot(ours)
        return now if now.data_segments_in + now.drops >= SEGMENTS else None

    until(seen, "all have come, and were kept or lost")
    arrived, rest = divmod(unread(ours), size)
    assert rest == 0, "it is cut between two segments"
    ours.close()
    return arrived


@pytest.mark.parametrize("what", [What.DATA, What.ALL])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_lost_segment_is_where_it_would_be_if_each_was_drawn(version: int, what: What) -> None:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    loss = Loss(Way.FROM, what, probability=0.1)
    with socket.socket(family) as door:
        clamp(door, 1460)
        door.bind((LOCALHOST[version], 0))
        door.listen()
        seen = [in_front(door, loss) for _ in range(TRIES)]
    for likely, times in (
        (0.1, seen.count(0)),
        (0.9 * 0.1, seen.count(1)),
        (1 - 0.9**5, sum(first < 5 for first in seen)),
        (0.9**SEGMENTS, seen.count(SEGMENTS)),
    ):
        assert abs(times - TRIES * likely) <= 5 * (TRIES * likely * (1 - likely)) ** 0.5
