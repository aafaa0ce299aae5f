"""How many there may be, and how long it may take: what several parts of a suite say."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from bustedwall.terms.units import Duration

WITHIN = 30.0
"""Seconds that a program, a service or the end of a phase may take, unless the suite says otherwise."""


class Strict(BaseModel):
    """The base of what the user of a suite writes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Count = Annotated[int, Field(strict=True, ge=0)]
Span = Annotated[Duration, Field(ge=0)]
Positive = Annotated[Duration, Field(gt=0)]


class Counts(Strict):
    """How many there may be; a bare number means exactly so many."""

    at_least: Count = 0
    """Not fewer."""
    at_most: Count | None = None
    """Not more."""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        exact = isinstance(value, int) and not isinstance(value, bool)
        return {"at_least": value, "at_most": value} if exact else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Allow the bare number, too."""
        return {"anyOf": [{"type": "integer", "minimum": 0}, handler(schema)]}

    def __str__(self) -> str:
        """Return what is expected, as a sentence goes on."""
        if self.at_least == self.at_most:
            return f"{self.at_least}"
        said = [f"at least {self.at_least}"] if self.at_least else []
        said += [] if self.at_most is None else [f"at most {self.at_most}"]
        return " and ".join(said) or "any number"

    @property
    def none_is_right(self) -> bool:
        """Tell whether it was said that there may be none; who says only `at_most` has not said so."""
        return self.at_most == 0 or (self.at_least == 0 and "at_least" in self.model_fields_set)

    def allow(self, count: int) -> bool:
        """Tell whether so many are right."""
        return self.at_least <= count and (self.at_most is None or count <= self.at_most)


class Spans(Strict):
    """How long something may take."""

    at_least: Span = 0.0
    """Not shorter."""
    at_most: Span | None = None
    """Not longer."""

    def allow(self, seconds: float) -> bool:
        """Tell whether so many seconds are right."""
        return self.at_least <= seconds and (self.at_most is None or seconds <= self.at_most)
