"""Random policies, for properties: any fault of the registry, any moment, any script."""

from __future__ import annotations

import re
from functools import cache
from random import Random
from typing import Any, get_args

import yaml
from hypothesis import strategies as st
from tests.flow.play import rule

from bustedwall.faults import registry
from bustedwall.faults.fault import Damage, Fault, LastingFault, Shared
from bustedwall.policy.rules import (
    Arm,
    AtAccept,
    AtAge,
    AtApplied,
    AtBytes,
    AtEof,
    AtIdle,
    AtOpen,
    AtPolicyAge,
    AtRecord,
    AtRepeat,
    AtReset,
    AtSignal,
    AtText,
    AtTurn,
    Clock,
    FlowMoment,
    Heal,
    PolicyMoment,
    RecordKind,
    Rule,
    Step,
    Wait,
)
from bustedwall.terms.dice import Dice
from bustedwall.terms.leg import Leg

LETTERS = "abz"
"""What the peers say, and what is waited for in it."""

legs = st.sampled_from(list(Leg))
spans = st.sampled_from([0.0, 0.1, 0.5, 3.0])
said = st.builds(
    lambda size, seed: bytes(Random(seed).choices(LETTERS.encode(), k=size)), st.integers(0, 60), st.integers(0, 999)
)
_after = st.sampled_from([0.1, 0.5, 3.0])

MOMENTS: dict[type, st.SearchStrategy[Any]] = {
    AtAccept: st.just(AtAccept()),
    AtOpen: st.just(AtOpen()),
    AtBytes: st.builds(AtBytes, legs, st.integers(1, 60)),
    AtAge: st.builds(AtAge, _after),
    AtIdle: st.builds(AtIdle, _after, st.sampled_from(Clock)),
    AtRecord: st.builds(AtRecord, legs, st.sampled_from(RecordKind), st.integers(1, 3), st.none() | st.integers(0, 60)),
    AtText: st.one_of(
        st.builds(AtText, legs, text=st.text(LETTERS, min_size=1, max_size=3).map(str.encode), deliver=st.booleans()),
        st.builds(
            AtText,
            legs,
            pattern=st.sampled_from(["a.*z", "a+b", "[bz]{2}", "^.b", "b|a.a"]),
            within=st.sampled_from([2, 4, 64]),
            deliver=st.booleans(),
        ),
    ),
    AtTurn: st.builds(AtTurn, legs, st.integers(1, 4)),
    AtEof: st.builds(AtEof, legs),
    AtReset: st.builds(AtReset, legs),
    AtApplied: st.just(AtApplied()),
    AtPolicyAge: st.builds(AtPolicyAge, _after),
    AtRepeat: st.builds(AtRepeat, _after),
    AtSignal: st.builds(AtSignal, st.just("go")),
}
of_flow = st.one_of(*(MOMENTS[kind] for kind in get_args(FlowMoment)))
of_policy = st.one_of(*(MOMENTS[kind] for kind in get_args(PolicyMoment)))


def damage_of(fault: Fault) -> Damage:
    return fault.arm(Dice.seeded(0), Shared())


@cache
def faults() -> tuple[Fault, ...]:
    """Every example of every fault, for each leg that it can be about."""
    found = []
    for kind in registry().values():
        for example in kind.page.examples:
            for text in (example, re.sub(r"\b(?:client|server)\b", lambda leg: Leg(leg[0]).other.value, example)):
                step = yaml.safe_load(text)
                value = next(iter(step.values())) if isinstance(step, dict) else {}
                found.append(kind.model_validate(kind.settings(value)))
    return tuple(dict.fromkeys(found))


def keeps_all(fault: Fault) -> bool:
    """Tell whether both ends get all that the other has sent, in the end, whatever this fault does."""
    return fault.lossless and not damage_of(fault).endings


def counts_all(fault: Fault) -> bool:
    """Tell whether no byte disappears or comes from nowhere but with the end of its leg."""
    done = damage_of(fault)
    return fault.lossless or not (done.stages or done.injected)


def arms(chosen: tuple[Fault, ...]) -> st.SearchStrategy[Arm]:
    def lasting(fault: Fault) -> st.SearchStrategy[Arm]:
        spans = st.sampled_from([None, None, 0.3, 2.0]) if isinstance(fault, LastingFault) else st.none()
        return st.builds(Arm, st.just(fault), spans)

    return st.sampled_from(chosen).flatmap(lasting)


def scripts(chosen: tuple[Fault, ...]) -> st.SearchStrategy[tuple[Step, ...]]:
    step = st.one_of(arms(chosen), arms(chosen), st.builds(Wait, spans), st.builds(Wait, of_flow), st.just(Heal()))
    return st.lists(step, min_size=1, max_size=5).map(tuple)


@st.composite
def policies(draw: st.DrawFn, chosen: tuple[Fault, ...], most: int = 4) -> tuple[Rule, ...]:
    return tuple(
        rule(
            draw(st.one_of(of_flow, of_flow, of_policy)),
            *draw(scripts(chosen)),
            name=f"test/{number}",
            times=draw(st.sampled_from([None, None, 1, 3])),
            total=draw(st.sampled_from([None, None, 2])),
            probability=draw(st.sampled_from([1.0, 1.0, 0.5])),
        )
        for number in range(draw(st.sampled_from([0, *range(1, most + 1), *range(1, most + 1)])))
    )
