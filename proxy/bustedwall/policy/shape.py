"""What a model allows at a place, so that a message can name the right words."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from bustedwall.policy.source import Path
from bustedwall.policy.steps import Written
from bustedwall.terms.units import duration, size


def model_at(root: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model of the mapping at a path, or None where there is none."""
    model: type[BaseModel] | None = root
    parts = iter([part for part in path if isinstance(part, str)])
    for part in parts:
        field = _keys(model).get(part) if model is not None else None
        if field is None:
            return None
        model = next(_models((field.annotation, *field.metadata)), None)
        if get_origin(field.annotation) is dict:
            # The next part is a name that the user chose.
            next(parts, None)
    return model


def keys_at(root: type[BaseModel], path: Path) -> dict[str, FieldInfo]:
    """Return the keys that the mapping at a path may have."""
    model = model_at(root, path)
    return {} if model is None else _keys(model)


def choices_of(field: FieldInfo | None) -> list[str]:
    """Return the words that a field takes where they are a closed list."""
    kinds = () if field is None else (field.annotation, *get_args(field.annotation))
    return [str(word.value) for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum) for word in kind]


def unit_of(field: FieldInfo | None) -> str:
    """Return the unit in which a field's limits are meant, nothing where it has none."""
    metadata = [] if field is None else [*field.metadata, *_metadata(field.annotation)]
    functions = [item.func for item in metadata if isinstance(item, BeforeValidator)]
    return "s" if duration in functions else "B" if size in functions else ""


def _metadata(annotation: object) -> Iterator[object]:
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _metadata(part)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotations: tuple[object, ...]) -> Iterator[type[BaseModel]]:
    for annotation in annotations:
        if isinstance(annotation, Written):
            yield annotation.model
        elif isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
            yield annotation
        else:
            yield from _models(get_args(annotation))
