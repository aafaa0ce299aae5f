"""Durations, sizes, rates and shares as users write them, and back.

A bare number is refused: `delay: 100` is 100 ms to one reader and 100 s to the next. The message
names the two likeliest readings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
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
_BITS = {"bit": Decimal("0.125"), "kbit": Decimal(125), "Mbit": Decimal(125_000), "Gbit": Decimal(125_000_000)}
_BYTES_PER_SECOND = {f"{unit}/s": count for unit, count in (_BYTES | _BITS).items()}
_PARTS = {"%": Decimal("0.01")}
# Bounded, so that no quantity is infinite.
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,60})?"
_QUANTITY = re.compile(rf"({_NUMBER})\s*([A-Za-z]+(?:/s)?|%)", re.ASCII)
_BARE = re.compile(r"\d{1,18}(?:\.\d{1,60})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Measure:
    """What can be measured, and how users write it."""

    kind: str
    units: dict[str, Decimal]
    """By name: how much of the unit in which we reckon."""
    examples: tuple[str, ...]
    likely: tuple[str, str]
    """The two units that somebody may have meant who wrote none."""

    def __str__(self) -> str:
        *most, last = self.examples
        return f"{self.kind} such as {', '.join(most)} or {last}"

    def field(self) -> FieldInfo:
        """Return what the JSON Schema, and what is made of it, says of such a value."""
        pattern = rf"^(?:{_NUMBER}\s*(?:{'|'.join(self.units)}))$"
        told: JsonDict = {"type": "string", "title": str(self), "pattern": pattern, "examples": [*self.examples]}
        bounded: FieldInfo = Field(ge=0, json_schema_extra=told)
        return bounded


_DURATION = _Measure("a duration", _SECONDS, ("200ms", "1.5s", "5m"), ("ms", "s"))
_SIZE = _Measure("a size", _BYTES, ("512B", "64KiB", "1MB"), ("B", "KiB"))
_RATE = _Measure("a rate", _BYTES_PER_SECOND, ("64KiB/s", "1MB/s", "10Mbit/s"), ("kB/s", "kbit/s"))
_SHARE = _Measure("a share", _PARTS, ("5%", "0.5%"), ("%", "%"))


def duration(value: object) -> float:
    """Return the seconds that a text such as `200ms`, `1.5s`, `5m` or `2h` means.

    Raises PydanticCustomError, which pydantic turns into an error of the field.
    """
    return float(_quantity(value, _DURATION))


def size(value: object) -> int:
    """Return the bytes that a text such as `512B`, `64KiB` or `1MB` means; whole bytes only.

    Raises PydanticCustomError, which pydantic turns into an error of the field.
    """
    count = _quantity(value, _SIZE)
    if count != int(count):
        raise PydanticCustomError("unit", "'{text}' is not a whole number of bytes", {"text": str(value)})
    return int(count)


def rate(value: object) -> float:
    """Return the bytes per second that a text such as `64KiB/s`, `1MB/s` or `10Mbit/s` means.

    Raises PydanticCustomError, which pydantic turns into an error of the field.
    """
    return float(_quantity(value, _RATE))


def fraction(value: object) -> float:
    """Return the part of one that a text such as `5%` or `0.5%` means, at most 1.

    Raises PydanticCustomError, which pydantic turns into an error of the field.
    """
    number = _number(value)
    if isinstance(number, float) and 0 < number < 1:
        guess = {"value": number, "percent": written_fraction(number)}
        raise PydanticCustomError("unit", "a share needs a percent sign: did you mean {percent} or {value}%?", guess)
    if number is not None:
        raise PydanticCustomError("unit", "a share needs a percent sign: did you mean {value}%?", {"value": number})
    part = _quantity(value, _SHARE)
    if part > 1:
        raise PydanticCustomError("unit", "'{text}' is more than the whole, 100%", {"text": str(value)})
    return float(part)


def written_duration(seconds: float) -> str:
    """Write seconds so that `duration` reads them back."""
    return _written(seconds, _SECONDS)


def written_size(count: int) -> str:
    """Write bytes so that `size` reads them back."""
    return _written(count, _BYTES)


def written_rate(per_second: float) -> str:
    """Write bytes per second so that `rate` reads them back."""
    return _written(per_second, _BYTES_PER_SECOND)


def written_fraction(part: float) -> str:
    """Write a part of one so that `fraction` reads it back."""
    return _written(part, _PARTS)


def is_duration(value: object) -> bool:
    """Tell whether a value as users write it is a duration."""
    try:
        duration(value)
    except PydanticCustomError:
        return False
    return True


def _named(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case bool():
            return str(value).lower()
        case _:
            return f"'{value}'"


def _number(value: object) -> int | float | None:
    """Return a number without a unit, which a short form has as text."""
    if isinstance(value, str) and _BARE.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _quantity(value: object, measure: _Measure) -> Decimal:
    number = _number(value)
    if number is not None:
        bare = "{kind} needs a unit: did you mean {value}{a} or {value}{b}?"
        first, second = measure.likely
        raise PydanticCustomError("unit", bare, {"kind": measure.kind, "value": value, "a": first, "b": second})
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in measure.units:
        shown = "nothing" if value is None else f"'{value}'"
        raise PydanticCustomError("unit", "expected {what}, got {shown}", {"what": str(measure), "shown": shown})
    return Decimal(match[1]) * measure.units[match[2]]


def _written(value: float, units: dict[str, Decimal]) -> str:
    """Write a quantity exactly, in the unit that needs the fewest digits; of equal ones, without a point."""
    if not value:
        return "0" + next(unit for unit, worth in units.items() if worth == 1 or len(units) == 1)
    exact = Decimal(repr(value))  # repr is the shortest text that reads back as the same float
    found: list[tuple[str, str]] = []
    for unit, worth in units.items():
        number = exact / worth
        if number * worth == exact and (number >= 1 or worth == min(units.values())):
            shown = f"{number:f}"
            found.append((shown.rstrip("0").rstrip(".") if "." in shown else shown, unit))
    text, unit = min(found, key=_digits)
    return text + unit


def _digits(number: tuple[str, str]) -> tuple[int, bool, int]:
    whole, point, part = number[0].partition(".")
    return len(whole + part), bool(point), len(whole)


def _as(write: Callable[[Any], str]) -> PlainSerializer:
    return PlainSerializer(write, return_type=str, when_used="json")


Duration = Annotated[float, BeforeValidator(duration), _as(written_duration), _DURATION.field()]
"""Seconds, written with a unit: `200ms`, `1.5s`, `5m`."""

Size = Annotated[int, BeforeValidator(size), _as(written_size), _SIZE.field()]
"""Bytes, written with a unit: `512B`, `64KiB`, `1MB`."""

Rate = Annotated[float, BeforeValidator(rate), _as(written_rate), _RATE.field()]
"""Bytes per second, written with a unit: `64KiB/s`, `1MB/s`, `10Mbit/s`."""

Fraction = Annotated[float, BeforeValidator(fraction), _as(written_fraction), _SHARE.field()]
"""A part of one, written in percent: `5%`, `0.5%`."""
