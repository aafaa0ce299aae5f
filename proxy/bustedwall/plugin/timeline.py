"""Facts as text, for whoever reads why a test has failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bustedwall.client import Json
from bustedwall.client.words import OF_THE_API, fields_of, written

MOST = 60
"""Lines that are shown; the first ones and the last ones."""


def timeline(facts: Iterable[Json]) -> list[str]:
    """Return a line for each fact, with the seconds since the first."""
    shown = [fact for fact in facts if fact["fact"] not in OF_THE_API]
    if not shown:
        return ["nothing has happened on any proxy of this test"]
    began = datetime.fromisoformat(shown[0]["at"])
    return _shortened([_line(fact, began) for fact in shown])


def _line(fact: Json, began: datetime) -> str:
    after = (datetime.fromisoformat(fact["at"]) - began).total_seconds()
    where = f"flow {fact['flow']}" if fact["flow"] else "proxy"
    return f"{after:8.3f} s  {where:<8} {fact['fact']} {written(fields_of(fact))}".rstrip()


def _shortened(lines: Sequence[str]) -> list[str]:
    if len(lines) <= MOST:
        return list(lines)
    half = MOST // 2
    return [*lines[:half], f"           … {len(lines) - 2 * half} more …", *lines[-half:]]
