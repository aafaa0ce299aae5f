"""What a line of the journal looks like, from the classes of the facts: as a JSON Schema and as a page.

A reader that knows the lines of a version reads those of later releases with the same version, if it
passes over facts and fields that it does not know.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from bustedwall.record.line import SCHEMA
from bustedwall.terms import facts
from bustedwall.terms.facts import Fact

Schema = dict[str, Any]

KINDS: tuple[type[Fact], ...] = tuple(getattr(facts, name) for name in facts.__all__ if name != "Fact")
"""All facts, in the order in which one may want to read of them."""

_ENVELOPE: Schema = {
    "schema": {"const": SCHEMA, "description": "The version of the lines."},
    "at": {
        "type": "string",
        "format": "date-time",
        "description": "When it was recorded, by the wall clock, in UTC, to the microsecond. "
        "The order of the lines is that of the facts, also when somebody sets the clock.",
    },
    "proxy": {"type": ["string", "null"], "description": "The proxy's name; null: it is of the whole run."},
    "flow": {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "The flow's number within its proxy; null: it is of the proxy, or of the run.",
    },
}


def facts_schema() -> Schema:
    """Return the JSON Schema of a line."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of bustedwall's journal",
        "oneOf": [{"$ref": f"#/$defs/{kind.name}"} for kind in KINDS],
        "$defs": {kind.name: _line(kind) for kind in KINDS},
    }


def fields_of(kind: type[Fact]) -> dict[str, Schema]:
    """Return the schema of each of a fact's own fields."""
    told = TypeAdapter(kind).json_schema(mode="serialization")
    return {name: _plain(field, told.get("$defs", {})) for name, field in told.get("properties", {}).items()}


def summary_of(kind: type[Fact]) -> str:
    """Return when a fact is recorded."""
    return _told(kind.__doc__ or "")


def theme_of(kind: type[Fact]) -> str:
    """Return what the facts of its file have in common."""
    return (sys.modules[kind.__module__].__doc__ or "").strip()


def envelope() -> dict[str, Schema]:
    """Return the schema of each field that all lines have, but for the fact's name."""
    return _ENVELOPE


def _line(kind: type[Fact]) -> Schema:
    properties = {**_ENVELOPE, "fact": {"const": kind.name}, **fields_of(kind)}
    return {
        "description": summary_of(kind),
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _plain(field: Schema, parts: Mapping[str, Schema]) -> Schema:
    """Return a field's schema on its own: words written out, and no default, for nothing is left out of a line."""
    if "$ref" in field:
        field = {"enum": parts[field["$ref"].rpartition("/")[2]]["enum"]} | field
    if "anyOf" in field:
        found = [_plain(kind, parts) for kind in field["anyOf"]]
        field = _either(found) | field
    if "items" in field:
        field = field | {"items": _plain(field["items"], parts)}
    if "description" in field:
        field = field | {"description": _told(field["description"])}
    return {key: value for key, value in field.items() if key not in ("title", "default", "$ref", "anyOf")}


def _either(kinds: list[Schema]) -> Schema:
    """Return one schema for several: of words and null, or of types."""
    if any("enum" in kind for kind in kinds):
        return {"enum": [word for kind in kinds for word in kind.get("enum", [None])]}
    return {key: value for kind in kinds for key, value in kind.items()} | {"type": [kind["type"] for kind in kinds]}


def _told(text: str) -> str:
    """Return a docstring on one line, which a table needs, with null called as in a line of the journal."""
    return " ".join(text.split()).replace("None", "null")
