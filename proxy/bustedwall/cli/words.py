"""Options that a function of ours reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import click
from pydantic_core import PydanticCustomError

Parsed = TypeVar("Parsed")


class Words(click.ParamType[Parsed]):
    """What `parse` makes of a text; it raises ValueError, or an error of pydantic's, with a sentence for users."""

    def __init__(self, name: str, parse: Callable[[str], Parsed]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Parsed:
        """Return what is meant."""
        try:
            return self._parse(value) if isinstance(value, str) else cast("Parsed", value)
        except PydanticCustomError as error:
            self.fail(error.message(), param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)
