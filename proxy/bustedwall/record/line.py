"""A fact as a line of JSON.

Written out per kind of fact, because there are five of them for each connection: a third of the
time that `json.dumps` of a dictionary takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from math import isfinite
from operator import attrgetter
from types import NoneType
from typing import Any

from bustedwall.record.stream import Entry
from bustedwall.terms.facts import Fact

SCHEMA = 1
"""The version of the lines; it changes when a reader of old lines would misread new ones."""


def _plain(value: object) -> object:
    assert isinstance(value, Enum), f"a fact has no words for {value!r}"
    return value.value


_json = json.JSONEncoder(ensure_ascii=False, default=_plain, allow_nan=False).encode


def line(entry: Entry) -> str:
    """Return an entry as one line of JSON, without the newline."""
    at, proxy, flow, fact = entry
    kind = type(fact)
    values, form = _SHAPES.get(kind) or _shape(kind)
    where = "null" if proxy is None else _json(proxy)
    number = "null" if flow is None else flow
    said = form % tuple([(_WORDS.get(type(value)) or _other)(value) for value in values(fact)])
    return f'{{"schema": {SCHEMA}, "at": "{_stamp(at)}", "proxy": {where}, "flow": {number}, "fact": {said}}}'


Shape = tuple[Callable[[Fact], tuple[object, ...]], str]
"""What gets the values of a kind's fields, and its name and the fields' names in JSON, with a `%s` for each value."""

_SHAPES: dict[type[Fact], Shape] = {}


def _shape(kind: type[Fact]) -> Shape:
    names = [field.name for field in fields(kind)]
    form = "".join([_json(kind.name), *(f", {_json(name)}: %s" for name in names)])
    return _SHAPES.setdefault(kind, (_getter(names), form))


def _getter(names: Sequence[str]) -> Callable[[Fact], tuple[object, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda fact: tuple([getattr(fact, name) for name in names])  # attrgetter of one gives no tuple


# ---- when

_SECOND = timedelta(seconds=1)
_ZERO = timedelta(0)
_written = (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00")
"""The second that was written last; most facts are of the same, and isoformat takes three times as long as all else."""


def _stamp(at: datetime) -> str:
    """Return what `at.isoformat(timespec="microseconds")` does, of a time in UTC."""
    global _written  # noqa: PLW0603 (a memory of one)
    second, text = _written
    if not _ZERO <= at - second < _SECOND:
        second = at.replace(microsecond=0)
        text = second.isoformat()[:19]
        _written = (second, text)
    return f"{text}.{at.microsecond:06}+00:00"


# ---- what

_words: dict[Enum, str] = {}
"""Members of enums in JSON; there are a few dozen."""


def _other(value: object) -> str:
    """Return a value in JSON that is of none of the usual types."""
    if isinstance(value, Enum):
        return _words.get(value) or _words.setdefault(value, _json(value))
    if isinstance(value, float) and isfinite(value):
        return repr(value)
    return _json(value)


_WORDS: Mapping[type, Callable[[Any], str]] = {int: str, str: _json, NoneType: lambda _: "null"}
"""How what is most of all values is written."""
