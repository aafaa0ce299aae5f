"""Every moment of a flow: when it comes, and what stands still meanwhile."""

from __future__ import annotations

import pytest
from tests.flow.play import CLIENT, SERVER, arm, fired, play, rule, told_at

from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RulesChanged
from bustedwall.policy.rules import (
    AtAccept,
    AtAge,
    AtBytes,
    AtEof,
    AtIdle,
    AtOpen,
    AtReset,
    AtText,
    AtTurn,
    Clock,
    FlowMoment,
    Heal,
    Wait,
)
from bustedwall.terms.commands import Close, Depth, Dial, Flush, Measure, Note, Reset, Send, SetLoss, Shut
from bustedwall.terms.events import Accepted, Arrived, DialFailed, Flushed, Measured, Opened, Passed, Woke
from bustedwall.terms.facts import RuleMissed, TextHidden
from bustedwall.terms.items import FIN, RST, Bytes
from bustedwall.terms.losses import NO_LOSS, Loss, Way
from bustedwall.terms.passage import OPEN_ROAD, SHUT_ROAD, WATCHED_ROAD, Passage

RESET = arm("reset client")
LOST = frozenset({Loss(Way.FROM)})


def test_accept_comes_before_the_upstream_is_dialled() -> None:
    flow = Flow((rule(AtAccept(), arm("latency 1s from server")),))

    commands = flow.handle(Accepted(), 0.0)

    assert fired(commands) == ["test/rule"]
    assert commands[-1] == Dial()


def test_a_client_that_is_reset_at_accept_costs_the_upstream_nothing() -> None:
    flow = Flow((rule(AtAccept(), RESET),))

    play(flow, (0.0, Accepted(), [Reset(CLIENT)]))

    assert flow.over


def test_a_client_that_is_reset_while_the_upstream_is_dialled_takes_the_upstream_with_it() -> None:
    flow = Flow((rule(AtAge(0.5), RESET),))

    play(flow, (0.0, Accepted(), [Dial()]), (0.5, Woke(), [Reset(CLIENT)]), (0.7, Opened(), [Reset(SERVER)]))

    assert flow.over


def test_a_dial_that_fails_after_the_client_was_reset_ends_the_flow() -> None:
    flow = Flow((rule(AtAge(0.5), RESET),))

    play(flow, (0.0, Accepted(), [Dial()]), (0.5, Woke(), [Reset(CLIENT)]), (0.7, DialFailed(), []))

    assert flow.over


def test_a_loss_on_the_server_leg_that_is_armed_at_accept_is_set_when_the_leg_is_there() -> None:
    flow = Flow((rule(AtAccept(), arm("drop all from server")),))

    play(flow, (0.0, Accepted(), [Dial()]), (0.1, Opened(), [SetLoss(SERVER, LOST)]))


def test_age_counts_from_accept() -> None:
    flow = Flow((rule(AtAge(10.0), RESET),))

    play(flow, (0.0, Accepted(), [Dial()]), (3.0, Opened(), []), (9.9, Woke(), []), (10.0, Woke(), [Reset(CLIENT)]))


def test_two_rules_at_one_offset_fire_in_the_order_of_the_policy() -> None:
    flow = Flow(
        (
            rule(AtBytes(SERVER, 4), arm("latency 1s from client"), name="p/a"),
            rule(AtBytes(SERVER, 4), RESET, name="p/b"),
        )
    )
    flow.handle(Opened(), 0.0)

    assert fired(flow.handle(Passed(SERVER, 4), 1.0)) == ["p/a", "p/b"]


# ---- text


@pytest.mark.parametrize(
    "chunks", [[b"say COMMIT now"], [b"say COM", b"MIT now"], [bytes([b]) for b in b"say COMMIT now"]]
)
def test_a_text_is_found_however_it_is_cut_and_the_moment_is_behind_it(chunks: list[bytes]) -> None:
    flow = Flow((rule(AtText(CLIENT, b"COMMIT"), arm("reset server")),))
    flow.handle(Opened(), 0.0)
    sent = b""
    for chunk in chunks:
        for command in flow.handle(Arrived(CLIENT, Bytes(chunk)), 1.0):
            sent += command.data if isinstance(command, Send) else b""
            if isinstance(command, Flush):
                break
        if sent.endswith(b"COMMIT"):
            break

    assert sent == b"say COMMIT"
    assert flow.passage(CLIENT) == SHUT_ROAD
    play(flow, (2.0, Flushed(SERVER), [Reset(SERVER)]))


def test_a_text_that_is_not_to_be_delivered_stops_before_it() -> None:
    flow = Flow((rule(AtText(CLIENT, b"COMMIT", deliver=False), arm("reset server")),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(CLIENT, Bytes(b"say COMMIT")), [Send(SERVER, b"say "), Flush(SERVER, Depth.KERNEL)]),
        (1.0, Flushed(SERVER), [Reset(SERVER)]),
    )

    assert flow.discarded == len(b"COMMIT")


def test_what_of_an_undelivered_text_has_passed_cannot_be_taken_back() -> None:
    flow = Flow((rule(AtText(CLIENT, b"COMMIT", deliver=False), arm("reset server")),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(CLIENT, Bytes(b"COM")), [Send(SERVER, b"COM")]),
        (1.0, Arrived(CLIENT, Bytes(b"MIT")), [Flush(SERVER, Depth.KERNEL)]),
        (1.0, Flushed(SERVER), [Reset(SERVER)]),
    )


def test_a_rule_may_fire_at_each_of_several_texts_in_one_chunk() -> None:
    flow = Flow((rule(AtText(CLIENT, b"go"), arm("latency 0s from server", span=0.5), times=2),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(CLIENT, Bytes(b"go go go")), [Send(SERVER, b"go"), Flush(SERVER, Depth.KERNEL)]),
        (1.0, Flushed(SERVER), [Send(SERVER, b" go"), Flush(SERVER, Depth.KERNEL)]),
        (1.0, Flushed(SERVER), [Send(SERVER, b" go")]),
    )
    assert flow.passage(CLIENT) == OPEN_ROAD


def test_a_pattern_matches_across_chunks() -> None:
    flow = Flow((rule(AtText(SERVER, pattern=r"HTTP/1\.1 5\d\d"), RESET),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, Bytes(b"HTTP/1.1 5")), [Send(CLIENT, b"HTTP/1.1 5")]),
        (1.0, Arrived(SERVER, Bytes(b"03 no")), [Send(CLIENT, b"03"), Flush(CLIENT, Depth.KERNEL)]),
    )


def test_a_pattern_does_not_look_back_further_than_it_was_told() -> None:
    flow = Flow((rule(AtText(SERVER, pattern="a.*z", within=4), RESET),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, Bytes(b"a12345")), [Send(CLIENT, b"a12345")]),
        (1.0, Arrived(SERVER, Bytes(b"z")), [Send(CLIENT, b"z")]),
    )


def test_tls_hides_a_text_and_a_fact_says_so() -> None:
    flow = Flow((rule(AtText(CLIENT, b"COMMIT"), RESET),))
    flow.handle(Opened(), 0.0)

    commands = flow.handle(Arrived(CLIENT, Bytes(b"\x16\x03\x01\x02\x00")), 1.0)

    assert Note(TextHidden("test/rule", CLIENT)) in commands


@pytest.mark.parametrize(
    ("moment", "data", "offsets"),
    [
        (AtText(CLIENT, pattern="a.*z"), b"a1z2z", [3]),  # greedy, and yet the first z: the second may be far away
        (AtText(CLIENT, pattern="a.*z", within=4), b"a12345z a2z", [11]),
        (AtText(CLIENT, pattern="a.*z|b"), b"a1b2z", [3]),
        (AtText(CLIENT, pattern="^GET", within=3), b"GET x GET", [3]),
        (AtText(CLIENT, pattern=r"\bgo"), b"ago go", [6]),
        (AtText(CLIENT, pattern="a+"), b"aaba", [1, 2, 4]),
        (AtText(CLIENT, text=b"aa"), b"aaaaa", [2, 4]),
        (AtText(CLIENT, text=b"abab"), b"abababab", [4, 8]),
        (AtText(CLIENT, text=b"x"), b"x.x", [1, 3]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 99])
def test_a_match_does_not_depend_on_chunks(moment: AtText, data: bytes, offsets: list[int], size: int) -> None:
    assert told_at(moment, [data[i : i + size] for i in range(0, len(data), size)]) == offsets


def test_a_text_behind_an_offset_is_looked_for_in_what_passes_and_not_in_what_was_there() -> None:
    """The fault at byte 3 takes out the five bytes that follow, and the text with them."""
    flow = Flow(
        (
            rule(AtBytes(SERVER, 3), arm("discard 5B from server"), name="p/cut"),
            rule(AtText(SERVER, b"xyz"), RESET, name="p/text"),
        )
    )

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, Bytes(b"abc.xyz.xy")), [Send(CLIENT, b"abc"), Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Flushed(CLIENT), [Send(CLIENT, b"xy")]),
        (1.0, Arrived(SERVER, Bytes(b"z")), [Send(CLIENT, b"z"), Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Flushed(CLIENT), [Reset(CLIENT)]),
    )


def test_each_of_several_texts_can_be_taken_out() -> None:
    flow = Flow((rule(AtText(CLIENT, b"bad", deliver=False), arm("discard 3B from client"), times=9),))
    flow.handle(Opened(), 0.0)
    sent, commands = b"", flow.handle(Arrived(CLIENT, Bytes(b"1 badbad 2 bad 3")), 1.0)
    while commands:
        sent += b"".join(c.data for c in commands if isinstance(c, Send))
        commands = flow.handle(Flushed(SERVER), 1.0) if any(isinstance(c, Flush) for c in commands) else []

    assert sent == b"1  2  3"


def test_tls_is_known_by_its_first_bytes_even_one_by_one_and_told_once() -> None:
    flow = Flow((rule(AtText(CLIENT, b"COMMIT"), RESET),))
    flow.handle(Opened(), 0.0)

    said = [c for byte in b"\x16\x03\x01\x16\x03" for c in flow.handle(Arrived(CLIENT, Bytes(bytes([byte]))), 1.0)]

    assert said.count(Note(TextHidden("test/rule", CLIENT))) == 1


# ---- turns


def test_a_side_that_is_speaking_does_not_begin_a_turn_when_a_script_begins_to_wait_for_one() -> None:
    flow = Flow((rule(AtText(CLIENT, b"COMMIT"), Wait(AtTurn(CLIENT, 1)), arm("reset server")),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(CLIENT, Bytes(b"COMMIT")), [Send(SERVER, b"COMMIT"), Flush(SERVER, Depth.KERNEL)]),
        (1.0, Flushed(SERVER), []),
        (1.1, Arrived(CLIENT, Bytes(b";")), [Send(SERVER, b";")]),
        (1.2, Arrived(SERVER, Bytes(b"ok")), [Send(CLIENT, b"ok")]),
        (1.3, Arrived(CLIENT, Bytes(b"SELECT")), [Flush(SERVER, Depth.KERNEL)]),
        (1.3, Flushed(SERVER), [Reset(SERVER)]),
    )


def test_a_turn_begins_when_the_other_side_has_spoken_and_comes_before_its_first_byte() -> None:
    flow = Flow((rule(AtTurn(CLIENT, 2), arm("reset server")),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(CLIENT, Bytes(b"GET ")), [Send(SERVER, b"GET ")]),
        (1.1, Arrived(CLIENT, Bytes(b"/")), [Send(SERVER, b"/")]),
        (1.2, Arrived(SERVER, Bytes(b"200")), [Send(CLIENT, b"200")]),
        (2.0, Arrived(CLIENT, Bytes(b"GET")), [Flush(SERVER, Depth.KERNEL)]),
        (2.0, Flushed(SERVER), [Reset(SERVER)]),
    )


def test_both_sides_are_looked_at_while_somebody_waits_for_a_turn() -> None:
    flow = Flow((rule(AtTurn(CLIENT, 1), arm("latency 0s from server", span=0.1)),))
    flow.handle(Opened(), 0.0)
    assert flow.passage(CLIENT) == flow.passage(SERVER) == WATCHED_ROAD

    flow.handle(Arrived(CLIENT, Bytes(b"x")), 1.0)
    flow.handle(Flushed(SERVER), 1.0)
    flow.handle(Woke(), 2.0)

    assert flow.passage(CLIENT) == flow.passage(SERVER) == OPEN_ROAD


# ---- end of file


def test_eof_comes_behind_the_bytes_and_before_the_fin_goes_on() -> None:
    flow = Flow(
        (rule(AtOpen(), arm("latency 1s from client"), name="p/slow"), rule(AtEof(CLIENT), arm("reset server")))
    )

    play(
        flow,
        (0.0, Opened(), []),
        (0.0, Arrived(CLIENT, Bytes(b"x")), []),
        (0.5, Arrived(CLIENT, FIN), []),
        (1.0, Woke(), [Send(SERVER, b"x")]),
        (1.5, Woke(), [Reset(SERVER)]),
    )


def test_a_fault_that_is_armed_at_eof_holds_the_fin() -> None:
    flow = Flow((rule(AtEof(CLIENT), arm("latency 1s from client")),))

    play(flow, (0.0, Opened(), []), (1.0, Arrived(CLIENT, FIN), []), (2.0, Woke(), [Shut(SERVER)]))


@pytest.mark.parametrize("gone", ["reset server", "half_close server"])
def test_eof_comes_even_when_there_is_nobody_to_pass_it_to(gone: str) -> None:
    flow = Flow((rule(AtOpen(), arm(gone), name="p/gone"), rule(AtEof(CLIENT), RESET, name="p/eof")))
    flow.handle(Opened(), 0.0)

    assert fired(flow.handle(Arrived(CLIENT, FIN), 1.0)) == ["p/eof"]


# ---- reset


def test_reset_comes_behind_the_bytes_and_before_the_reset_goes_on() -> None:
    flow = Flow(
        (rule(AtOpen(), arm("latency 1s from server"), name="p/slow"), rule(AtReset(SERVER), arm("close client")))
    )

    play(
        flow,
        (0.0, Opened(), []),
        (0.0, Arrived(SERVER, Bytes(b"x")), []),
        (0.5, Arrived(SERVER, RST), []),
        (1.0, Woke(), [Send(CLIENT, b"x")]),
        (1.5, Woke(), [Flush(CLIENT, Depth.KERNEL)]),
    )


def test_who_closes_at_a_reset_hides_it_from_the_other_side() -> None:
    flow = Flow((rule(AtReset(SERVER), arm("close client")),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, RST), [Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Flushed(CLIENT), [Close(CLIENT)]),
    )
    assert flow.over


def test_a_reset_goes_on_when_the_rules_have_done_nothing_to_it() -> None:
    flow = Flow((rule(AtReset(SERVER), arm("drop data from client")),))

    commands = flow.handle(Opened(), 0.0) + flow.handle(Arrived(SERVER, RST), 1.0)

    assert fired(commands) == ["test/rule"]
    assert commands[-1] == Flush(CLIENT, Depth.WIRE)
    assert Reset(CLIENT, "peer") in flow.handle(Flushed(CLIENT, Depth.WIRE), 1.0)


def test_reset_does_not_come_of_what_we_have_reset() -> None:
    flow = Flow((rule(AtOpen(), arm("reset server"), name="p/ours"), rule(AtReset(SERVER), RESET, name="p/theirs")))

    assert fired(flow.handle(Opened(), 0.0)) == ["p/ours"]
    assert flow.handle(RulesChanged((rule(AtReset(SERVER), RESET, name="p/late"),)), 1.0) == [
        Note(RuleMissed("p/late", "this leg had ended already"))
    ]


# ---- idle


def test_silence_is_asked_of_the_kernel_when_it_could_have_been_long_enough() -> None:
    flow = Flow((rule(AtIdle(10.0), RESET),))

    play(flow, (0.0, Opened(), []), (10.0, Woke(), [Measure(CLIENT), Measure(SERVER)]))
    assert flow.deadline() is None
    play(flow, (10.0, Measured(CLIENT, 4.0, 3), []), (10.0, Measured(SERVER, 7.0, 3), []))
    assert flow.deadline() == 16.0
    play(
        flow,
        (16.0, Woke(), [Measure(CLIENT), Measure(SERVER)]),
        (16.0, Measured(CLIENT, 10.0, 3), []),
        (16.0, Measured(SERVER, 13.0, 3), [Reset(CLIENT)]),
    )


def test_the_clock_of_packets_is_put_back_by_a_keepalive() -> None:
    flow = Flow((rule(AtIdle(10.0, Clock.PACKETS), RESET),))

    def look(now: float, client: int) -> list[object]:
        flow.handle(Woke(), now)
        flow.handle(Measured(CLIENT, 99.0, client), now)
        return [c for c in flow.handle(Measured(SERVER, 99.0, 5), now) if not isinstance(c, Note)]

    flow.handle(Opened(), 0.0)
    assert flow.deadline() == 0.0
    assert look(0.0, 5) == []
    assert flow.deadline() == 1.0
    for second in range(1, 8):
        assert look(float(second), 5) == []
    assert look(8.0, 6) == []  # a keepalive came
    for second in range(9, 18):
        assert look(float(second), 6) == []
    assert look(18.0, 6) == [Reset(CLIENT)]


def test_asking_again_never_spins() -> None:
    """The kernel's clock is coarser than ours: silence may seem a little too short for ever."""
    flow = Flow((rule(AtIdle(1.0), RESET),))
    flow.handle(Opened(), 0.0)
    now = 1.0
    for _ in range(3):
        flow.handle(Woke(), now)
        flow.handle(Measured(CLIENT, 0.9999999, 1), now)
        flow.handle(Measured(SERVER, 5.0, 1), now)
        due = flow.deadline()
        assert due is not None
        assert due >= now + 0.004
        now = due


# ---- in a script


def test_a_script_waits_for_bytes_from_where_it_stands() -> None:
    flow = Flow((rule(AtBytes(SERVER, 3), Wait(AtBytes(SERVER, 2)), RESET),))

    play(flow, (0.0, Opened(), []), (1.0, Passed(SERVER, 3), []))
    assert flow.passage(SERVER) == Passage(look=False, credit=2)
    play(flow, (2.0, Passed(SERVER, 2), [Reset(CLIENT)]))


@pytest.mark.parametrize("moment", [AtAccept(), AtOpen(), AtAge(1.0)])
def test_a_script_does_not_wait_for_what_has_come_already(moment: FlowMoment) -> None:
    flow = Flow((rule(AtAge(2.0), Wait(moment), RESET),))
    flow.handle(Accepted(), 0.0)
    flow.handle(Opened(), 0.0)

    play(flow, (2.0, Woke(), [Reset(CLIENT)]))


def test_a_wait_for_an_end_of_file_that_has_been_is_over_at_once() -> None:
    flow = Flow((rule(AtEof(CLIENT), Wait(1.0), Wait(AtEof(CLIENT)), RESET),))

    play(flow, (0.0, Opened(), []), (1.0, Arrived(CLIENT, FIN), [Shut(SERVER)]), (2.0, Woke(), [Reset(CLIENT)]))


def test_a_script_may_wait_for_silence_and_then_heal() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all from client"), Wait(AtIdle(5.0)), Heal()),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, LOST)]),
        (5.0, Woke(), [Measure(CLIENT), Measure(SERVER)]),
        (5.0, Measured(CLIENT, 9.0, 1), []),
        (5.0, Measured(SERVER, 9.0, 1), [SetLoss(CLIENT, NO_LOSS)]),
    )


# ---- a flow that is older than its rules


def test_an_offset_that_was_passed_never_fires_and_a_fact_says_so() -> None:
    flow = Flow()
    flow.handle(Opened(), 0.0)
    flow.handle(Passed(SERVER, 100), 1.0)

    commands = flow.handle(RulesChanged((rule(AtBytes(SERVER, 50), RESET),)), 2.0)

    assert commands == [Note(RuleMissed("test/rule", "the offset had been passed already"))]
    assert flow.passage(SERVER) == OPEN_ROAD


def test_a_rule_for_open_flows_fires_at_once_on_one_that_is_open() -> None:
    flow = Flow()
    flow.handle(Opened(), 0.0)

    play(flow, (2.0, RulesChanged((rule(AtOpen(), RESET),)), [Reset(CLIENT)]))
