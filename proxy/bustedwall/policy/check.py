"""Hold a document against a model and tell each mistake in our words at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bustedwall.policy.problem import Problem
from bustedwall.policy.shape import choices_of, keys_at, model_at, written
from bustedwall.policy.source import Document, Path
from bustedwall.policy.steps import StepModel
from bustedwall.policy.words import either, nearest, suggestion
from bustedwall.policy.written import KEY
from bustedwall.terms.scalars import shown

Model = TypeVar("Model", bound=BaseModel)

_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
"""By pydantic's error type: what should stand here."""

_YAML_1_1 = {"on": "true", "yes": "true", "y": "true", "off": "false", "no": "false", "n": "false"}

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def check(model: type[Model], document: Document, muted: Iterable[Path] = ()) -> tuple[Model | None, list[Problem]]:
    """Return the document as the model, or None and its mistakes; those at or below a muted path are known already."""
    found, errors = None, []
    try:
        found = model.model_validate(document.data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    known = tuple(muted)
    problems = [
        _problem(model, document, details)
        for details in errors
        if not any(details["loc"][: len(path)] == path for path in known)
    ]
    told = [details["loc"] for details in errors]
    problems += [
        document.problem(path, "expected a value, got nothing", "give it a value, or leave the key out")
        for path in _empty(model, document)
        if path not in told
    ]
    return (None if problems else found), problems


def _empty(model: type[BaseModel], document: Document) -> Iterator[Path]:
    """Yield where a key has no value; pydantic lets that pass where the key may be left out."""
    for path in document.places:
        if path and document.at(path) is None and path[-1] in keys_at(model, document, path[:-1]):
            yield path


def _problem(model: type[BaseModel], document: Document, error: ErrorDetails) -> Problem:
    loc = error["loc"]
    match error["type"]:
        case "missing":
            return _missing(model, document, loc)
        case "extra_forbidden":
            return _unknown(model, document, loc)
        case kind if kind in _BOUNDS:
            key, words = _BOUNDS[kind]
            bound = written(keys_at(model, document, loc[:-1]).get(str(loc[-1])), error["ctx"][key])
            return document.problem(loc, f"this must be {words} {bound}")
        case "model_type":
            keys = ", ".join(keys_at(model, document, loc))
            return document.problem(loc, _wording(error)[0], f"its keys are {keys}" if keys else "")
        case _:
            message, hint = _wording(error)
            # A key of a mapping that is itself wrong has `[key]` behind it.
            return document.problem(loc, message, hint, at_key=loc[-1:] == (KEY,))


def _wording(error: ErrorDetails) -> tuple[str, str]:
    got = shown(error["input"])
    match error["type"]:
        case "enum" | "literal_error":
            expected = error["ctx"]["expected"]
            allowed = re.findall(r"'([^']*)'", expected) or [expected]
            word = error["input"] if isinstance(error["input"], str) else ""
            hint = "a parameter must be the whole value" if "$" in got else nearest(word, allowed)
            return f"expected {either(allowed)}, got {got}", hint
        case "string_type":
            return f"expected text, got {got}", f'write "{got}"' if isinstance(error["input"], int | float) else ""
        case "too_short" | "string_too_short":
            return "this must not be empty", ""
        case "bool_type" if (word := str(error["input"]).lower()) in _YAML_1_1:
            return f"expected true or false, got {got}", f"in YAML 1.2 that is a word: write {_YAML_1_1[word]}"
        case kind if kind in _WANTED:
            return f"expected {_WANTED[kind]}, got {got}", ""
        case _:
            return error["msg"], str(error.get("ctx", {}).get("hint", ""))


def _missing(model: type[BaseModel], document: Document, loc: Path) -> Problem:
    holder, key = loc[:-1], str(loc[-1])
    options = choices_of(keys_at(model, document, holder).get(key))
    hint = f"{key}: {either(options)}" if options else ""
    if isinstance(document.at(holder), dict):
        return document.problem(holder, f"missing required key '{key}'", hint)
    # A short form, or a bare word.
    if options and key in ("from", "to"):
        hint = "add " + either(f"'{key} {option}'" for option in options)
    return document.problem(holder, f"'{key}' is missing", hint)


def _unknown(model: type[BaseModel], document: Document, loc: Path) -> Problem:
    key = str(loc[-1])
    hint = suggestion(key, keys_at(model, document, loc[:-1]))
    if key.startswith("$"):
        hint = "a parameter stands for a value, not for a key"
    elif key == "<<":
        hint = "YAML 1.2 merges nothing: an alias stands for a whole value"
    if model_at(model, document, loc[:-1]) is StepModel:
        return document.problem(loc, f"unknown step '{key}'", hint, at_key=True)
    if loc in document.places:
        return document.problem(loc, f"unknown key '{key}'", hint, at_key=True)
    # From a short form: `reset: client from server`.
    return document.problem(loc, f"'{key}' has no meaning here", hint)
