"""What the keys of a model mean, by the texts that stand below them; read when somebody asks.

Pydantic can read them, too (`use_attribute_docstrings`), and does so whenever a class is made: a tenth of a start.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class Meant(GenerateJsonSchema):
    """Says of each key of a model what it means."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the keys, each with its meaning."""
        told = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        for name, meaning in meanings(model).items():
            field = model.model_fields.get(name)
            key = name if field is None else field.alias or name
            if key in told.get("properties", {}):
                told["properties"][key].setdefault("description", meaning)
        return told


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return them by the names of the model's fields; nothing where the source is not to be had."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _own(base)
    return found


@cache  # one base is the base of many
def _own(model: type[BaseModel]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except (OSError, TypeError):  # typed at a prompt, or made by a program
        return {}
    (made,) = tree.body
    assert isinstance(made, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(made.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
