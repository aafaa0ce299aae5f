"""The kernel's tricks, each on a pair of loopback sockets."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from bustedwall.kernel.endings import pending_error, reset, shut, unread, unsent
from bustedwall.kernel.loss import apply_losses
from bustedwall.kernel.timer import Timer
from bustedwall.terms.losses import NO_LOSS, Loss, Way

Pair = tuple[socket.socket, socket.socket]

FAMILIES = {"IPv4": (socket.AF_INET, "127.0.0.1"), "IPv6": (socket.AF_INET6, "::1"), "mapped": (socket.AF_INET6, "::")}


@pytest.fixture(params=FAMILIES)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Our socket and its peer; `mapped` is an IPv4 client at an IPv6 listener."""
    family, host = FAMILIES[request.param]
    with socket.create_server((host, 0), family=family, dualstack_ipv6=request.param == "mapped") as door:
        target = "127.0.0.1" if request.param == "mapped" else host
        peer = socket.create_connection((target, door.getsockname()[1]), timeout=10)
        ours, _ = door.accept()
    ours.settimeout(10)
    for sock in (ours, peer):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with ours, peer:
        yield ours, peer


def hears(sock: socket.socket, seconds: float = 0.15) -> bool:
    return bool(select.select([sock], [], [], seconds)[0])


def test_what_the_peer_sends_is_lost_until_it_is_healed(pair: Pair) -> None:
    ours, peer = pair
    apply_losses(ours, frozenset({Loss(Way.FROM)}))
    peer.send(b"lost")

    assert not hears(ours)
    ours.send(b"heard")
    assert peer.recv(10) == b"heard"

    apply_losses(ours, NO_LOSS)
    assert ours.recv(10) == b"lost"


def test_what_we_send_is_lost_until_it_is_healed(pair: Pair) -> None:
    ours, peer = pair
    apply_losses(ours, frozenset({Loss(Way.TO)}))
    ours.send(b"lost")

    assert not hears(peer)
    peer.send(b"heard")
    assert ours.recv(10) == b"heard"

    apply_losses(ours, NO_LOSS)
    assert peer.recv(10) == b"lost"


def test_both_ways_at_once(pair: Pair) -> None:
    ours, peer = pair
    apply_losses(ours, frozenset({Loss(Way.TO), Loss(Way.FROM)}))
    ours.send(b"a")
    peer.send(b"b")

    assert not hears(peer)
    assert not hears(ours)


def test_a_reset_is_a_reset(pair: Pair) -> None:
    ours, peer = pair
    reset(ours)

    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    assert peer.recv(1) == b""


def test_an_error_is_told_once(pair: Pair) -> None:
    ours, peer = pair
    reset(peer)
    assert hears(ours, 5)

    assert (pending_error(ours), pending_error(ours)) == (104, 0)


def test_bytes_that_the_peer_has_no_room_for_are_unsent(pair: Pair) -> None:
    ours, peer = pair
    assert unsent(ours) == 0
    ours.settimeout(0)
    while select.select([], [ours], [], 0)[1]:
        ours.send(bytes(1 << 20))

    assert unsent(ours) > 0
    assert unread(peer) > 0


def test_shutting_a_socket_that_is_gone_is_no_error(pair: Pair) -> None:
    ours, peer = pair
    reset(peer)
    assert hears(ours, 5)
    pending_error(ours)

    shut(ours)


def test_a_timer_goes_off_not_before_its_time_and_can_be_cleared() -> None:
    timer = Timer()
    when = time.monotonic() + 0.02
    timer.set(when)

    assert select.select([timer.fd], [], [], 5)[0]
    assert time.monotonic() >= when
    timer.clear()
    assert not select.select([timer.fd], [], [], 0)[0]
    timer.close()


def test_a_time_that_is_past_means_at_once() -> None:
    timer = Timer()
    timer.set(0.0)

    assert select.select([timer.fd], [], [], 5)[0]
    timer.close()
