"""A client that is connected while nobody is dialled for it."""

from __future__ import annotations

from tests.flow.play import CLIENT, SERVER, arm, play, rule

from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RulesChanged
from bustedwall.policy.rules import AtAccept, AtAge, Heal, Wait
from bustedwall.terms.commands import Dial, Note, Reset, Send
from bustedwall.terms.events import Accepted, Opened, Passed, Spoke, Woke
from bustedwall.terms.facts import StepMoot

LATE = arm("late_dial")
UNTIL_DATA = arm("late_dial", until="data")


def test_the_upstream_is_dialled_when_it_is_healed_and_once() -> None:
    flow = Flow((rule(AtAccept(), LATE, Wait(3.0), Heal()),))

    play(
        flow,
        (0.0, Accepted(), []),
        (1.0, Spoke(), []),
        (3.0, Woke(), [Dial()]),
        (3.5, Opened(), []),
        (4.0, Passed(CLIENT, 10), []),
    )


def test_or_when_its_time_is_over() -> None:
    flow = Flow((rule(AtAccept(), arm("late_dial", span=2.0)),))

    play(flow, (0.0, Accepted(), []), (2.0, Woke(), [Dial()]))


def test_or_when_the_client_has_spoken() -> None:
    play(Flow((rule(AtAccept(), UNTIL_DATA),)), (0.0, Accepted(), []), (1.0, Spoke(), [Dial()]), (1.5, Spoke(), []))


def test_the_strictest_of_several_counts() -> None:
    flow = Flow((rule(AtAccept(), UNTIL_DATA, name="p/one"), rule(AtAccept(), LATE, Wait(9.0), Heal(), name="p/two")))

    play(flow, (0.0, Accepted(), []), (1.0, Spoke(), []), (9.0, Woke(), [Dial()]))


def test_a_client_that_is_reset_meanwhile_costs_the_upstream_nothing() -> None:
    flow = Flow((rule(AtAccept(), LATE, Wait(3.0), arm("reset client")),))

    play(flow, (0.0, Accepted(), []), (3.0, Woke(), [Reset(CLIENT)]))

    assert flow.over


def test_a_client_may_be_told_something_meanwhile() -> None:
    flow = Flow((rule(AtAccept(), LATE, name="p/late"), rule(AtAge(1.0), arm("inject wait to client"), name="p/say")))

    play(flow, (0.0, Accepted(), []), (1.0, Woke(), [Send(CLIENT, b"wait")]))


def test_a_rule_that_is_taken_away_holds_nothing_up() -> None:
    flow = Flow((rule(AtAccept(), LATE),))

    play(flow, (0.0, Accepted(), []), (1.0, RulesChanged(()), [Dial()]))


def test_who_was_dialled_already_is_not_dialled_later() -> None:
    flow = Flow((rule(AtAge(1.0), LATE),))

    play(flow, (0.0, Accepted(), [Dial()]))
    assert flow.handle(Woke(), 1.0)[-1] == Note(StepMoot("test/rule", "late_dial", SERVER))
