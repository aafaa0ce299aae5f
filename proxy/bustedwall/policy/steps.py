"""The steps of a rule, from what users write to what a flow runs.

A step is one object with one key. The model of it is built from the fault registry, so a new fault
is a new word of the language without a line here.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, create_model
from pydantic_core import PydanticCustomError

from bustedwall.faults import registry
from bustedwall.faults.fault import Fault, LastingFault
from bustedwall.policy.moments import form_of, read_flow_moment
from bustedwall.policy.rules import Arm, Heal, Step, Wait
from bustedwall.policy.words import nearest
from bustedwall.policy.written import Written, mistake
from bustedwall.policy.written_moments import FLOW_FORMS, FLOW_WORDS, FORMS, WORDS
from bustedwall.terms.scalars import shown
from bustedwall.terms.units import duration


def _alone(value: object) -> Heal:
    if not isinstance(value, Heal):
        raise PydanticCustomError("heal", "heal stands alone, as in '- heal'")
    return value


def _wait(value: object) -> Wait:
    if isinstance(value, dict) or (isinstance(value, str) and value in WORDS.keys() | FORMS.keys()):
        return Wait(read_flow_moment(value))  # type: ignore[arg-type]  # those of the policy are refused there
    if isinstance(value, int | float) or (isinstance(value, str) and value[:1].isdigit()):
        return Wait(duration(value))
    hint = nearest(value, [*FLOW_WORDS, *FLOW_FORMS]) if isinstance(value, str) else ""
    what = "expected a time such as 200ms or 5s, or a moment of the flow, got {got}"
    raise mistake(what.format(got=shown(value)), value, hint=hint)


def _long(fault: type[Fault], value: object) -> object:
    if value is None:
        what = "'{word}' needs a value, its {key}"
        raise PydanticCustomError("fault", what, {"word": fault.word, "key": fault.value})
    return fault.settings(value)


def _step_model() -> type[BaseModel]:
    # Field names are made up because a word may be an attribute of BaseModel, as `copy` is.
    fields: dict[str, Any] = {
        f"step_{word}": (Annotated[fault, BeforeValidator(partial(_long, fault))], Field(default=None, alias=word))
        for word, fault in registry().items()
    }
    fields["step_wait"] = (Annotated[Wait, Written("wait", _wait, form_of)], Field(default=None, alias="wait"))
    fields["step_heal"] = (Annotated[Heal, PlainValidator(_alone)], Field(default=None, alias="heal"))
    return create_model("StepModel", __config__=ConfigDict(extra="forbid", defer_build=True), **fields)


StepModel = _step_model()


def _one_key(value: object) -> object:
    if isinstance(value, str):
        return {value: {"heal": Heal(), "wait": None}.get(value, {})}
    if not isinstance(value, dict):
        what = "a step is a word or has one key, as in 'reset: client'; got {got}"
        raise PydanticCustomError("step", what, {"got": shown(value)})
    if len(value) != 1:
        what = "a step has exactly one key, this one has {count}: {keys}"
        raise PydanticCustomError("step_keys", what, {"count": len(value), "keys": ", ".join(value) or "none"})
    return value


def _step(value: object) -> Step:
    (step,) = (value for _, value in StepModel.model_validate(_one_key(value)) if value is not None)
    match step:
        case LastingFault():
            return Arm(step, step.span)
        case Fault():
            return Arm(step)
        case Wait() | Heal():
            return step
    raise AssertionError(step)


WrittenStep = Annotated[Step, Written("step", _step, lambda _: StepModel)]
"""`heal`, `wait: 5s`, or a fault: bare, in short form or as a mapping."""
