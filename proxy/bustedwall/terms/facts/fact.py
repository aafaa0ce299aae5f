"""What all facts have in common."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fact:
    """The base of all facts."""

    name: ClassVar[str]

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}
    """For the JSON Schema: the texts under the fields are their descriptions."""

    def record(self) -> dict[str, Any]:
        """Return the fact as plain data: its name, then its fields."""
        plain = {"fact": self.name}
        for field in fields(self):
            value = getattr(self, field.name)
            plain[field.name] = value.value if isinstance(value, Enum) else value
        return plain
