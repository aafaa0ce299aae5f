"""Spans of time in what is sent."""

from __future__ import annotations

from http import HTTPStatus

from pydantic_core import PydanticCustomError

from bustedwall.control.problem import Mistake, RefusedError
from bustedwall.terms.units import duration, written_duration

YEAR = 365 * 24 * 3600.0


def seconds(text: str | None, key: str, *, least: float, most: float = YEAR) -> float | None:
    """Return what is written, as in `10s`; None: nothing is. Raises RefusedError, which names the key."""
    if text is None:
        return None
    try:
        span = duration(text)
    except PydanticCustomError as error:
        what = error.message()
    except ValueError as error:
        what = str(error)
    else:
        if least <= span <= most:
            return span
        what = f"from {written_duration(least)} to {written_duration(most)}"
    raise RefusedError(HTTPStatus.BAD_REQUEST, f"{key}: {what}", [Mistake(key, what)])
