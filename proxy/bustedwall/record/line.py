"""A fact as a line of JSON.

Written out per kind of fact, because there are five of them for each connection: a third of the
time that `json.dumps` of a dictionary takes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from enum import Enum
from math import isfinite

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
    fact = entry.fact
    kind = type(fact)
    head, keys = _SHAPES.get(kind) or _shape(kind)
    proxy = "null" if entry.proxy is None else _json(entry.proxy)
    flow = "null" if entry.flow is None else entry.flow
    at = entry.at.isoformat(timespec="microseconds")
    values = "".join([key + _written(getattr(fact, name)) for key, name in keys])
    return f'{{"schema": {SCHEMA}, "at": "{at}", "proxy": {proxy}, "flow": {flow}, "fact": {head}{values}}}'


Shape = tuple[str, Sequence[tuple[str, str]]]
"""A kind's name in JSON, and its fields, each with what stands before its value."""

_SHAPES: dict[type[Fact], Shape] = {}


def _shape(kind: type[Fact]) -> Shape:
    keys = [(f", {_json(field.name)}: ", field.name) for field in fields(kind)]
    return _SHAPES.setdefault(kind, (_json(kind.name), keys))


_words: dict[Enum, str] = {}
"""Members of enums in JSON; there are a few dozen."""


def _written(value: object) -> str:
    """Return a value in JSON; what is most of all values without asking the encoder."""
    if type(value) is int:
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, Enum):
        return _words.get(value) or _words.setdefault(value, _json(value))
    if isinstance(value, float) and isfinite(value):
        return repr(value)
    return _json(value)
