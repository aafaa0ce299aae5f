"""A loss that needs a privilege, where nobody has it: the loss of all that arrives is offered, and done."""

from __future__ import annotations

import pytest

from bustedwall.policy.config_model import OnMissing
from bustedwall.policy.load import load_typed
from bustedwall.policy.missing import Terms
from bustedwall.policy.problem import PolicyError
from bustedwall.terms.facts import StepUnmet
from bustedwall.terms.needs import Ability

LACKING = frozenset({Ability.LOSE_SOME})


@pytest.mark.parametrize("what", ["data", "acks"])
def test_the_loss_of_all_that_arrives_stands_in(what: str) -> None:
    step = f"drop {what} from client"
    with pytest.raises(PolicyError, match=r"approximate \(which does 'drop all from client'\) or skip"):
        load_typed((), (step,), None, Terms(1.0, LACKING))
    found = load_typed((), (step,), None, Terms(1.0, LACKING, OnMissing.APPROXIMATE))
    assert list(found.notices) == [StepUnmet("command-line/fault", step, "drop all from client", ("lose-some",))]


def test_acks_are_lost_with_our_data_held_where_they_cannot_be_lost_alone() -> None:
    lacking = Terms(1.0, frozenset({Ability.LOSE_ACKS}), OnMissing.APPROXIMATE)
    step = "drop {what: acks, to: client, hold: false}"
    found = load_typed((), (step,), None, lacking)
    assert list(found.notices) == [StepUnmet("command-line/fault", step, "drop acks to client", ("lose-acks",))]
