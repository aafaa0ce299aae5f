"""One flow, as logic: what rules do to it, event by event."""

from __future__ import annotations

import pytest
from tests.flow.play import CLIENT, SERVER, arm, play, rule

from bustedwall.flow.endings import FLUSH_LIMIT
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled
from bustedwall.policy.rules import AtBytes, AtOpen, AtSignal, Heal, Wait
from bustedwall.terms.commands import Close, Depth, Dial, Flush, Note, Reset, Send, SetLoss, Shut
from bustedwall.terms.events import Accepted, Arrived, DialFailed, Flushed, Opened, Passed, Woke
from bustedwall.terms.facts import FaultArmed, FlushGaveUp, ResetSent, RuleFired, StepMoot
from bustedwall.terms.items import FIN, RST, Bytes
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import DEFAULT_LIMITS
from bustedwall.terms.losses import NO_LOSS, Loss, Way
from bustedwall.terms.passage import OPEN_ROAD, SHUT_ROAD, Passage

FROM_CLIENT = frozenset({Loss(Way.FROM)})
TO_CLIENT = frozenset({Loss(Way.TO)})


def test_a_flow_dials_once_its_client_is_accepted() -> None:
    play(Flow(), (0.0, Accepted(), [Dial()]), (0.1, Opened(), []))


def test_an_upstream_that_cannot_be_dialled_gives_the_client_a_rst() -> None:
    flow = Flow()

    play(flow, (0.0, DialFailed(), [Reset(CLIENT)]))

    assert flow.over


def test_without_rules_the_relay_moves_bytes_on_its_own() -> None:
    assert Flow().passage(CLIENT) == OPEN_ROAD


def test_a_fin_is_passed_on_and_the_other_direction_goes_on() -> None:
    flow = Flow()

    play(flow, (0.0, Opened(), []), (1.0, Arrived(CLIENT, FIN), [Shut(SERVER)]))

    assert flow.passage(CLIENT) == SHUT_ROAD
    assert flow.passage(SERVER) == OPEN_ROAD
    assert not flow.over


def test_two_fins_end_a_flow() -> None:
    flow = Flow()

    play(flow, (0.0, Arrived(SERVER, FIN), [Shut(CLIENT)]), (1.0, Arrived(CLIENT, FIN), [Shut(SERVER)]))

    assert flow.over


def test_a_rst_is_passed_on_as_rst_once_the_bytes_before_it_are_sent() -> None:
    flow = Flow()

    play(
        flow,
        (0.0, Arrived(SERVER, RST), [Flush(CLIENT, Depth.WIRE)]),
        (0.2, Flushed(CLIENT, Depth.WIRE), [Reset(CLIENT)]),
    )

    assert flow.over


def test_a_rst_waits_for_a_slow_reader_only_so_long() -> None:
    flow = Flow()

    play(
        flow,
        (5.0, Arrived(SERVER, RST), [Flush(CLIENT, Depth.WIRE)]),
        (
            5.0 + FLUSH_LIMIT,
            Woke(),
            [Note(FlushGaveUp(CLIENT)), Reset(CLIENT), Note(ResetSent(CLIENT, "peer"))],
        ),
        facts=True,
    )


def test_a_rst_after_a_fin_is_still_passed_on() -> None:
    """A client that has closed answers data with a RST; the server has to learn of it."""
    flow = Flow()

    play(
        flow,
        (0.0, Opened(), []),
        (0.0, Arrived(CLIENT, FIN), [Shut(SERVER)]),
        (1.0, Arrived(CLIENT, RST), [Flush(SERVER, Depth.WIRE)]),
        (1.0, Flushed(SERVER, Depth.WIRE), [Reset(SERVER)]),
    )


def test_the_relay_may_move_exactly_the_bytes_up_to_an_offset() -> None:
    flow = Flow((rule(AtBytes(SERVER, 10), arm("reset client")),))

    play(flow, (0.0, Opened(), []), (1.0, Passed(SERVER, 7), []))

    assert flow.passage(SERVER) == Passage(look=False, credit=3)
    assert flow.passage(CLIENT) == OPEN_ROAD


def test_a_rule_fires_at_its_offset_and_says_where_that_was() -> None:
    flow = Flow((rule(AtBytes(SERVER, 10), arm("reset client")),))

    play(
        flow,
        (1.0, Passed(CLIENT, 4), []),
        (
            1.0,
            Passed(SERVER, 10),
            [
                Note(RuleFired("test/rule", 1, 4, 10)),
                Note(FaultArmed("test/rule", "reset client", to_prove=True)),
                Reset(CLIENT),
                Note(ResetSent(CLIENT, "test/rule")),
            ],
        ),
        facts=True,
    )


def test_a_watched_chunk_is_cut_at_the_offset_and_the_rule_waits_for_our_kernel() -> None:
    flow = Flow(
        (rule(AtOpen(), arm("latency 0s from server")), rule(AtBytes(SERVER, 3), arm("reset client"), name="a/b"))
    )

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, Bytes(b"hello")), []),
        (1.0, Woke(), [Send(CLIENT, b"hel"), Flush(CLIENT, Depth.KERNEL)]),
    )
    assert flow.passage(SERVER) == SHUT_ROAD
    play(flow, (2.0, Flushed(CLIENT), [Reset(CLIENT)]))

    assert flow.discarded == len(b"lo")


def test_what_is_left_of_a_cut_chunk_passes_only_the_stage_that_is_new() -> None:
    first = rule(AtOpen(), arm("latency 1s from server"))
    second = rule(AtBytes(SERVER, 2), arm("latency 5s from server"), name="test/second")
    flow = Flow((first, second))

    play(
        flow,
        (0.0, Opened(), []),
        (0.0, Arrived(SERVER, Bytes(b"abcd")), []),
        (1.0, Woke(), [Send(CLIENT, b"ab"), Flush(CLIENT, Depth.KERNEL)]),
        (1.0, Flushed(CLIENT), []),
        (6.0, Woke(), [Send(CLIENT, b"cd")]),
    )


def test_a_fin_waits_behind_the_bytes_before_it() -> None:
    flow = Flow((rule(AtOpen(), arm("latency 1s from client")),))

    play(
        flow,
        (0.0, Opened(), []),
        (0.0, Arrived(CLIENT, Bytes(b"x")), []),
        (0.5, Arrived(CLIENT, FIN), []),
        (1.0, Woke(), [Send(SERVER, b"x")]),
        (1.5, Woke(), [Shut(SERVER)]),
    )


def test_a_timer_that_comes_late_changes_nothing_but_the_moment() -> None:
    """The faults of one script happen in their order, even if the relay was busy past all of them."""
    flow = Flow((rule(AtOpen(), arm("latency 1s from server"), Wait(2.0), arm("reset client")),))

    play(
        flow,
        (0.0, Opened(), []),
        (0.0, Arrived(SERVER, Bytes(b"x")), []),
        (9.0, Arrived(SERVER, Bytes(b"y")), [Send(CLIENT, b"x"), Reset(CLIENT)]),
    )

    assert flow.discarded == 1


def test_a_script_waits_between_its_steps() -> None:
    flow = Flow((rule(AtBytes(SERVER, 1), arm("drop all from client"), Wait(5.0), arm("reset client")),))

    play(flow, (2.0, Passed(SERVER, 1), [SetLoss(CLIENT, FROM_CLIENT)]))
    assert flow.deadline() == 7.0
    play(flow, (6.9, Woke(), []), (7.0, Woke(), [Reset(CLIENT)]))


def test_a_fault_with_a_span_ends_by_itself_and_does_not_block_the_script() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all from client", span=3.0), arm("drop all to server")),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, FROM_CLIENT), SetLoss(SERVER, TO_CLIENT)]),
        (3.0, Woke(), [SetLoss(CLIENT, NO_LOSS)]),
    )


def test_heal_lifts_losses_before_it_releases_held_bytes() -> None:
    steps = (arm("drop all to client"), arm("latency 60s from server"), Wait(1.0), Heal())
    flow = Flow((rule(AtOpen(), *steps),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT)]),
        (0.5, Arrived(SERVER, Bytes(b"held")), []),
        (1.0, Woke(), [SetLoss(CLIENT, NO_LOSS), Send(CLIENT, b"held")]),
    )
    assert flow.passage(SERVER) == OPEN_ROAD
    assert flow.deadline() is None


def test_the_losses_of_a_leg_are_a_union_and_each_fault_takes_back_only_its_share() -> None:
    flow = Flow(
        (
            rule(AtOpen(), arm("drop all from client", span=1.0), name="test/a"),
            rule(AtOpen(), arm("drop all to client"), arm("drop all from client", span=2.0), name="test/b"),
        )
    )

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, FROM_CLIENT), SetLoss(CLIENT, FROM_CLIENT | TO_CLIENT)]),
        (1.0, Woke(), []),
        (2.0, Woke(), [SetLoss(CLIENT, TO_CLIENT)]),
    )


def test_a_reset_first_lifts_the_loss_that_would_swallow_it() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all to client"), Wait(1.0), arm("reset client")),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT)]),
        (1.0, Woke(), [SetLoss(CLIENT, NO_LOSS), Reset(CLIENT)]),
    )


def test_a_flushing_reset_waits_for_what_has_left_the_gate_and_loses_what_stages_hold() -> None:
    flow = Flow((rule(AtOpen(), arm("latency 1s from server"), Wait(1.5), arm("reset client", flush=True)),))

    play(
        flow,
        (0.0, Opened(), []),
        (0.1, Arrived(SERVER, Bytes(b"sent")), []),
        (1.0, Arrived(SERVER, Bytes(b"held")), []),
        (1.1, Woke(), [Send(CLIENT, b"sent")]),
        (1.5, Woke(), [Flush(CLIENT, Depth.WIRE)]),
        (1.6, Arrived(SERVER, Bytes(b"late")), []),
        (1.7, Flushed(CLIENT, Depth.WIRE), [Reset(CLIENT)]),
    )

    assert flow.discarded == len(b"held" + b"late")


def test_the_leg_that_is_left_alone_is_read_and_thrown_away_then_reset() -> None:
    flow = Flow((rule(AtOpen(), arm("reset client")),))

    play(flow, (0.0, Opened(), [Reset(CLIENT)]))
    assert flow.passage(SERVER) == OPEN_ROAD
    play(flow, (DEFAULT_LIMITS.orphan, Woke(), [Reset(SERVER)]))

    assert flow.over


@pytest.mark.parametrize("flush", [True, False])
def test_the_ttl_is_that_of_the_rst_that_it_is_written_for_and_of_no_other(*, flush: bool) -> None:
    flow = Flow((rule(AtOpen(), arm("reset client", ttl=3, other="reset", flush=flush)),))
    commands = flow.handle(Opened(), 0.0)
    if flush:
        commands = flow.handle(Flushed(CLIENT, Depth.WIRE), 0.1)

    resets = [command for command in commands if isinstance(command, Reset)]
    assert resets == [Reset(CLIENT, ttl=3), Reset(SERVER)]


def test_a_lone_leg_that_closes_gets_our_fin_for_its_own() -> None:
    flow = Flow((rule(AtOpen(), arm("reset client")),))

    play(flow, (0.0, Opened(), [Reset(CLIENT)]), (1.0, Arrived(SERVER, FIN), [Shut(SERVER)]))

    assert flow.over


def test_a_lone_leg_still_gets_what_the_other_had_sent() -> None:
    flow = Flow((rule(AtOpen(), arm("latency 5s from client"), Wait(1.0), arm("reset client")),))

    play(
        flow,
        (0.0, Opened(), []),
        (0.5, Arrived(CLIENT, Bytes(b"order")), []),
        (1.0, Woke(), [Reset(CLIENT)]),
        (2.0, Arrived(SERVER, FIN), []),
        (7.0, Woke(), [Send(SERVER, b"order"), Shut(SERVER)]),
    )


def test_a_step_that_comes_too_late_is_recorded_as_moot() -> None:
    flow = Flow((rule(AtOpen(), arm("reset client"), arm("reset client")),))

    commands = flow.handle(Opened(), 0.0)

    assert commands.count(Reset(CLIENT)) == 1
    assert Note(StepMoot("test/rule", "reset client", CLIENT)) in commands


@pytest.mark.parametrize(
    ("first", "late", "leg"),
    [
        ("reset client", "close client", CLIENT),
        ("close client", "reset client", CLIENT),  # it waits for its bytes, and has begun
        ("half_close client", "half_close client", CLIENT),
        ("reset client", "latency 1s from server", CLIENT),  # there is nobody to be late for
        ("reset client", "drop all from client", CLIENT),
    ],
)
def test_a_step_that_does_nothing_at_all_is_moot_and_not_armed(first: str, late: str, leg: Leg) -> None:
    flow = Flow((rule(AtOpen(), arm(first)), rule(AtSignal("late"), arm(late), name="p/late")))
    flow.handle(Opened(), 0.0)

    said = flow.handle(RuleCalled(rule(AtSignal("late"), arm(late), name="p/late")), 0.0)

    assert [c.fact for c in said if isinstance(c, Note)][1:] == [StepMoot("p/late", late, leg)]


def test_of_a_step_for_both_legs_one_half_may_be_moot() -> None:
    flow = Flow((rule(AtOpen(), arm("reset client"), arm("blackhole both")),))
    said = flow.handle(Opened(), 0.0)

    assert said[-3:] == [
        Note(StepMoot("test/rule", "blackhole both", CLIENT)),
        Note(FaultArmed("test/rule", "blackhole both", to_prove=True)),
        SetLoss(SERVER, FROM_CLIENT | TO_CLIENT),
    ]


def test_a_half_close_lifts_no_loss_because_its_fin_is_repeated_until_it_is_heard() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all to client", span=2.0), arm("half_close client")),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT), Shut(CLIENT)]),
        (2.0, Woke(), [SetLoss(CLIENT, NO_LOSS)]),
    )


def test_a_close_with_something_unread_makes_its_rst_heard() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all to client"), arm("close_unread client")),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT), SetLoss(CLIENT, NO_LOSS), Close(CLIENT, unread=True)]),
    )


def test_bytes_that_are_held_for_a_peer_that_resets_are_counted() -> None:
    flow = Flow((rule(AtOpen(), arm("stall from server")),))

    play(
        flow,
        (0.0, Opened(), []),
        (1.0, Arrived(SERVER, Bytes(b"answer")), []),
        (2.0, Arrived(CLIENT, RST), [Flush(SERVER, Depth.WIRE)]),
    )

    assert flow.discarded == len(b"answer")


def test_bytes_that_are_held_when_an_orphan_ends_are_counted() -> None:
    flow = Flow((rule(AtOpen(), arm("stall from client"), Wait(1.0), arm("reset client")),))

    play(
        flow,
        (0.0, Opened(), []),
        (0.5, Arrived(CLIENT, Bytes(b"order")), []),
        (1.0, Woke(), [Reset(CLIENT)]),
        (1.0 + DEFAULT_LIMITS.orphan, Woke(), [Reset(SERVER)]),
    )

    assert flow.discarded == len(b"order")


def test_nothing_is_done_to_a_flow_that_is_over() -> None:
    flow = Flow((rule(AtOpen(), arm("reset both"), Wait(1.0), arm("drop all from client")),))

    play(flow, (0.0, Opened(), [Reset(CLIENT), Reset(SERVER)]), (2.0, Woke(), []), (3.0, Passed(CLIENT, 1), []))

    assert flow.deadline() is None


@pytest.mark.parametrize("source", [CLIENT, SERVER])
def test_a_delay_line_presses_back_when_it_is_full(source: object) -> None:
    leg = CLIENT if source is CLIENT else SERVER
    flow = Flow((rule(AtOpen(), arm(f"latency 1s from {leg.value}")),))
    flow.handle(Opened(), 0.0)

    free = flow.passage(leg).credit
    assert free is not None
    flow.handle(Arrived(leg, Bytes(bytes(free))), 0.0)

    assert flow.passage(leg) == Passage(look=True, credit=0)


def test_crossing_an_offset_is_a_bug_and_says_so() -> None:
    flow = Flow((rule(AtBytes(SERVER, 10), arm("reset client")),))

    with pytest.raises(AssertionError, match="11 bytes passed where an edge was at 10"):
        flow.handle(Passed(SERVER, 11), 0.0)


def test_a_finished_flow_is_kept_while_its_last_bytes_are_being_lost() -> None:
    """Closing the socket would leave the loss on it for ever, and the bytes would never arrive."""
    flow = Flow((rule(AtOpen(), arm("drop all to client", span=5.0)),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT)]),
        (1.0, Arrived(CLIENT, FIN), [Shut(SERVER)]),
        (2.0, Arrived(SERVER, FIN), [Shut(CLIENT)]),
    )
    assert not flow.over
    play(flow, (5.0, Woke(), [SetLoss(CLIENT, NO_LOSS)]))

    assert flow.over


def test_a_finished_flow_is_not_kept_for_ever() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all to client")),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT)]),
        (1.0, Arrived(CLIENT, FIN), [Shut(SERVER)]),
        (2.0, Arrived(SERVER, FIN), [Shut(CLIENT)]),
        (2.0 + DEFAULT_LIMITS.orphan, Woke(), [Reset(CLIENT)]),
    )

    assert flow.over


def test_a_leg_whose_last_bytes_are_being_lost_can_still_be_reset() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all from client"), Wait(5.0), arm("reset client")),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, FROM_CLIENT)]),
        (1.0, Arrived(CLIENT, FIN), [Shut(SERVER)]),
        (2.0, Arrived(SERVER, FIN), [Shut(CLIENT)]),
        (5.0, Woke(), [Reset(CLIENT)]),
    )

    assert flow.over


def test_lifting_the_loss_of_a_finished_leg_does_not_save_it_from_the_reset() -> None:
    flow = Flow((rule(AtOpen(), arm("drop all to client"), Wait(5.0), arm("reset client")),))

    play(
        flow,
        (0.0, Opened(), [SetLoss(CLIENT, TO_CLIENT)]),
        (1.0, Arrived(CLIENT, FIN), [Shut(SERVER)]),
        (2.0, Arrived(SERVER, FIN), [Shut(CLIENT)]),
        (5.0, Woke(), [SetLoss(CLIENT, NO_LOSS), Reset(CLIENT)]),
    )

    assert flow.over


def test_a_write_that_is_lost_names_the_step_that_loses_it() -> None:
    rules = [rule(AtOpen(), arm(f"drop next_write to {leg}"), name=f"p/{leg}") for leg in ("client", "server")]
    flow = Flow(tuple(rules))
    armed = [note.fact for note in flow.handle(Opened(), 0.0) if isinstance(note, Note)]
    assert [fact.to_prove for fact in armed if isinstance(fact, FaultArmed)] == [True, True]

    play(
        flow,
        (1.0, Arrived(CLIENT, Bytes(b"x")), [Send(SERVER, b"x", "p/server: drop next_write to server")]),
        (1.0, Arrived(SERVER, Bytes(b"y")), [Send(CLIENT, b"y", "p/client: drop next_write to client")]),
        (1.0, Arrived(SERVER, Bytes(b"z")), [Send(CLIENT, b"z")]),
    )
