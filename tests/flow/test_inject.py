"""Bytes of our own: where in the stream they are, and that nobody takes them for the peer's."""

from __future__ import annotations

import pytest
from tests.flow.play import CLIENT, SERVER, arm, fired, play, rule

from bustedwall.flow.flow import Flow
from bustedwall.policy.rules import AtAccept, AtBytes, AtEof, AtOpen, AtText
from bustedwall.terms.commands import Close, Depth, Dial, Flush, Note, Reset, Send, Shut
from bustedwall.terms.events import Accepted, Arrived, Flushed, Opened, Passed
from bustedwall.terms.facts import StepMoot
from bustedwall.terms.items import FIN, Bytes
from bustedwall.terms.passage import Passage

HI = arm("inject hi to client")


def test_before_the_upstream_is_dialled_the_client_is_told_and_sent_away() -> None:
    flow = Flow((rule(AtAccept(), HI, arm("close client")),))

    play(flow, (0.0, Accepted(), [Send(CLIENT, b"hi"), Close(CLIENT)]))

    assert flow.over


def test_in_a_stream_they_stand_behind_the_offset_and_before_the_next_byte() -> None:
    flow = Flow((rule(AtBytes(SERVER, 3), HI),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Passed(SERVER, 3), [Send(CLIENT, b"hi")]),
        (1.0, Passed(SERVER, 4), []),
    )


def test_an_offset_that_is_waited_for_counts_the_peers_bytes_only() -> None:
    flow = Flow((rule(AtOpen(), HI, name="p/hi"), rule(AtBytes(SERVER, 10), arm("reset client"), name="p/ten")))

    play(flow, (0.0, Opened(), [Send(CLIENT, b"hi")]))
    assert flow.passage(SERVER) == Passage(look=False, credit=10)
    play(flow, (1.0, Passed(SERVER, 10), [Reset(CLIENT)]))


def test_a_text_is_not_found_twice_and_not_across_them() -> None:
    found = (
        rule(AtText(SERVER, text=b"ab"), HI, name="p/hi"),
        rule(AtText(SERVER, text=b"bhi"), arm("reset client"), name="p/forged"),
    )
    flow = Flow(found)

    flow.handle(Opened(), 0.0)
    flow.handle(Arrived(SERVER, Bytes(b"ab")), 1.0)
    assert flow.handle(Flushed(CLIENT), 1.0)[-1] == Send(CLIENT, b"hi")
    assert fired(flow.handle(Arrived(SERVER, Bytes(b"x")), 2.0)) == []


@pytest.mark.parametrize("gone", ["close client", "half_close client", "reset client"])
def test_nothing_is_said_to_a_leg_that_is_ended_and_a_fact_says_so(gone: str) -> None:
    flow = Flow((rule(AtOpen(), arm(gone), HI),))

    commands = flow.handle(Opened(), 0.0)

    assert not [command for command in commands if isinstance(command, Send)]
    assert Note(StepMoot("test/rule", "inject hi to client", CLIENT)) in commands


def test_they_come_before_a_close_of_the_same_script() -> None:
    flow = Flow((rule(AtEof(CLIENT), HI, arm("close client")),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(CLIENT, FIN), [Send(CLIENT, b"hi"), Flush(CLIENT, Depth.KERNEL), Shut(SERVER)]),
        (1.0, Flushed(CLIENT), [Close(CLIENT)]),
    )


def test_at_accept_there_is_no_server_to_be_told_anything() -> None:
    flow = Flow((rule(AtAccept(), arm("inject hi to server")),))

    play(flow, (0.0, Accepted(), [Dial()]))
