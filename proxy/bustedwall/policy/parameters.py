"""Parameters: `$name` in a policy's rules, and the values that take its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from bustedwall.policy.model import PARAMETER_NAME, WrittenParameter
from bustedwall.policy.problem import Problem
from bustedwall.policy.source import Document, Located, Path
from bustedwall.policy.words import either, nearest, suggestion
from bustedwall.terms.scalars import shown
from bustedwall.terms.units import duration, is_duration

_REFERENCE = re.compile(rf"\$({PARAMETER_NAME})")

Parameters = Mapping[str, WrittenParameter]


def references(document: Document) -> dict[Path, str]:
    """Return where in the rules which parameter stands."""
    return dict(_references(document.at(("rules",)), ("rules",)))


def _references(data: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(data, str) and (match := _REFERENCE.fullmatch(data)):
        yield path, match[1]
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _references(value, (*path, key))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from _references(value, (*path, i))


def use_problems(document: Document, declared: list[str]) -> Iterator[Problem]:
    """Tell of each `$name` that no parameter has, and of each parameter that nothing uses."""
    used = references(document)
    for path, name in used.items():
        if name not in declared:
            hint = suggestion(f"${name}", [f"${known}" for known in declared]) or "the policy has no parameters"
            yield document.problem(path, f"unknown parameter '${name}'", hint)
    for name in declared:
        # A name that cannot be written as `$name` is a mistake of its own.
        if name not in used.values() and _REFERENCE.fullmatch(f"${name}"):
            yield document.problem(("parameters", name), f"parameter '{name}' is not used by any rule", at_key=True)


def default_problems(document: Document, parameters: Parameters) -> Iterator[Problem]:
    """Tell of each default that contradicts its own parameter."""
    for name, parameter in parameters.items():
        default = Located(parameter.default, document.place(("parameters", name, "default")))
        yield from choice_problems(parameter, default)
        if parameter.scale and not is_duration(parameter.default):
            what = f"only a duration can be scaled, got {shown(parameter.default)}"
            yield default.place.problem(what, "a duration has a unit, as in 5s; or leave out 'scale'")


def choice_problems(parameter: WrittenParameter, value: Located) -> Iterator[Problem]:
    """Tell if a value is none of its parameter's choices."""
    # By type too, because True == 1.
    allowed = [(type(choice), choice) for choice in parameter.choices]
    if allowed and (type(value.value), value.value) not in allowed:
        words = [shown(choice).strip("'") for choice in parameter.choices]
        what = f"expected {either(words)}, got {shown(value.value)}"
        yield value.place.problem(what, nearest(str(value.value), words))


def default_values(document: Document, parameters: Parameters, time_scale: float) -> dict[str, Located]:
    """Return the default of each parameter, those marked `scale` divided."""
    return {
        name: Located(
            scaled(parameter.default, time_scale) if parameter.scale else parameter.default,
            document.place(("parameters", name, "default")),
        )
        for name, parameter in parameters.items()
    }


def scaled(value: object, time_scale: float) -> object:
    """Return a duration divided, written as a user would; anything else, and anything at scale 1, as it is."""
    if time_scale == 1 or not is_duration(value):
        return value
    # Exact and never in the form 5e-05, which is no duration.
    return f"{Decimal(str(duration(value))) / Decimal(str(time_scale)):f}s"
