"""A bare RST for what arrives, from a raw socket: RFC 9293 §3.10.7.1, RFC 5961 §3.2. It needs CAP_NET_RAW."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from tests.kernel.pairs import Pair, connected_pair
from tests.relay.peers import recv, until

from bustedwall.kernel import rejecting
from bustedwall.kernel.answers import Answered
from bustedwall.kernel.endings import alive, reset
from bustedwall.kernel.evidence import snapshot
from bustedwall.kernel.rejecting import Rejecter
from bustedwall.kernel.sockets import unread

pytestmark = pytest.mark.root("CAP_NET_RAW")

NOTHING = Answered(0, 0, more=False)


@pytest.fixture
def rejecter(pair: Pair) -> Iterator[Rejecter]:
    """Reject what the peer sends."""
    made = Rejecter(pair[0])
    yield made
    made.close()


def gone(peer: socket.socket) -> bool:
    """Tell whether the peer has been reset, without a call that could eat the error."""
    return snapshot(peer).state == "close"


def test_the_sender_of_a_segment_is_reset_and_our_end_does_not_know(pair: Pair, rejecter: Rejecter) -> None:
    ours, peer = pair
    assert rejecter.answer() == NOTHING, "nothing has come yet"
    peer.send(b"x")
    assert until(lambda: rejecter.answer().answered, "it is answered")
    until(lambda: gone(peer), "the peer takes it")

    assert recv(peer) == "ECONNRESET"
    assert alive(ours)
    assert unread(ours) == 1, "a loss is not its business"


def test_a_number_that_is_too_small_is_ignored_and_the_next_segment_answered(pair: Pair, rejecter: Rejecter) -> None:
    ours, peer = pair
    peer.send(b"x")
    until(lambda: unread(ours), "it is there")
    ours.send(b"y")  # the peer acknowledges it behind the segment that is answered first
    until(lambda: unread(peer), "it is there")

    until(lambda: rejecter.answer() and gone(peer), "the peer is reset by a later one")


def test_a_rst_is_not_answered(pair: Pair, rejecter: Rejecter) -> None:
    ours, peer = pair
    reset(peer)
    until(lambda: snapshot(ours).state == "close", "it has come")

    assert rejecter.answer() == NOTHING


def test_other_connections_of_the_same_hosts_are_left_alone(pair: Pair, rejecter: Rejecter) -> None:
    with connected_pair("IPv4" if pair[0].family == socket.AF_INET else "IPv6") as (theirs, other):
        other.send(b"x")
        until(lambda: unread(theirs), "it is there")
        assert rejecter.answer() == NOTHING
        assert snapshot(other).state == "established"


def test_many_segments_are_answered_in_turns(pair: Pair, rejecter: Rejecter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejecting, "_ROUNDS", 1)
    ours, peer = pair
    for count in (1, 2):
        peer.send(b"x")
        until(lambda count=count: unread(ours) == count, "it is there")

    turns = []
    while (turn := rejecter.answer()).more:  # one may go to what came from others before the filter was there
        turns.append(turn.answered)
    assert max(turns) == 1
    assert sum(turns) >= 2, "on a busy machine TCP may repeat one"


def test_what_our_kernel_does_not_take_is_counted(
    pair: Pair, rejecter: Rejecter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, peer = pair
    peer.send(b"x")
    until(lambda: unread(ours), "it is there")
    monkeypatch.setattr(rejecter, "_rst", lambda _: bytes(1 << 17))  # too long for a packet

    done = rejecter.answer()
    assert (done.answered, done.refused >= 1) == (0, True)
    assert snapshot(peer).state == "established"


def test_of_a_connection_that_is_gone_nothing_can_be_rejected(pair: Pair) -> None:
    ours, peer = pair
    reset(peer)
    until(lambda: snapshot(ours).state == "close", "it is gone")

    with pytest.raises(OSError, match="not connected"):
        Rejecter(ours)


def test_what_the_host_says_before_the_filter_is_there_takes_no_room(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach = rejecting.bpf.attach

    def late(sock: socket.socket, program: bytes) -> None:
        for kind in ("IPv4", "IPv6") * 16:
            with connected_pair(kind) as (talker, _):
                talker.send(bytes(1 << 20))  # as much of it as the window takes; in all, more than a queue holds
        attach(sock, program)

    monkeypatch.setattr(rejecting.bpf, "attach", late)
    rejecter = Rejecter(pair[0])
    try:
        pair[1].send(b"x")
        assert until(lambda: rejecter.answer().answered, "it is answered")
    finally:
        rejecter.close()
