"""What a model allows at a place, so that a message can name the right words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from bustedwall.policy.source import Document, Path
from bustedwall.policy.written import Written
from bustedwall.terms.units import (
    duration,
    fraction,
    rate,
    size,
    written_duration,
    written_fraction,
    written_rate,
    written_size,
)

_UNITS: dict[Callable[[object], object], Callable[[Any], str]] = {
    duration: written_duration,
    size: written_size,
    rate: written_rate,
    fraction: written_fraction,
}
"""How a value of each kind is read, and how it is written."""


def model_at(root: type[BaseModel], document: Document, path: Path) -> type[BaseModel] | None:
    """Return the model of the mapping at a path, or None where there is none.

    The document is asked where the model depends on what was written, as that of a moment does.
    """
    annotation: object = root
    names = False
    for i, part in enumerate(path):
        if isinstance(part, int):
            continue
        if names:  # a name that the user chose
            names = False
            continue
        model = _model(annotation, document, path[:i])
        field = _keys(model).get(part) if model is not None else None
        if field is None:
            return None
        annotation = (field.annotation, *field.metadata)
        names = get_origin(field.annotation) is dict
    return _model(annotation, document, path)


def keys_at(root: type[BaseModel], document: Document, path: Path) -> dict[str, FieldInfo]:
    """Return the keys that the mapping at a path may have."""
    model = model_at(root, document, path)
    return {} if model is None else _keys(model)


def choices_of(field: FieldInfo | None) -> list[str]:
    """Return the words that a field takes where they are a closed list."""
    kinds = () if field is None else (field.annotation, *get_args(field.annotation))
    return [str(word.value) for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum) for word in kind]


def written(field: FieldInfo | None, limit: float) -> str:
    """Write a limit of a field as its user would."""
    metadata = [] if field is None else [*field.metadata, *_metadata(field.annotation)]
    functions = [item.func for item in metadata if isinstance(item, BeforeValidator)]
    return next((write(limit) for read, write in _UNITS.items() if read in functions), _number(limit))


def _number(limit: float) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _metadata(annotation: object) -> Iterator[object]:
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _metadata(part)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model(annotation: object, document: Document, path: Path) -> type[BaseModel] | None:
    if isinstance(annotation, Written):
        return annotation.model(document.at(path))
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        return annotation
    parts = annotation if isinstance(annotation, tuple) else get_args(annotation)
    return next((model for part in parts if (model := _model(part, document, path)) is not None), None)
