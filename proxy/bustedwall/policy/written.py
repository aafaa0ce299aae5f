"""Values that users write otherwise than they are held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from bustedwall.policy.source import Path

KEY = "[key]"
"""At the end of an error's path: the key is wrong, not its value. Pydantic's own word for a mapping's keys."""

MARK = "$written"
"""In a JSON Schema as pydantic makes it: here belongs the part of this name, see `schema`."""


@dataclass(frozen=True, slots=True)
class Written:
    """Says of a field's runtime type how users write it."""

    part: str
    """What it is called in the JSON Schema."""
    read: Callable[[object], object]
    """Takes what was written, returns the runtime value; may raise what pydantic understands."""
    model: Callable[[object], type[BaseModel] | None]
    """Takes what was written; returns the model that knows its keys, None where there is none."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read, and nothing else: the runtime type is not pydantic's business."""
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Leave a mark."""
        return {MARK: self.part}


def mistake(message: str, value: object, at: Path = (), hint: str = "") -> ValidationError:
    """Return one error in our own words, at a path below the value."""
    escaped = message.replace("{", "{{").replace("}", "}}")
    why = PydanticCustomError("mistake", "{message}", {"message": message, "hint": hint})
    return ValidationError.from_exception_data(escaped, [InitErrorDetails(type=why, loc=at, input=value)])
