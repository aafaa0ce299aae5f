"""A run that is played again decides as it was recorded, whatever chance and counts say."""

from __future__ import annotations

from bustedwall.flow.orders import RulesChanged
from bustedwall.flow.recorded import Recorded
from bustedwall.flow.table import FlowTable
from bustedwall.flow.visit import Visit
from bustedwall.policy.missing import AS_WRITTEN
from bustedwall.policy.parse import parse
from bustedwall.policy.rules import Rule
from bustedwall.policy.template import read
from bustedwall.policy.use import read_text
from bustedwall.terms.commands import Note
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Opened
from bustedwall.terms.facts import OrderLooked, RuleFired, RuleSpared, ShareDrawn

POLICY = """
version: 1
name: p
summary: s
rules:
  - {name: even, probability: 50%%, total: %s, do: [{latency: {from: server, delay: 1s}}]}
  - {name: some, match: {flows: {share: 50%%}}, do: [{latency: {from: client, delay: 1s}}]}
"""
COUNT = 30


def rules(total: int) -> tuple[Rule, ...]:
    use = read_text("p", "test")
    return read(parse(POLICY % total, "p")).bind(use.given, use.place, AS_WRITTEN).rules


def played(recorded: Recorded, total: int, order: range, seed: int = 7) -> dict[int, tuple[bool, bool]]:
    """Return by flow whether `even` fired, and whether `some` touched it; flows open in this order."""
    table = FlowTable(Dice.seeded(seed), recorded=recorded)
    table.handle(RulesChanged(rules(total)), 0.0)
    flows = [table.admit("127.0.0.1", 1.0) for _ in range(COUNT)]
    found: dict[int, tuple[bool, bool]] = {}
    for number in order:
        (touched,) = [
            one.touched for one in table.draws(Visit(number, "127.0.0.1", 1.0)) if isinstance(one, ShareDrawn)
        ]
        flow = flows[number - 1]
        assert flow is not None
        notes = [command.fact for command in flow.handle(Opened(), 1.0) if isinstance(command, Note)]
        (fact,) = [one for one in notes if isinstance(one, RuleFired | RuleSpared) and one.rule == "p/even"]
        found[number] = (isinstance(fact, RuleFired), touched)
    return found


FORTH, BACK = range(1, COUNT + 1), range(COUNT, 0, -1)


def test_what_was_recorded_is_decided_again_in_another_order_with_other_odds_and_counts() -> None:
    first = played(Recorded(), 5, FORTH)
    assert sum(fired for fired, _ in first.values()) == 5, "the first five that were lucky"
    assert played(Recorded(), 5, BACK) != first, "of a total, those are the first that come first"
    recorded = Recorded(
        {("p/even", number, 1): fired for number, (fired, _) in first.items()},
        {("p/some", number): touched for number, (_, touched) in first.items()},
    )
    assert played(recorded, 5, BACK) == first
    assert played(recorded, 1, BACK, seed=8) == first


def test_what_was_not_recorded_is_decided_by_the_seed() -> None:
    recorded = Recorded({("p/even", 1, 1): True}, {("p/some", 1): True})
    anew, again = played(Recorded(), 100, FORTH), played(recorded, 100, FORTH)
    assert again.pop(1) == (True, True)
    assert again == {number: one for number, one in anew.items() if number > 1}


CROWDED = """
version: 1
name: p
summary: s
rules:
  - {name: crowd, match: {flows: {above: 2}}, do: [{latency: {from: server, delay: 1s}}]}
  - {name: strike, match: {flows: {nth: 1}}, do: [{latency: {from: server, delay: 1s}}]}
  - {name: later, match: {after: {rule: strike, within: 90s}}, do: [{latency: {from: server, delay: 1s}}]}
"""


def touched(table: FlowTable, visit: Visit) -> dict[str, bool]:
    """Return by rule what the order of flows decided, which is what its `match` then is."""
    looked = {one.rule: one.touched for one in table.draws(visit) if isinstance(one, OrderLooked)}
    names = {rule.name for rule in table.rules_of(visit)}
    assert {name for name, yes in looked.items() if yes} == names - {"p/strike"}
    return looked


def test_who_is_above_a_number_and_who_comes_after_a_strike_is_taken_from_the_recording() -> None:
    use = read_text("p", "test")
    crowded = read(parse(CROWDED, "p")).bind(use.given, use.place, AS_WRITTEN).rules
    recorded = Recorded(in_order={("p/crowd", 7): True, ("p/crowd", 8): False, ("p/later", 7): True})
    table, anew = FlowTable(Dice.seeded(7), recorded=recorded), FlowTable(Dice.seeded(7))
    for one in (table, anew):
        one.handle(RulesChanged(crowded), 0.0)
    few, many = Visit(7, "127.0.0.1", 1.0, others=0), Visit(8, "127.0.0.1", 1.0, others=5)
    assert touched(anew, few) == {"p/crowd": False, "p/later": False}
    assert touched(table, few) == {"p/crowd": True, "p/later": True}
    assert touched(anew, many) == {"p/crowd": True, "p/later": False}
    assert touched(table, many) == {"p/crowd": False, "p/later": False}
