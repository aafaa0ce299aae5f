"""The parts of a case, as the user of a suite writes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from bustedwall.policy.model import Text
from bustedwall.suite.bounds import WITHIN, Counts, Positive, Span, Strict
from bustedwall.terms.units import Duration, is_duration


class Until(Strict):
    """What a phase waits for. All that is said must hold."""

    flows: Annotated[int, Field(strict=True, ge=1)] | None = None
    """The program has opened so many connections, at least, since it started."""
    open: Counts | None = None
    """So many connections are open."""
    fired: Text | None = None
    """A policy, or a rule `POLICY/RULE`, has fired in this phase."""
    fact: Text | None = None
    """A fact of this name has come in this phase."""
    times: Annotated[int, Field(strict=True, ge=1)] = 1
    """So often has it fired, or come."""
    signal: Text | None = None
    """A signal of this name was fired in this phase, such as by the program with `bustedwall fire`."""
    output: Text | None = None
    """The program has written this text since it started."""


class WrittenPhase(Strict):
    """A part of a case: ends after some time, or when something is so."""

    for_: Span | None = Field(default=None, alias="for")
    """It lasts so long."""
    until: Until | None = None
    """It lasts until this is so."""
    within: Positive = WITHIN
    """And not longer than this."""
    fire: list[Text] = []
    """Signals that are fired when it begins."""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"for": value} if is_duration(value) or isinstance(value, str | int | float) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Allow the bare time, too."""
        return {"anyOf": [TypeAdapter(Duration).json_schema(), handler(schema)]}


class Phases(Strict):
    """The parts of a case; without them all is broken from the beginning to the end of the program."""

    warm: WrittenPhase | None = None
    """Nothing is broken yet."""
    break_: WrittenPhase | None = Field(default=None, alias="break")
    """The policies are in force; to the end of the program, unless it is said."""
    heal: WrittenPhase | None = None
    """The policies are gone. The program is stopped when it is over; without it the program ends by itself."""
