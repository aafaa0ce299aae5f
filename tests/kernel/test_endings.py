"""How a connection is ended, and what its peer is told: RFC 9293 §3.6, RFC 2525 §2.17."""

from __future__ import annotations

import select
import socket
import time

import pytest
from tests.kernel.pairs import Pair, hears
from tests.relay.peers import read_all

from bustedwall.kernel import endings
from bustedwall.kernel.endings import alive, close, pending_error, reset, shut, unsent, vanish
from bustedwall.kernel.evidence import snapshot
from bustedwall.kernel.loss import IP_MINTTL, IPV6_MINHOPCOUNT, dropped
from bustedwall.kernel.sockets import unread


def gave(sock: socket.socket, *calls: str) -> list[str]:
    """Call `send` and `recv` in turn; return what each gave: the bytes, or the errno's name.

    A send is given the time to be answered, by an ACK or a RST.
    """
    told = []
    for call in calls:
        try:
            got = sock.send(b"x") if call == "send" else sock.recv(100)
            told.append("ok" if call == "send" else repr(got))
        except OSError as error:
            told.append(endings.errno_name(error.errno))
        deadline = time.monotonic() + 5
        while (now := snapshot(sock)).in_flight and now.state != "close":
            assert time.monotonic() < deadline, now
            time.sleep(0.002)
    return told


def until_state(sock: socket.socket, state: str) -> None:
    """Wait until our kernel has the connection in this state."""
    deadline = time.monotonic() + 5
    while (now := snapshot(sock).state) != state:
        assert time.monotonic() < deadline, now
        time.sleep(0.002)


def test_a_reset_is_told_once_and_then_looks_like_an_end(pair: Pair) -> None:
    ours, peer = pair
    reset(ours)

    assert gave(peer, "recv", "recv", "send") == ["ECONNRESET", "b''", "EPIPE"]


def test_a_reset_has_the_ttl_that_is_asked_for(pair: Pair) -> None:
    ours, peer = pair
    nearer_than(peer, 200)
    reset(ours, 200)

    assert gave(peer, "recv", "recv", "send") == ["ECONNRESET", "b''", "EPIPE"]


def test_a_reset_whose_ttl_is_used_up_is_not_heard_and_the_next_segment_meets_a_bare_one(pair: Pair) -> None:
    ours, peer = pair
    nearer_than(peer, 4)
    reset(ours, 3)
    deadline = time.monotonic() + 10
    while not dropped(peer):
        assert time.monotonic() < deadline
        time.sleep(0.002)

    assert snapshot(peer).state == "established"
    assert gave(peer, "send", "recv", "recv", "send") == ["ok", "ECONNRESET", "b''", "EPIPE"]


def nearer_than(peer: socket.socket, ttl: int) -> None:
    """Have a peer discard what arrives with a smaller TTL than this, as a router that uses it up."""
    peer.setsockopt(socket.IPPROTO_IP, IP_MINTTL, ttl)
    if peer.family == socket.AF_INET6:
        peer.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl)


def test_a_close_is_a_fin_the_next_send_succeeds_and_the_one_after_it_fails(pair: Pair) -> None:
    ours, peer = pair
    assert close(ours) == 0

    assert gave(peer, "recv", "send", "send", "recv") == ["b''", "ok", "EPIPE", "b''"]


def test_a_close_reads_what_is_unread_so_that_it_is_a_fin_all_the_same(pair: Pair) -> None:
    ours, peer = pair
    peer.send(b"unread")
    assert hears(ours, 5)
    ours.settimeout(0)  # as the relay's sockets are

    assert close(ours) == 6
    assert gave(peer, "recv", "send", "send") == ["b''", "ok", "EPIPE"]


def test_a_close_lets_go_out_what_is_queued(pair: Pair) -> None:
    ours, peer = pair
    ours.send(b"last words")
    close(ours)

    assert gave(peer, "recv", "recv") == ["b'last words'", "b''"]


def test_a_close_of_what_is_gone_is_no_error(pair: Pair) -> None:
    ours, peer = pair
    peer.send(b"said before")
    reset(peer)
    until_state(ours, "close")
    ours.settimeout(0)

    assert close(ours) == 11


def test_closing_with_bytes_unread_is_a_rst_and_no_fin(pair: Pair) -> None:
    ours, peer = pair
    peer.send(b"unread")
    assert hears(ours, 5)
    assert unread(ours) == 6
    ours.close()

    assert gave(peer, "recv", "recv", "send") == ["ECONNRESET", "b''", "EPIPE"]


def test_who_has_vanished_says_nothing_and_answers_the_next_segment_with_a_rst(pair: Pair) -> None:
    ours, peer = pair
    vanish(ours)

    assert not hears(peer)
    assert snapshot(peer).state == "established"
    assert gave(peer, "send", "send", "recv", "recv") == ["ok", "ECONNRESET", "b''", "b''"]


def test_who_waits_for_one_that_has_vanished_is_told_when_it_speaks(pair: Pair) -> None:
    ours, peer = pair
    vanish(ours)

    assert gave(peer, "send", "recv", "send") == ["ok", "ECONNRESET", "EPIPE"]


def test_who_vanishes_takes_what_is_queued_along(pair: Pair) -> None:
    ours, peer = pair
    ours.settimeout(0)
    sent = 0
    while select.select([], [ours], [], 0)[1]:
        sent += ours.send(bytes(1 << 20))
    assert unsent(ours)
    vanish(ours)
    got, end = read_all(peer)

    assert end == "ECONNRESET", "to read makes room, and the word of it meets a RST"
    assert 0 < len(got) < sent


def test_vanishing_from_who_is_gone_is_no_error(pair: Pair) -> None:
    ours, peer = pair
    reset(peer)
    until_state(ours, "close")

    vanish(ours)


def test_a_refusal_to_vanish_is_told_and_the_socket_is_closed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, peer = pair

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(endings, "lose_outgoing", refuse)
    with pytest.raises(PermissionError):
        vanish(ours)

    assert ours.fileno() == -1
    assert gave(peer, "recv") == ["ECONNRESET"]


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


def test_a_connection_is_alive_until_its_peer_finishes(pair: Pair) -> None:
    ours, peer = pair
    assert alive(ours)
    peer.shutdown(socket.SHUT_WR)
    until_state(ours, "close-wait")

    assert not alive(ours)
