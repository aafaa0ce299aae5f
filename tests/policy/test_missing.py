"""What a machine cannot do: told, replaced or left out, as its user wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.faults.reset import ResetFault
from bustedwall.policy.config_model import OnMissing
from bustedwall.policy.load import load_config, load_typed
from bustedwall.policy.missing import Terms
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.rules import Arm
from bustedwall.terms.facts import StepUnmet
from bustedwall.terms.needs import Ability

NO_OUTGOING = frozenset({Ability.LOSE_TO})

CONFIG = """\
version: 1
proxies:
  - {name: a, listen: "127.0.0.1:0", upstream: "127.0.0.1:1", policies: [slow-link, lost-commit-ack]}
"""


def steps(*faults: str, on_missing: OnMissing) -> tuple[list[str], list[StepUnmet]]:
    found = load_typed([], faults, None, Terms(missing=frozenset(Ability), on_missing=on_missing))
    return [str(step.fault) for rule in found.rules for step in rule.steps if isinstance(step, Arm)], [*found.notices]


def test_what_is_missing_is_told_at_the_use_as_a_lack_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)

    with pytest.raises(PolicyError) as caught:
        load_config(tmp_path / "config.yaml", NO_OUTGOING)

    (problem,) = caught.value.problems
    assert problem.privilege
    assert (problem.line, problem.path) == (3, "proxies[0].policies[1]")
    assert problem.message.startswith("lost-commit-ack/lose-the-answer, step 1: 'drop all to client' needs lose-to")
    assert problem.hint == "'bustedwall doctor' says why and how to get it; or set on_missing to skip"


def test_what_is_there_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert load_config(tmp_path / "config.yaml", frozenset({Ability.LOSE_SYN})).proxies[0].notices == ()


def test_the_config_may_say_that_such_steps_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG + "on_missing: skip\n")

    (proxy,) = load_config(tmp_path / "config.yaml", NO_OUTGOING).proxies

    assert [len(rule.steps) for rule in proxy.rules] == [2, 2]
    assert proxy.notices == (StepUnmet("lost-commit-ack/lose-the-answer", "drop all to client", None, ("lose-to",)),)


def test_a_command_line_goes_before_the_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG + "on_missing: fail\n")
    assert load_config(tmp_path / "config.yaml", NO_OUTGOING, on_missing=OnMissing.SKIP).proxies[0].notices


def test_a_rule_of_which_nothing_is_left_is_left_out() -> None:
    assert steps("blackhole client", "wait 1s", "heal", on_missing=OnMissing.SKIP)[0] == []


def test_the_nearest_fault_that_needs_nothing_takes_its_place() -> None:
    done, (notice,) = steps("vanish {leg: client, other: close}", on_missing=OnMissing.APPROXIMATE)

    assert done == ["reset {leg: client, other: close}"]
    assert (notice.fault, notice.instead) == ("vanish {leg: client, other: close}", done[0])
    assert notice.missing


def test_a_fault_without_a_near_one_is_refused_even_then() -> None:
    with pytest.raises(PolicyError) as caught:
        steps("blackhole client", on_missing=OnMissing.APPROXIMATE)
    assert caught.value.problems[0].privilege


def test_a_vanish_that_became_a_reset_goes_with_ignored_syns(tmp_path: Path) -> None:
    policies = []
    for name, when, step in (("a", "applied", "ignore"), ("b", "open", "vanish: client")):
        policies.append(str(tmp_path / f"{name}.yaml"))
        Path(policies[-1]).write_text(
            f"version: 1\nname: {name}\nsummary: s\nrules: [{{name: r, when: {when}, do: [{step}]}}]\n".replace(
                "vanish: client", "{vanish: client}"
            )
        )
    machine = Terms(missing=NO_OUTGOING | (frozenset(Ability) - {Ability.LOSE_SYN}), on_missing=OnMissing.APPROXIMATE)

    assert len(load_typed(policies, terms=machine).rules) == 2
    with pytest.raises(PolicyError, match="cannot be in one proxy"):
        load_typed(policies)


def test_nothing_is_lost_of_what_can_be_done() -> None:
    found = load_typed([], ["reset client", "latency 1s from server"], None, Terms(missing=frozenset(Ability)))
    (rule,) = found.rules
    assert rule.steps[0] == Arm(ResetFault.model_validate({"leg": "client"}))
    assert len(rule.steps) == 2
