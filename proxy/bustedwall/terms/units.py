"""Durations and sizes as users write them.

A bare number is refused: `delay: 100` is 100 ms to one reader and 100 s to the next. The message
names the two likeliest readings.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

# Decimal throughout: 1.001 * 1000 is no whole number in binary.
_SECONDS = {"us": Decimal("1e-6"), "ms": Decimal("1e-3"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_BYTES = {
    "B": Decimal(1),
    "kB": Decimal(10**3),
    "KB": Decimal(10**3),
    "KiB": Decimal(2**10),
    "MB": Decimal(10**6),
    "MiB": Decimal(2**20),
    "GB": Decimal(10**9),
    "GiB": Decimal(2**30),
}
# Bounded, so that no quantity is infinite.
_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,60})?)\s*([A-Za-z]+)", re.ASCII)


def duration(value: object) -> float:
    """Return the seconds that a text such as `200ms`, `1.5s`, `5m` or `2h` means.

    Raises PydanticCustomError, which pydantic turns into an error of the field.
    """
    return float(_quantity(value, _SECONDS, "a duration", "200ms, 1.5s or 5m", ("ms", "s")))


def size(value: object) -> int:
    """Return the bytes that a text such as `512B`, `64KiB` or `1MB` means; whole bytes only.

    Raises PydanticCustomError, which pydantic turns into an error of the field.
    """
    count = _quantity(value, _BYTES, "a size", "512B, 64KiB or 1MB", ("B", "KiB"))
    if count != int(count):
        raise PydanticCustomError("unit", "'{text}' is not a whole number of bytes", {"text": str(value)})
    return int(count)


def is_duration(value: object) -> bool:
    """Tell whether a value as users write it is a duration."""
    try:
        duration(value)
    except PydanticCustomError:
        return False
    return True


def _quantity(value: object, units: dict[str, Decimal], kind: str, examples: str, guesses: tuple[str, str]) -> Decimal:
    if isinstance(value, int | float) and not isinstance(value, bool):
        bare = "{kind} needs a unit: did you mean {value}{a} or {value}{b}?"
        raise PydanticCustomError("unit", bare, {"kind": kind, "value": value, "a": guesses[0], "b": guesses[1]})
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        shown = "nothing" if value is None else f"'{value}'"
        other = "expected {kind} such as {examples}, got {shown}"
        raise PydanticCustomError("unit", other, {"kind": kind, "examples": examples, "shown": shown})
    return Decimal(match[1]) * units[match[2]]


Duration = Annotated[float, BeforeValidator(duration), Field(ge=0, json_schema_extra={"type": "string"})]
"""Seconds, written with a unit: `200ms`, `1.5s`, `5m`."""

Size = Annotated[int, BeforeValidator(size), Field(ge=0, json_schema_extra={"type": "string"})]
"""Bytes, written with a unit: `512B`, `64KiB`, `1MB`."""
