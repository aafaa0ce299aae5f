"""The moment of a rule and its steps, from what users write to what a flow runs.

A step is one object with one key. The model of it is built from the fault registry, so a new fault
is a new word of the language without a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, PlainValidator, create_model
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from bustedwall.faults import registry
from bustedwall.faults.fault import Fault, LastingFault
from bustedwall.policy.rules import Arm, AtBytes, AtOpen, Heal, Step, Trigger, Wait
from bustedwall.policy.scalars import shown
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Duration, Size

Validate = Callable[[object], Any]


@dataclass(frozen=True, slots=True)
class Written:
    """Says of a field's runtime type that users write it as another model."""

    model: type[BaseModel]
    convert: Callable[[object, Validate], object]
    """Takes what was written and the model's validation; returns the runtime value."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by the model, then convert."""
        return core_schema.no_info_wrap_validator_function(self.convert, handler.generate_schema(self.model))


class BytesMoment(BaseModel):
    """`{bytes: SIZE, from: LEG}`."""

    model_config = ConfigDict(extra="forbid")

    count: Annotated[Size, Field(alias="bytes", ge=1)]
    source: Annotated[Leg, Field(alias="from")]


def _trigger(value: object, validate: Validate) -> Trigger:
    if value == "open":
        return AtOpen()
    if not isinstance(value, dict):
        what = "expected open or {form}, got {got}"
        raise PydanticCustomError("moment", what, {"form": "{bytes: SIZE, from: LEG}", "got": shown(value)})
    moment = validate(value)
    return AtBytes(source=moment.source, count=moment.count)


def _alone(value: object) -> Heal:
    if not isinstance(value, Heal):
        raise PydanticCustomError("heal", "heal stands alone, as in '- heal'")
    return value


def _long(fault: type[Fault], value: object) -> object:
    if value is None:
        what = "'{word}' needs a value, its {key}"
        raise PydanticCustomError("fault", what, {"word": fault.word, "key": fault.value})
    if isinstance(value, str):
        return fault.long_form(value)
    if isinstance(value, bool | int | float):
        # The fault's own validation says what is wrong with a bare number.
        return {fault.value: value}
    return value


def _step_model() -> type[BaseModel]:
    # Field names are made up because a word may be an attribute of BaseModel, as `copy` is.
    fields: dict[str, Any] = {
        f"step_{word}": (Annotated[fault, BeforeValidator(partial(_long, fault))], Field(default=None, alias=word))
        for word, fault in registry().items()
    }
    fields["step_wait"] = (Duration, Field(default=None, alias="wait"))
    fields["step_heal"] = (Annotated[Heal, PlainValidator(_alone)], Field(default=None, alias="heal"))
    return create_model("StepModel", __config__=ConfigDict(extra="forbid"), **fields)


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


def _step(value: object, validate: Validate) -> Step:
    (step,) = (value for _, value in validate(_one_key(value)) if value is not None)
    match step:
        case Heal():
            return step
        case LastingFault():
            return Arm(step, step.span)
        case Fault():
            return Arm(step)
        case _:
            return Wait(step)


StepModel = _step_model()

WrittenTrigger = Annotated[Trigger, Written(BytesMoment, _trigger)]
"""`open`, or a mapping."""

WrittenStep = Annotated[Step, Written(StepModel, _step)]
"""`heal`, `wait: 5s`, or a fault: bare, in short form or as a mapping."""
