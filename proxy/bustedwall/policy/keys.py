"""How the mapping of a model is written: its keys, for the JSON Schema and for the pages of the faults."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from bustedwall.policy.told import Meant
from bustedwall.policy.written import MARK

Schema = dict[str, Any]

_BOUNDS = ("ge", "gt", "le", "lt")
"""Of values that are written as text: no editor reads them."""


def keys_of(model: type[BaseModel]) -> Schema:
    """Return how a mapping of this model is written.

    Each key has what it takes, its default as a user would write it, and its docstring.
    """
    raw = model.model_json_schema(schema_generator=_Generator)
    return walk(raw, partial(_plain, raw.pop("$defs", {})))


class _Generator(Meant):
    """Leaves out what tells a user nothing: names of classes, and null for a key that may be left out."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Title nothing by its Python name."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Return what there is beside null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave the default to the model, which knows how a user writes it."""
        return self.generate_inner(schema["schema"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the keys, with their defaults."""
        told = without(super().model_schema(schema), "title")
        model: type[BaseModel] = schema["cls"]
        defaults = model.model_construct().model_dump(mode="json", by_alias=True, warnings="none")
        for key, value in told.get("properties", {}).items():
            if isinstance(defaults.get(key), str | int | float) and defaults[key] != "":
                value["default"] = defaults[key]
        return told


def walk(node: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Change every schema in a schema, the innermost first."""
    done = dict(node)
    for key in ("properties", "definitions"):
        if key in node:
            done[key] = {name: walk(below, change) for name, below in node[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            done[key] = walk(node[key], change)
    for key in ("anyOf", "oneOf"):
        if key in node:
            done[key] = [walk(below, change) for below in node[key]]
    return change(done)


def _plain(definitions: Schema, node: Schema) -> Schema:
    """Put what is referred to in its place, and a reference where there is a mark."""
    if "$ref" in node:
        below = definitions[node["$ref"].rpartition("/")[2]]
        node = walk(below, partial(_plain, definitions)) | without(node, "$ref")
    done = without(node, MARK, *_BOUNDS, *(["title"] if "enum" in node else []))
    if MARK in node:
        done["$ref"] = f"#/definitions/{node[MARK]}"
    if "description" in done:
        done["description"] = " ".join(done["description"].split())
    return done


def without(node: Schema, *keys: str) -> Schema:
    """Return a schema less some of its words."""
    return {key: value for key, value in node.items() if key not in keys}


def in_yaml(value: object) -> str:
    """Return a single value as a user writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
