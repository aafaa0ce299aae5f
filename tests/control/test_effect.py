"""What a rule has done, told from facts alone."""

from __future__ import annotations

import pytest

from bustedwall.client import Json
from bustedwall.client.effect import effect, meant

FIRED: Json = {"fact": "rule-fired", "rule": "p/r", "coming": 1}


def armed(fault: str, *, to_prove: bool = True) -> Json:
    return {"fact": "fault-armed", "rule": "p/r", "fault": fault, "to_prove": to_prove}


def lost(verdict: str) -> Json:
    return {"fact": "loss-evidence", "causes": ["other/r: drop acks to client", "p/r: blackhole"], "verdict": verdict}


def ended(verdict: str) -> Json:
    return {"fact": "ending-evidence", "cause": "p/r", "verdict": verdict}


@pytest.mark.parametrize(
    ("facts", "effective", "said"),
    [
        ([], False, "p never fired"),
        ([FIRED], False, "p fired once, no fault took hold"),
        ([FIRED, armed("latency {delay: 1s}", to_prove=False)], True, "p fired once"),
        ([FIRED, armed("blackhole")], False, "p fired once, a verdict is still to come"),
        ([FIRED, armed("blackhole"), lost("effective")], True, "p fired once, effective: 1"),
        ([FIRED, armed("blackhole"), lost("no traffic met it")], False, "p fired once, no traffic met it: 1"),
        ([FIRED, FIRED, armed("reset: client"), ended("not proven")], False, "p fired 2 times, not proven: 1"),
        (
            [FIRED, {"fact": "step-moot", "rule": "p/r", "fault": "reset: client"}],
            False,
            "p fired once, no fault took hold, a step came too late once",
        ),
        ([FIRED | {"rule": "pp/r"}, {"fact": "loss-set", "causes": ["p/r: blackhole"]}], False, "p never fired"),
    ],
)
def test_it_is_effective_when_it_is_proven_or_needs_no_proof(facts: list[Json], effective: bool, said: str) -> None:  # noqa: FBT001 (a case)
    told = effect(facts, "p")
    assert (told.effective, str(told)) == (effective, said)


def test_a_policy_means_its_rules_and_those_of_one_flow() -> None:
    assert all(meant("p", rule) for rule in ("p/r", "p@17/r"))
    assert all(meant("p/r", rule) for rule in ("p/r", "p@17/r"))
    assert not any(meant(asked, "p/r") for asked in ("p/x", "x", "r", "p@17"))
