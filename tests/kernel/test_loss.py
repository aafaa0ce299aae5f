"""What is lost on one connection: all that arrives, all that leaves, both, or one write."""

from __future__ import annotations

import socket
import time

import pytest
from tests.kernel.pairs import Pair, hears

from bustedwall.kernel import loss
from bustedwall.kernel.evidence import snapshot
from bustedwall.kernel.loss import apply_losses, dropped, lose_outgoing
from bustedwall.kernel.sockets import unread
from bustedwall.terms.losses import NO_LOSS, Loss, Losses, Way

FROM: Losses = frozenset({Loss(Way.FROM)})
TO: Losses = frozenset({Loss(Way.TO)})


def until_dropped(sock: socket.socket, count: int) -> None:
    """Wait until so many segments were thrown away."""
    deadline = time.monotonic() + 5
    while dropped(sock) < count:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_what_the_peer_sends_is_lost_until_it_is_healed(pair: Pair) -> None:
    ours, peer = pair
    apply_losses(ours, FROM)
    peer.send(b"lost")

    assert not hears(ours)
    ours.send(b"heard")
    assert peer.recv(10) == b"heard"

    apply_losses(ours, NO_LOSS)
    assert ours.recv(10) == b"lost"


def test_what_we_send_is_lost_until_it_is_healed(pair: Pair) -> None:
    ours, peer = pair
    apply_losses(ours, TO)
    ours.send(b"lost")

    assert not hears(peer)
    peer.send(b"heard")
    assert ours.recv(10) == b"heard"

    apply_losses(ours, NO_LOSS)
    assert peer.recv(10) == b"lost"


def test_both_ways_at_once(pair: Pair) -> None:
    ours, peer = pair
    apply_losses(ours, TO | FROM)
    ours.send(b"a")
    peer.send(b"b")

    assert not hears(peer)
    assert not hears(ours)


def test_a_fin_and_a_rst_are_segments_too(pair: Pair) -> None:
    ours, peer = pair
    apply_losses(ours, FROM)
    peer.shutdown(socket.SHUT_WR)

    assert not hears(ours)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert not hears(ours)
    assert snapshot(ours).state == "established"


def test_what_was_received_before_stays_readable(pair: Pair) -> None:
    ours, peer = pair
    peer.send(b"before")
    assert hears(ours, 5)
    apply_losses(ours, FROM)

    assert ours.recv(10) == b"before"


def test_setting_and_healing_twice_is_harmless(pair: Pair) -> None:
    ours, peer = pair
    for losses in (FROM | TO, FROM | TO, NO_LOSS, NO_LOSS):
        apply_losses(ours, losses)
    peer.send(b"up")
    ours.send(b"down")

    assert ours.recv(10) == b"up"
    assert peer.recv(10) == b"down"


def test_segments_that_are_lost_on_arrival_are_counted_and_those_that_are_read_are_not(pair: Pair) -> None:
    ours, peer = pair
    peer.send(b"heard")
    assert ours.recv(10) == b"heard"
    assert dropped(ours) == 0
    apply_losses(ours, FROM)
    peer.send(b"lost")

    until_dropped(ours, 1)
    until_dropped(ours, 2)  # its repetition


def test_one_write_is_lost_and_tcp_repairs_it(pair: Pair) -> None:
    ours, peer = pair
    began = time.monotonic()
    lose_outgoing(ours, lost=True)
    ours.send(b"once")
    lose_outgoing(ours, lost=False)

    assert unread(peer) == 0
    assert peer.recv(10) == b"once"
    assert time.monotonic() - began >= 0.1, "repaired by a timer, the shortest of which is 200 ms in Linux"
    assert snapshot(ours).retransmitted == 1


def test_a_write_that_is_lost_before_others_is_repaired_at_once_and_in_order(pair: Pair) -> None:
    # Three segments behind the gap: fast retransmission, RFC 5681 §3.2.
    ours, peer = pair
    lose_outgoing(ours, lost=True)
    ours.send(b"1")
    lose_outgoing(ours, lost=False)
    for byte in (b"2", b"3", b"4"):
        ours.send(byte)
    got = b""
    while len(got) < 4:
        got += peer.recv(10)

    assert got == b"1234"
    assert snapshot(ours).retransmitted == 1


def test_half_of_a_loss_is_no_loss(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, peer = pair

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(loss, "lose_outgoing", refuse)
    with pytest.raises(PermissionError):
        apply_losses(ours, FROM | TO)
    peer.send(b"heard")

    assert ours.recv(10) == b"heard"


def test_a_connection_that_is_gone_has_nothing_to_lose(pair: Pair) -> None:
    ours, peer = pair
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    assert hears(ours, 5)

    with pytest.raises(OSError, match="not connected"):
        apply_losses(ours, FROM)
