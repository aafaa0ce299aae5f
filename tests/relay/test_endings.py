"""A FIN stays a FIN, a RST stays a RST, each behind the bytes that were sent before it."""

from __future__ import annotations

import socket
import time

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import abort, acknowledged, fill, hung_up, read_all, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk

from bustedwall.flow.endings import FLUSH_LIMIT

BULK = 300_000
ENDS = ("client", "server")


def ends(talk: Talk, first: str) -> tuple[socket.socket, socket.socket]:
    """Return the two ends, the named one first."""
    assert talk.server is not None
    return (talk.client, talk.server) if first == "client" else (talk.server, talk.client)


@pytest.fixture(params=ENDS)
def first(request: pytest.FixtureRequest) -> str:
    """Name the end that ends first."""
    return request.param


def test_a_fin_arrives_behind_the_bytes(connect: Connect, version: int, first: str) -> None:
    one, two = ends(connect("plain", version), first)
    assert send(one, b"x" * BULK) == "ok"
    one.shutdown(socket.SHUT_WR)
    got, ending = read_all(two)
    assert (len(got), ending) == (BULK, "EOF")


def test_after_a_fin_the_other_direction_goes_on(connect: Connect, version: int, first: str) -> None:
    talk = connect("plain", version)
    one, two = ends(talk, first)
    one.shutdown(socket.SHUT_WR)
    assert recv(two) == "EOF"
    for round_ in range(3):
        message = b"still here " * (round_ * 9000 + 1)
        assert send(two, message) == "ok"
        assert read_exactly(one, len(message)) == message
    two.close()
    assert recv(one) == "EOF"
    assert talk.wait("flow-closed")["discarded"] == 0
    assert talk.wait("peer-finished")["leg"] == first


def test_a_whole_close_arrives_as_a_fin_and_what_comes_later_meets_a_rst(
    connect: Connect, version: int, first: str
) -> None:
    # RFC 9293 §3.6.1: data for a socket that was closed, not only shut, is answered by a RST.
    talk = connect("plain", version)
    one, two = ends(talk, first)
    one.close()
    assert recv(two) == "EOF"
    assert send(two, b"is there anybody?") == "ok"  # the call that provokes the RST succeeds
    assert hung_up(two)
    assert recv(two) == "EOF", "who has seen the FIN sees no ECONNRESET"
    assert send(two, b"hello?") == "EPIPE"
    talk.wait("flow-closed")


def test_both_may_finish_at_the_same_time(connect: Connect, version: int) -> None:
    talks = [connect("plain", version) for _ in range(20)]
    for talk in talks:
        for end in ends(talk, "client"):
            end.sendall(b"bye")
            end.shutdown(socket.SHUT_WR)
    for talk in talks:
        for end in ends(talk, "server"):
            assert read_all(end) == (b"bye", "EOF")
        assert talk.wait("flow-closed")["discarded"] == 0


def test_a_rst_arrives_as_a_rst_behind_the_bytes(connect: Connect, version: int, first: str) -> None:
    one, two = ends(connect("plain", version), first)
    assert send(one, b"the last words") == "ok"
    abort(one)
    assert read_all(two) == (b"the last words", "ECONNRESET")
    assert recv(two) == "EOF", "the error is told once"
    assert send(two, b"x") == "EPIPE"


def test_many_bytes_before_a_rst_arrive_at_a_reader_that_starts_late(
    connect: Connect, version: int, first: str
) -> None:
    one, two = ends(connect("plain", version), first)
    assert send(one, b"x" * BULK) == "ok"
    acknowledged(one)
    aborted = time.monotonic()
    abort(one)
    got, ending = read_all(two, 5000)
    too_late = time.monotonic() - aborted >= FLUSH_LIMIT  # the RST has waited for so long, and no longer
    assert ending == "ECONNRESET"
    assert len(got) == BULK or (too_late and len(got) < BULK)


def test_the_first_call_after_a_rst_may_be_a_send(connect: Connect, version: int, first: str) -> None:
    one, two = ends(connect("plain", version), first)
    abort(one)
    assert hung_up(two)
    assert send(two, b"x") == "ECONNRESET"
    assert send(two, b"x") == "EPIPE"
    assert recv(two) == "EOF"


def test_closing_with_bytes_unread_arrives_as_a_rst(connect: Connect, version: int, first: str) -> None:
    # RFC 2525 §2.17, and what Linux does: close() with unread data sends RST, not FIN.
    one, two = ends(connect("plain", version), first)
    assert send(two, b"unread") == "ok"
    until(lambda: one.recv(1, socket.MSG_PEEK), "the bytes are there")
    one.close()
    assert recv(two) == "ECONNRESET"


@pytest.mark.long("three seconds")
def test_a_rst_reaches_a_peer_that_does_not_read(connect: Connect, version: int) -> None:
    talks = {first: connect("plain", version) for first in ENDS}
    sent = {}
    for first, talk in talks.items():
        one, _ = ends(talk, first)
        sent[first] = fill(one)
        abort(one)
    for first, talk in talks.items():
        _, two = ends(talk, first)
        assert hung_up(two), "the RST comes although what was sent before it cannot"
        got, ending = read_all(two)
        assert ending == "ECONNRESET"
        assert 0 < len(got) <= sent[first]
        talk.wait("flow-closed")


def test_a_rst_after_a_fin_gives_end_of_file_and_epipe(connect: Connect, version: int, first: str) -> None:
    # A RST in CLOSE_WAIT is no ECONNRESET: tcp_reset() of Linux sets EPIPE there.
    talk = connect("plain", version)
    one, two = ends(talk, first)
    one.shutdown(socket.SHUT_WR)
    assert recv(two) == "EOF"
    abort(one)
    assert hung_up(two)
    assert recv(two) == "EOF"
    assert send(two, b"x") == "EPIPE"
    lost = talk.wait("peer-lost")
    assert (lost["leg"], lost["error"]) == (first, "EPIPE")


def test_a_rst_that_crosses_bytes_to_its_sender_still_arrives(connect: Connect, version: int, first: str) -> None:
    talk = connect("plain", version)
    one, two = ends(talk, first)
    assert send(two, b"y" * BULK) == "ok"
    assert send(one, b"stop") == "ok"
    abort(one)
    assert read_all(two) == (b"stop", "ECONNRESET")
    talk.wait("flow-closed")


def test_a_flow_that_ends_leaves_no_descriptor(rig: Rig, connect: Connect, version: int, first: str) -> None:
    last = connect("plain", version)
    abort(last.client)
    last.wait("flow-closed")  # all that came before has been told by then
    before = rig.wall.at_rest()
    for end_by in (abort, socket.socket.close):
        talk = connect("plain", version)
        one, two = ends(talk, first)
        assert send(one, b"x") == "ok"
        assert recv(two) == b"x"
        end_by(one)
        recv(two)
        two.close()
        talk.wait("flow-closed")
    assert rig.wall.descriptors() == before
