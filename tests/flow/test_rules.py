"""How often rules fire, by which chance, and what becomes of them when policies change."""

from __future__ import annotations

from tests.flow.play import CLIENT, SERVER, arm, fired, play, rule

from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RuleCalled, RulesChanged
from bustedwall.flow.script import MOST
from bustedwall.policy.rules import AtBytes, AtOpen, AtSignal, AtText, Heal, Rule, Wait
from bustedwall.terms.commands import Depth, Flush, Note, Reset, Send, SetLoss
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Arrived, Flushed, Opened, Passed, Woke
from bustedwall.terms.facts import FaultEnded, RuleFired, RuleSpared
from bustedwall.terms.items import Bytes
from bustedwall.terms.limits import DEFAULT_LIMITS
from bustedwall.terms.losses import NO_LOSS, Loss, Way
from bustedwall.terms.passage import OPEN_ROAD

LOST = frozenset({Loss(Way.FROM)})
RESET = arm("reset client")


def flows(rules: tuple[Rule, ...], count: int, seed: int = 7) -> list[Flow]:
    commons = Commons(Dice.seeded(seed).at("proxy"))
    return [Flow(rules, commons=commons, number=number + 1) for number in range(count)]


def test_total_counts_over_all_flows() -> None:
    of_all = flows((rule(AtOpen(), RESET, total=2),), 5)

    assert [bool(fired(flow.handle(Opened(), 0.0))) for flow in of_all] == [True, True, False, False, False]


def test_a_rule_whose_total_is_used_up_says_so_once_and_looks_no_more() -> None:
    first, second = flows((rule(AtText(CLIENT, b"x"), arm("latency 0s from server"), times=9, total=1),), 2)
    for flow in (first, second):
        flow.handle(Opened(), 0.0)
        flow.handle(Arrived(CLIENT, Bytes(b"x.x")), 1.0)
        flow.handle(Flushed(SERVER), 1.0)

    assert [c for c in second.handle(Arrived(CLIENT, Bytes(b"x")), 2.0) if isinstance(c, Note)] == []
    assert second.passage(CLIENT) == OPEN_ROAD


def test_a_rule_of_the_policy_fires_as_often_as_it_is_called_unless_it_has_times() -> None:
    signal = rule(AtSignal("go"), arm("drop all from client"), Wait(1.0), Heal())
    few = rule(AtSignal("go"), arm("latency 1s from client"), times=1, name="test/few")
    flow = Flow((signal, few))
    flow.handle(Opened(), 0.0)

    said = [command for now in (1.0, 5.0) for each in (signal, few) for command in flow.handle(RuleCalled(each), now)]

    assert fired(said) == ["test/rule", "test/few", "test/rule"]


def test_so_many_scripts_of_a_flow_are_under_way_and_no_more() -> None:
    waits = rule(AtSignal("go"), Wait(10.0), RESET)
    flow = Flow((waits,))
    flow.handle(Opened(), 0.0)
    for _ in range(MOST):
        assert fired(flow.handle(RuleCalled(waits), 1.0)) == ["test/rule"]

    spared = [c.fact for c in flow.handle(RuleCalled(waits), 2.0) if isinstance(c, Note)]

    assert spared == [RuleSpared("test/rule", MOST + 1, None)]


def test_a_draw_is_in_the_facts_whether_or_not_the_rule_fires() -> None:
    of_all = flows((rule(AtOpen(), arm("latency 1s from client"), probability=0.5),), 200)
    facts = [c.fact for flow in of_all for c in flow.handle(Opened(), 0.0) if isinstance(c, Note)]

    drawn = [f for f in facts if isinstance(f, RuleFired | RuleSpared)]
    assert len(drawn) == 200
    assert all((f.draw < 0.5) == isinstance(f, RuleFired) for f in drawn if f.draw is not None)
    assert 70 < sum(isinstance(f, RuleFired) for f in drawn) < 130


def test_the_same_seed_decides_the_same_and_another_seed_otherwise() -> None:
    rules = (rule(AtOpen(), RESET, probability=0.5),)

    def decisions(seed: int) -> list[bool]:
        return [bool(fired(flow.handle(Opened(), 0.0))) for flow in flows(rules, 64, seed)]

    assert decisions(1) == decisions(1)
    assert decisions(1) != decisions(2)


def test_another_rule_shifts_nobodys_dice() -> None:
    one = rule(AtOpen(), arm("latency 1s from client"), probability=0.5)
    more = rule(AtOpen(), arm("latency 1s from server"), probability=0.5, name="other/rule")

    def decisions(*rules: Rule) -> list[bool]:
        return ["test/rule" in fired(flow.handle(Opened(), 0.0)) for flow in flows(rules, 64)]

    assert decisions(one) == decisions(more, one) == decisions(one, more)


def test_a_firing_that_is_spared_does_not_count() -> None:
    """With `times: 1` and a chance, a rule goes on until it has fired once."""
    of_all = flows((rule(AtText(CLIENT, b"x"), arm("latency 0s from server"), probability=0.2),), 20)

    for flow in of_all:
        flow.handle(Opened(), 0.0)
        said = []
        for _ in range(200):
            said += flow.handle(Arrived(CLIENT, Bytes(b"x")), 1.0)
            said += _flushed(flow)
        assert len(fired(said)) == 1


def _flushed(flow: Flow) -> list[object]:
    return list(flow.handle(Flushed(SERVER), 1.0))


# ---- policies that change


def test_a_rule_that_stays_goes_on_and_one_that_goes_is_taken_back() -> None:
    stays = rule(AtOpen(), arm("drop all from server"), name="p/stays")
    goes = rule(AtOpen(), arm("drop all from client"), Wait(9.0), RESET, name="p/goes")
    flow = Flow((stays, goes))
    flow.handle(Opened(), 0.0)

    commands = flow.handle(RulesChanged((stays,)), 1.0)

    assert commands == [
        Note(FaultEnded("p/goes", "drop all from client", "its policy was taken away")),
        SetLoss(CLIENT, NO_LOSS),
    ]
    assert flow.deadline() == DEFAULT_LIMITS.fault  # of the fault that stays


def test_a_rule_with_other_settings_is_another_rule() -> None:
    flow = Flow((rule(AtBytes(SERVER, 10), RESET),))
    flow.handle(Opened(), 0.0)
    flow.handle(Passed(SERVER, 4), 0.0)

    changed = RulesChanged((rule(AtBytes(SERVER, 20), RESET),))
    play(flow, (1.0, changed, [Flush(CLIENT, Depth.KERNEL)]), (1.0, Flushed(CLIENT), []))

    assert flow.passage(SERVER).credit == 16


def test_a_rule_that_fired_and_stays_does_not_fire_again() -> None:
    only = rule(AtOpen(), arm("drop all from client"))
    flow = Flow((only,))
    flow.handle(Opened(), 0.0)

    play(flow, (1.0, RulesChanged((only,)), []))


def test_taking_all_rules_away_leaves_the_leg_as_found() -> None:
    flow = Flow((rule(AtOpen(), arm("latency 9s from client"), arm("drop all to client")),))
    flow.handle(Opened(), 0.0)
    flow.handle(Arrived(CLIENT, Bytes(b"held")), 1.0)

    play(flow, (2.0, RulesChanged(()), [SetLoss(CLIENT, NO_LOSS), Send(SERVER, b"held")]))

    assert flow.passage(CLIENT) == flow.passage(SERVER) == OPEN_ROAD
    assert flow.deadline() is None


def test_what_is_let_go_when_rules_are_taken_away_fires_none_of_those_that_go_with_them() -> None:
    """The held bytes pass the very offset at which the other rule would have reset the client."""
    slow = rule(AtOpen(), arm("latency 9s from server"), name="p/slow")
    cut = rule(AtBytes(SERVER, 4), RESET, name="p/cut")
    flow = Flow((slow, cut))
    flow.handle(Opened(), 0.0)
    flow.handle(Arrived(SERVER, Bytes(b"answer")), 1.0)

    play(flow, (2.0, RulesChanged(()), [Send(CLIENT, b"answer")]))


def test_what_two_rules_lost_is_found_again_before_what_one_of_them_held_goes_out() -> None:
    slow = rule(AtOpen(), arm("latency 9s from server"), name="p/slow")
    deaf = rule(AtOpen(), arm("drop all to client"), name="p/deaf")
    flow = Flow((slow, deaf))
    flow.handle(Opened(), 0.0)
    flow.handle(Arrived(SERVER, Bytes(b"answer")), 1.0)

    play(flow, (2.0, RulesChanged(()), [SetLoss(CLIENT, NO_LOSS), Send(CLIENT, b"answer")]))


def test_a_rule_that_is_added_before_another_fires_before_it() -> None:
    stays = rule(AtBytes(SERVER, 4), arm("latency 1s from client"), name="p/stays")
    added = rule(AtBytes(SERVER, 4), arm("latency 1s from client"), name="p/added")
    flow = Flow((stays,))
    flow.handle(Opened(), 0.0)
    flow.handle(RulesChanged((added, stays)), 0.0)
    flow.handle(Flushed(CLIENT), 0.0)

    assert fired(flow.handle(Passed(SERVER, 4), 1.0)) == ["p/added", "p/stays"]


def test_a_rule_that_stays_keeps_its_place_in_its_script_and_its_count() -> None:
    stays = rule(AtOpen(), arm("drop all from client"), Wait(5.0), Heal(), name="p/stays")
    counted = rule(AtText(CLIENT, b"x"), arm("latency 0s from server", span=0.1), times=2, name="p/counted")
    flow = Flow((stays, counted))
    flow.handle(Opened(), 0.0)
    flow.handle(Arrived(CLIENT, Bytes(b"x")), 1.0)
    flow.handle(Flushed(SERVER), 1.0)

    play(flow, (2.0, RulesChanged((rule(AtOpen(), name="q/new"), counted, stays)), []))
    said = flow.handle(Arrived(CLIENT, Bytes(b"x.x")), 3.0) + flow.handle(Flushed(SERVER), 3.0)
    assert fired(said) == ["p/counted"]
    play(flow, (5.0, Woke(), [SetLoss(CLIENT, NO_LOSS)]))


def test_heal_ends_what_every_run_of_the_rule_has_armed() -> None:
    signal = rule(AtSignal("go"), arm("drop all from client"), Wait(5.0), Heal())
    flow = Flow((signal,))
    flow.handle(Opened(), 0.0)

    play(
        flow,
        (1.0, RuleCalled(signal), [SetLoss(CLIENT, LOST)]),
        (4.0, RuleCalled(signal), []),
        (6.0, Woke(), [SetLoss(CLIENT, NO_LOSS)]),
        (9.0, Woke(), []),
    )


def test_a_called_rule_that_the_flow_does_not_have_does_nothing() -> None:
    flow = Flow()
    flow.handle(Opened(), 0.0)

    play(flow, (1.0, RuleCalled(rule(AtSignal("go"), RESET)), []))
    assert Reset(CLIENT) not in flow.handle(Woke(), 2.0)
