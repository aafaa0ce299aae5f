"""Much data: both ways at once, by copying and by splice, and from one to the other and back."""

from __future__ import annotations

import hashlib
import random
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.relay.conftest import Connect
from tests.relay.peers import HANG, read_all, read_exactly, send
from tests.relay.rig import Rig, Talk

MEGABYTE = 1 << 20

MAXIMUM = 96 * MEGABYTE
"""More than all buffers on the way can hold: two receive buffers of 32 MiB (tcp_rmem since Linux 6.16), two to send
of 4 MiB, and a pipe."""


def speak(sock: socket.socket, data: bytes) -> None:
    assert send(sock, data) == "ok"
    sock.shutdown(socket.SHUT_WR)


def digest(data: bytes) -> str:
    """Return what tells megabytes apart in a message that can be read."""
    return f"{len(data)} B, sha256 {hashlib.sha256(data).hexdigest()[:16]}"


def exchange(talk: Talk, up: bytes, down: bytes) -> None:
    """Send both ways at once to the end, and compare."""
    assert talk.server is not None
    with ThreadPoolExecutor(4) as pool:
        at_server, at_client = pool.submit(read_all, talk.server), pool.submit(read_all, talk.client)
        for spoken in [pool.submit(speak, talk.client, up), pool.submit(speak, talk.server, down)]:
            spoken.result(3 * HANG)
        for heard, data in ((at_server, up), (at_client, down)):
            got, ending = heard.result(3 * HANG)
            assert (digest(got), ending) == (digest(data), "EOF")


def test_tens_of_megabytes_pass_both_ways_at_once(rig: Rig, connect: Connect, version: int) -> None:
    up, down = (random.Random(seed).randbytes(40 * MEGABYTE + seed) for seed in (1, 2))
    talk = connect("plain", version)
    exchange(talk, up, down)
    closed = talk.wait("flow-closed")
    assert (closed["from_client"], closed["from_server"], closed["discarded"]) == (len(up), len(down), 0)
    assert rig.wall.pipes() > 0, "so much data is spliced, and a pipe of that is kept"


def test_several_flows_with_much_to_move_share_two_threads_and_lose_nothing(connect: Connect, version: int) -> None:
    talks = [connect("plain", version) for _ in range(4)]
    with ThreadPoolExecutor(len(talks)) as pool:
        moving = []
        for seed, talk in enumerate(talks):
            up, down = (random.Random(seed + more).randbytes(10 * MEGABYTE + seed) for more in (10, 20))
            moving.append((talk, up, down, pool.submit(exchange, talk, up, down)))
        for talk, up, down, moved in moving:
            moved.result(6 * HANG)
            closed = talk.wait("flow-closed")
            assert (closed["from_client"], closed["from_server"], closed["discarded"]) == (len(up), len(down), 0)


def test_small_messages_after_a_bulk_transfer_and_a_bulk_transfer_after_those_pass(
    connect: Connect, version: int
) -> None:
    bulk = random.Random(3).randbytes(16 * MEGABYTE)
    talk = connect("plain", version)
    assert talk.server is not None
    for _ in range(2):
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(read_exactly, talk.server, len(bulk))
            assert send(talk.client, bulk) == "ok"
            assert digest(heard.result(3 * HANG)) == digest(bulk)
        for number in range(40):
            message = bytes([number]) * (number * 100 + 1)
            assert send(talk.client, message) == "ok"
            assert read_exactly(talk.server, len(message)) == message
            assert send(talk.server, message[::-1]) == "ok"
            assert read_exactly(talk.client, len(message)) == message[::-1]
    exchange(talk, b"the last words", b"the last answer")
    closed = talk.wait("flow-closed")
    assert closed["discarded"] == 0
    messages = sum(number * 100 + 1 for number in range(40))
    assert closed["from_client"] == 2 * (len(bulk) + messages) + len(b"the last words")
    assert closed["from_server"] == 2 * messages + len(b"the last answer")


def test_a_sender_is_held_back_while_the_receiver_does_not_read(connect: Connect, version: int) -> None:
    data = random.Random(4).randbytes(MAXIMUM)
    talk = connect("plain", version)
    assert talk.server is not None
    talk.client.settimeout(0.3)
    sent = 0
    try:
        while sent < len(data):
            sent += talk.client.send(data[sent : sent + MEGABYTE])
    except TimeoutError:
        pass
    assert sent < len(data), "nobody reads: buffers must fill"
    data = data[: sent + MEGABYTE]
    talk.client.settimeout(3 * HANG)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(speak, talk.client, data[sent:])
        got, ending = read_all(talk.server)
        rest.result(HANG)
    assert (digest(got), ending) == (digest(data), "EOF")
