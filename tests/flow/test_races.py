"""Events that cross: what arrives in the moment in which something else ends, or was on its way already."""

from __future__ import annotations

import pytest
from tests.flow.play import CLIENT, SERVER, arm, fired, play, rule

from bustedwall.flow.endings import FLUSH_LIMIT
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.policy.rules import AtAge, AtBytes, AtOpen, AtSignal, Wait
from bustedwall.terms.commands import Close, Depth, Dial, Flush, Note, Reset, Send
from bustedwall.terms.events import Accepted, Arrived, Flushed, Opened, Passed, Woke
from bustedwall.terms.facts import RuleMissed
from bustedwall.terms.items import FIN, RST, Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import DEFAULT_LIMITS
from bustedwall.terms.passage import OPEN_ROAD, SHUT_ROAD, Passage

RESET = arm("reset client")


@pytest.mark.parametrize("ended", [(CLIENT,), (CLIENT, SERVER)])
@pytest.mark.parametrize("item", [Bytes(b"late"), FIN, RST])
def test_what_a_leg_says_after_a_late_timer_has_ended_it_means_nothing(item: Item, ended: tuple[Leg, ...]) -> None:
    flow = Flow((rule(AtOpen(), Wait(1.0), *(arm(f"reset {leg.value}") for leg in ended)),))

    play(flow, (0.0, Opened(), []), (1.0001, Arrived(CLIENT, item), [Reset(leg) for leg in ended]))

    assert flow.discarded == (len(b"late") if isinstance(item, Bytes) else 0)


def test_the_answer_to_an_older_question_does_not_end_a_pause() -> None:
    """The edge's answer is under way when a flushing reset begins: that one has to wait for its own."""
    ending = rule(AtOpen(), arm("slice 9B from server"), Wait(1.0), arm("reset client", flush=True), name="p/end")
    flow = Flow((rule(AtBytes(SERVER, 2), arm("latency 1s from client")), ending))

    play(
        flow,
        (0.0, Opened(), []),
        (0.5, Arrived(SERVER, Bytes(b"ab")), [Send(CLIENT, b"ab"), Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Flushed(CLIENT, Depth.KERNEL), [Flush(CLIENT, Depth.WIRE)]),
        (1.1, Flushed(CLIENT, Depth.WIRE), [Reset(CLIENT)]),
    )


# ---- bytes that the relay has taken and our kernel has not


def test_a_wait_for_bytes_counts_from_behind_what_the_relay_had_taken() -> None:
    """The client reads slowly: 500 bytes wait in the relay when the wait for 10 begins."""
    flow = Flow((rule(AtAge(1.0), Wait(AtBytes(SERVER, 10)), RESET),))

    play(
        flow,
        (0.0, Accepted(), [Dial()]),
        (0.0, Opened(), []),
        (1.0, Passed(SERVER, 100), [Flush(CLIENT, Depth.KERNEL)]),
    )
    assert flow.passage(SERVER) == SHUT_ROAD
    play(flow, (2.0, Passed(SERVER, 500), []), (2.0, Flushed(CLIENT), []))
    assert flow.passage(SERVER) == Passage(look=False, credit=10)
    play(flow, (3.0, Passed(SERVER, 10), [Reset(CLIENT)]))


def test_a_wait_for_bytes_begins_at_the_first_told_of_two_directions_that_have_moved() -> None:
    flow = Flow((rule(AtAge(1.0), Wait(AtBytes(SERVER, 10)), RESET),))

    play(
        flow,
        (0.0, Accepted(), [Dial()]),
        (0.0, Opened(), []),
        (1.0, Passed(CLIENT, 5), [Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Passed(SERVER, 100), []),
        (1.0, Flushed(CLIENT), []),
    )
    assert flow.passage(SERVER) == Passage(look=False, credit=10)


def test_an_offset_that_is_asked_for_while_an_ending_waits_never_comes() -> None:
    """What the relay had taken is told while the close waits for it; it may lie beyond the offset."""
    closing = rule(AtAge(1.0), arm("close server"), name="test/close")
    flow = Flow((closing,))

    play(
        flow,
        (0.0, Accepted(), [Dial()]),
        (0.0, Opened(), []),
        (1.0, Woke(), [Flush(SERVER, Depth.KERNEL)]),
        (1.1, RulesChanged((closing, rule(AtBytes(CLIENT, 34), RESET))), []),
        (1.2, Passed(CLIENT, 42), []),
        (1.2, Flushed(SERVER), [Close(SERVER)]),
    )


def test_an_offset_among_what_the_relay_had_taken_is_missed() -> None:
    flow = Flow()
    flow.handle(Opened(), 0.0)
    late = rule(AtBytes(SERVER, 300), RESET)

    play(
        flow,
        (1.0, Passed(SERVER, 100), []),
        (1.0, RulesChanged((late,)), [Flush(CLIENT, Depth.KERNEL)]),
        (2.0, Passed(SERVER, 500), []),
        (2.0, Flushed(CLIENT), [Note(RuleMissed("test/rule", "the offset had been passed already"))]),
        facts=True,
    )
    assert flow.passage(SERVER) == OPEN_ROAD


def test_another_offset_may_come_while_it_is_counted_and_the_count_goes_on() -> None:
    offset = rule(AtBytes(SERVER, 50), arm("latency 1s from client"), name="p/offset")
    wait = rule(AtSignal("go"), Wait(AtBytes(SERVER, 5)), RESET, name="p/wait")
    flow = Flow((offset, wait))
    flow.handle(Opened(), 0.0)

    play(flow, (1.0, Passed(SERVER, 20), []), (1.0, RuleCalled(wait), [Flush(CLIENT, Depth.KERNEL)]))
    assert fired(flow.handle(Passed(SERVER, 30), 2.0)) == ["p/offset"]
    assert flow.passage(SERVER) == SHUT_ROAD
    play(flow, (2.0, Flushed(CLIENT), []))
    assert flow.passage(SERVER) == Passage(look=False, credit=5)


def test_a_dial_that_outlives_the_orphan_limit_still_ends_the_flow() -> None:
    flow = Flow((rule(AtAge(0.5), RESET),))

    play(
        flow,
        (0.0, Accepted(), [Dial()]),
        (0.5, Woke(), [Reset(CLIENT)]),
        (0.5 + DEFAULT_LIMITS.orphan, Woke(), []),
        (40.0, Opened(), [Reset(SERVER)]),
    )

    assert flow.over


def test_a_peer_that_resets_ends_the_wait_for_its_own_ending() -> None:
    flow = Flow((rule(AtOpen(), arm("reset client", flush=True)),))

    play(
        flow,
        (0.0, Opened(), [Flush(CLIENT, Depth.WIRE)]),
        (0.2, Arrived(CLIENT, RST), [Flush(SERVER, Depth.WIRE)]),
        (0.3, Flushed(SERVER, Depth.WIRE), [Reset(SERVER)]),
        (FLUSH_LIMIT, Woke(), []),
    )

    assert flow.over
