"""SYNs that are lost at a listener, on IPv4, IPv6, and [::] with clients of both."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Iterator

import pytest
from tests.kernel.pairs import door, target

from bustedwall.kernel.evidence import snapshot
from bustedwall.kernel.loss import dropped, lose_arriving

CASES = {
    "IPv4": ("IPv4", "IPv4"),
    "IPv6": ("IPv6", "IPv6"),
    "IPv4 at [::]": ("mapped", "IPv4"),
    "IPv6 at [::]": ("mapped", "IPv6"),
}
"""What the listener is, what the client is."""


@pytest.fixture(params=CASES)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, tuple[str, int]]]:
    """A listener that does not block, and where its client connects."""
    kind, client = CASES[request.param]
    with door(kind) as listener:
        listener.settimeout(0)
        yield listener, target(listener, client)


def knock(where: tuple[str, int]) -> socket.socket:
    """Begin to connect."""
    sock = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    sock.settimeout(0)
    assert sock.connect_ex(where) == errno.EINPROGRESS
    return sock


def until_dropped(listener: socket.socket, count: int) -> None:
    deadline = time.monotonic() + 5
    while dropped(listener) < count:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_syn_is_lost_and_counted_and_the_client_waits(place: tuple[socket.socket, tuple[str, int]]) -> None:
    listener, where = place
    lose_arriving(listener, lost=True)
    with knock(where) as client:
        until_dropped(listener, 1)

        assert snapshot(client).state == "syn-sent"
        assert not select.select([listener], [], [], 0.1)[0]


def test_a_client_gets_in_with_its_repeated_syn_once_the_door_is_healed(
    place: tuple[socket.socket, tuple[str, int]],
) -> None:
    listener, where = place
    lose_arriving(listener, lost=True)
    began = time.monotonic()
    with knock(where) as client:
        until_dropped(listener, 1)
        lose_arriving(listener, lost=False)

        assert select.select([listener], [], [], 10)[0]
        assert time.monotonic() - began >= 0.9, "the first SYN is repeated after a second, RFC 6298 §2.1"
        assert select.select([], [client], [], 5)[1]
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_who_is_in_already_is_heard_while_syns_are_lost(place: tuple[socket.socket, tuple[str, int]]) -> None:
    listener, where = place
    with socket.create_connection(where, timeout=5) as client:
        assert select.select([listener], [], [], 5)[0]
        inside, _ = listener.accept()
        with inside:
            lose_arriving(listener, lost=True)
            client.send(b"heard")
            inside.settimeout(5)
            assert inside.recv(10) == b"heard"


def test_setting_and_healing_twice_is_harmless(place: tuple[socket.socket, tuple[str, int]]) -> None:
    listener, where = place
    for lost in (True, True, False, False):
        lose_arriving(listener, lost=lost)
    with socket.create_connection(where, timeout=5):
        assert select.select([listener], [], [], 5)[0]
        listener.accept()[0].close()
