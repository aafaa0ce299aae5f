"""A million random events: whatever happens in whatever order, each byte is passed or counted, and nothing is left."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.flow.anything import said
from tests.flow.test_properties import COUNTING, account, changes, dice, ended

from bustedwall.policy.rules import Rule
from bustedwall.terms.items import Fin, Rst

EVENTS = 1_000_000
POLICIES = 1500
"""Different ones; making them costs more than having a conversation under them."""


@pytest.mark.long("a minute or two")
@pytest.mark.timeout(900)
def test_a_million_events() -> None:
    told = 0
    each = EVENTS // POLICIES + 1

    @settings(max_examples=POLICIES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(changes(COUNTING), said, said, ended, ended, dice, st.integers(0, 9))
    def talk(
        found: list[tuple[Rule, ...]],
        asked: bytes,
        answered: bytes,
        one: Fin | Rst | None,
        other: Fin | Rst | None,
        chance: Random,
        upstream: int,
    ) -> None:
        nonlocal told
        goal = told + each
        while told < goal:
            told += account(found, ((asked, one), (answered, other)), chance, upstream=upstream > 0)

    talk()
    assert told >= EVENTS
