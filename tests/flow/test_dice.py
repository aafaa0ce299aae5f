"""Chance on many flows at once: the seed decides, not how they are interleaved or cut into chunks."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.flow.play import CLIENT, SERVER, arm, rule

from bustedwall.flow.commons import Commons
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RulesChanged
from bustedwall.flow.table import FlowTable
from bustedwall.flow.visit import Visit
from bustedwall.policy.rules import AtBytes, AtOpen, AtText, Match, Rule
from bustedwall.terms.commands import Command, Flush, Note, Send
from bustedwall.terms.dice import Dice
from bustedwall.terms.events import Arrived, Flushed, Opened, Woke
from bustedwall.terms.facts import Fact, RuleFired, RuleSpared
from bustedwall.terms.items import Bytes
from bustedwall.terms.leg import Leg

FLOWS = 32

RULES = (
    rule(AtOpen(), arm("corrupt 5% from client"), name="p/corrupt", probability=0.5),
    rule(AtText(CLIENT, b"go"), arm("discard 2B from server"), name="p/text", times=5, probability=0.3),
    rule(AtText(SERVER, pattern="a[b-z]*c"), arm("duplicate 3B from server"), name="p/pattern", times=3),
    rule(AtBytes(SERVER, 40), arm("corrupt 20% from server"), name="p/offset", match=Match(share=0.5)),
    rule(AtBytes(CLIENT, 100), arm("reset server", flush=True), name="p/reset", probability=0.25),
)
OTHERS = (
    rule(AtOpen(), arm("drop all from server"), name="q/open", probability=0.5),
    rule(AtText(SERVER, b"go"), arm("drop all to client"), name="q/text", times=9, probability=0.5),
    rule(AtBytes(CLIENT, 7), arm("blackhole client"), name="q/offset", match=Match(share=0.9)),
)


class Talk:
    """One flow that is told what its two sides say, cut anyhow; the kernel takes all at once."""

    def __init__(self, flow: Flow, number: int) -> None:
        self.flow = flow
        # Both sides' bytes are the same in each run; so is their order, for a rule may hear both.
        letters = Random(number)
        self.left = [(leg, bytes(letters.choices(b"abcgo", k=30))) for leg in (CLIENT, SERVER) * 5]
        self.got: dict[Leg, bytes] = dict.fromkeys(Leg, b"")
        self.facts: list[Fact] = []
        self._do(flow.handle(Opened(), 0.0))

    def step(self, chance: Random) -> bool:
        """Say a little more; tell whether there was anything."""
        if not self.left:
            return False
        leg, data = self.left.pop(0)
        count = chance.randint(1, len(data))
        if data[count:]:
            self.left.insert(0, (leg, data[count:]))
        self._do(self.flow.handle(Arrived(leg, Bytes(data[:count])), 1.0))
        return True

    def _do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Send(leg, data):
                    self.got[leg] += data
                case Note(fact):
                    self.facts.append(fact)
                case Flush(leg, depth):
                    self._do(self.flow.handle(Flushed(leg, depth), 1.0))

    @property
    def decisions(self) -> list[Fact]:
        return [fact for fact in self.facts if isinstance(fact, RuleFired | RuleSpared) and fact.rule.startswith("p/")]


def run(rules: tuple[Rule, ...], chance: Random, seed: int = 7) -> list[Talk]:
    """Run all flows, interleaved and cut by chance."""
    table = FlowTable(Dice.seeded(seed).at("proxy"))
    table.handle(RulesChanged(rules), 0.0)
    talks = []
    for number in range(1, FLOWS + 1):
        flow = table.admit("127.0.0.1", 1.0) or Flow(commons=Commons(Dice.seeded(seed)), number=number)
        talks.append(Talk(flow, number))
    open_still = list(talks)
    while open_still:
        talk = chance.choice(open_still)
        if not talk.step(chance):
            open_still.remove(talk)
    return talks


BEFORE = run(RULES, Random(0))


@settings(max_examples=15)
@given(st.integers(0, 2**32).map(Random))
def test_the_same_seed_and_traffic_give_the_same_decisions_and_the_same_bytes(chance: Random) -> None:
    talks = run(RULES, chance)

    assert [talk.decisions for talk in talks] == [talk.decisions for talk in BEFORE]
    assert [talk.got for talk in talks] == [talk.got for talk in BEFORE]


@settings(max_examples=15)
@given(st.permutations(OTHERS), st.integers(0, len(OTHERS)), st.integers(0, 2**32).map(Random))
def test_other_rules_before_and_behind_shift_nothing(others: list[Rule], before: int, chance: Random) -> None:
    talks = run((*others[:before], *RULES, *others[before:]), chance)

    assert [talk.decisions for talk in talks] == [talk.decisions for talk in BEFORE]
    assert [talk.got for talk in talks] == [talk.got for talk in BEFORE]


@pytest.mark.parametrize("left_out", RULES, ids=lambda each: each.name)
def test_a_rule_that_is_left_out_shifts_no_other_rules_draws(left_out: Rule) -> None:
    """Where a rule decides may move with what another did to the bytes; what it draws there does not."""
    talks = run(tuple(each for each in RULES if each is not left_out), Random(1))

    for talk, before in zip(talks, BEFORE, strict=True):
        drawn = {(fact.rule, fact.coming): fact.draw for fact in before.decisions}
        for fact in talk.decisions:
            assert drawn.get((fact.rule, fact.coming), fact.draw) == fact.draw


def test_rules_fire_and_are_spared_in_this_traffic_and_another_seed_decides_otherwise() -> None:
    facts = [fact for talk in BEFORE for fact in talk.decisions]

    assert {fact.rule for fact in facts if isinstance(fact, RuleFired)} == {each.name for each in RULES}
    assert {fact.rule for fact in facts if isinstance(fact, RuleSpared)} == {
        each.name for each in RULES if each.probability < 1
    }
    assert [talk.decisions for talk in run(RULES, Random(0), seed=8)] != [talk.decisions for talk in BEFORE]


def test_another_proxy_draws_otherwise_and_shifts_nothing() -> None:
    """Both have the same rules and the same traffic; nothing is common but the seed."""
    one, other = (FlowTable(Dice.seeded(7).at(name)) for name in ("proxy", "other"))
    for table in (one, other):
        table.handle(RulesChanged(RULES), 0.0)
    draws = {
        table: [table.draws(Visit(number, "127.0.0.1", 1.0)) for number in range(1, FLOWS + 1)]
        for table in (one, other, one)
    }

    assert draws[one] != draws[other]
    alone = FlowTable(Dice.seeded(7).at("proxy"))
    alone.handle(RulesChanged(RULES), 0.0)
    assert [alone.draws(Visit(number, "127.0.0.1", 1.0)) for number in range(1, FLOWS + 1)] == draws[one]


def late(chance: Random) -> list[tuple[float, int]]:
    """Return when how many of 100,000 bytes have passed an uneven latency."""
    uneven = rule(AtOpen(), arm("latency 1s from server", jitter="500ms", spikes="50%", spike="1s"))
    flow = Flow((uneven,), commons=Commons(Dice.seeded(7)), number=1)
    flow.handle(Opened(), 0.0)
    left, passed, seen = 100_000, 0, []
    while left:
        count = chance.randint(1, min(left, 40_000))
        left -= count
        flow.handle(Arrived(SERVER, Bytes(bytes(count))), 0.0)
    while (due := flow.deadline()) is not None:
        passed += sum(len(command.data) for command in flow.handle(Woke(), due) if isinstance(command, Send))
        seen.append((due, passed))
    return seen


WHOLE = late(Random(0))


@settings(max_examples=30)
@given(st.integers(0, 2**32).map(Random))
def test_a_block_of_bytes_is_as_late_however_it_is_cut(chance: Random) -> None:
    """The delay is drawn for each 16 KiB of the stream; a chunk may be a part of one, or several."""
    assert late(chance) == WHOLE
