from __future__ import annotations

import pytest

from bustedwall.faults.drop import DropFault, Lost
from bustedwall.faults.latency import LatencyFault
from bustedwall.faults.reset import ResetFault
from bustedwall.faults.whose import Whose
from bustedwall.policy.missing import Terms
from bustedwall.policy.parse import parse
from bustedwall.policy.rules import Arm, AtBytes, AtOpen, Heal, Rule, Step, Trigger, Wait
from bustedwall.policy.template import read
from bustedwall.terms.leg import Leg


def rules(text: str) -> tuple[Rule, ...]:
    document = parse(f"version: 1\nname: p\nsummary: s\nrules:\n{text}", "p.yaml")
    return read(document, "p").bind({}, document.place(()), Terms()).rules


def step(text: str) -> Step:
    return rules(f"- name: r\n  do:\n  - {text}\n  - reset: server\n")[0].steps[0]


def trigger(text: str) -> Trigger:
    return rules(f"- name: r\n  when: {text}\n  do: [{{reset: client}}]\n")[0].when


DROP = DropFault.model_validate({"what": "all", "from": "client"})
LATENCY = LatencyFault.model_validate({"delay": "100ms", "from": "server"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("heal", Heal()),
        ("wait: 1.5s", Wait(1.5)),
        ("reset: client", Arm(ResetFault(leg=Whose.CLIENT))),
        ("reset: {leg: both, flush: true}", Arm(ResetFault(leg=Whose.BOTH, flush=True))),
        ("drop: all from client", Arm(DROP)),
        ("drop: {what: all, from: client}", Arm(DROP)),
        ("latency: 100ms from server", Arm(LATENCY)),
        ("latency: {delay: 100ms, from: server}", Arm(LATENCY)),
    ],
)
def test_a_step_is_a_word_or_one_key(text: str, expected: Step) -> None:
    assert step(text) == expected


def test_the_short_form_to_a_leg_means_the_other_way() -> None:
    arm = step("drop: all to client")
    assert isinstance(arm, Arm)
    assert arm.fault == DropFault.model_validate({"what": Lost.ALL, "to": Leg.CLIENT})


def test_a_fault_that_lasts_for_a_while_tells_the_flow_how_long() -> None:
    arm = step("drop: {what: all, from: client, for: 10s}")
    assert isinstance(arm, Arm)
    assert arm.span == 10.0


def test_a_rule_fires_when_the_flow_opens_unless_it_says_otherwise() -> None:
    assert rules("- {name: r, do: [{reset: client}]}\n")[0].when == trigger("open") == AtOpen()


def test_a_rule_may_fire_at_a_byte() -> None:
    assert trigger("{bytes: 64KiB, from: server}") == AtBytes(Leg.SERVER, 65536)


def test_a_rule_is_called_by_its_policy_and_its_name() -> None:
    named = rules("- {name: a, do: [{reset: client}]}\n- {name: b, do: [{reset: client}]}\n")
    assert [rule.name for rule in named] == ["p/a", "p/b"]


def test_steps_keep_their_order() -> None:
    steps = rules("- {name: a, do: [{wait: 1s}, heal, {wait: 2s}, {reset: client}]}\n")[0].steps
    assert steps[:-1] == (Wait(1.0), Heal(), Wait(2.0))
