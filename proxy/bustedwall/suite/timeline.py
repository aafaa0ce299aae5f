"""The facts of a case as text, for whoever reads why it has failed."""

from __future__ import annotations

from collections.abc import Collection

from bustedwall.client.words import written
from bustedwall.suite.result import CaseResult, Happened, Phase

MOST = 40
"""Lines that are shown; the first ones and the last ones."""


def timeline(case: CaseResult) -> list[str]:
    """Return a line for each fact, and for each part of the case that begins."""
    found: list[tuple[float, Phase | Happened]] = [(phase.began, phase) for phase in case.phases]
    found += [(fact.at, fact) for fact in case.facts]
    ordered = [one for _, one in sorted(found, key=lambda pair: pair[0])]
    if len(ordered) <= MOST:
        return [_line(one) for one in ordered]
    half = MOST // 2
    left_out = f"           … {len(ordered) - 2 * half} more …"
    return [*map(_line, ordered[:half]), left_out, *map(_line, ordered[-half:])]


def _line(one: Phase | Happened) -> str:
    return line_of(one) if isinstance(one, Happened) else f"{one.began:8.3f} s  ---- {one.name.value}"


def line_of(fact: Happened) -> str:
    """Return a fact as a line."""
    where = "" if fact.proxy is None else fact.proxy if fact.flow is None else f"{fact.proxy} flow {fact.flow}"
    return " ".join(filter(None, (f"{fact.at:8.3f} s ", where, fact.fact, fields_of(fact))))


def fields_of(fact: Happened, without: Collection[str] = ()) -> str:
    """Return the fields of a fact as `key=value`, less some of them."""
    return written(fact.told, without)
