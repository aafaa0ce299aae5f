"""A text with its places: which value of the structure stands where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bustedwall.policy.problem import Problem

Path = tuple[str | int, ...]
"""The way from a document's root to a value: keys and list positions."""

# Where PyYAML counts a new line; str.splitlines knows more of them.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

_WORD = re.compile(r"[\w-]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the name under which messages speak of it."""

    name: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, text: str, name: str) -> Source:
        """Return the source of a text."""
        return cls(name, tuple(_BREAK.split(text)))

    def end(self) -> tuple[int, int]:
        """Return the line and column behind the last character."""
        return len(self.lines), len(self.lines[-1]) + 1


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source, lines and columns counted from 1."""

    line: int
    col: int
    end_line: int
    end_col: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where one value, and its key if it has one, was written."""

    source: Source
    path: Path
    value: Span
    key: Span | None = None

    def problem(self, message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """Return a problem that points at the value, or at its key."""
        span = self.key if at_key and self.key is not None else self.value
        lines = self.source.lines
        text = lines[span.line - 1] if span.line <= len(lines) else ""
        return Problem(
            file=self.source.name,
            line=span.line,
            col=span.col,
            # A value of several lines is underlined to the end of its first.
            end=span.end_col if span.end_line == span.line else len(text) + 1,
            path=dotted(self.path),
            message=message,
            hint=hint,
            source_line=text,
        )


@dataclass(frozen=True, slots=True)
class Located:
    """A value together with where it was written."""

    value: object
    place: Place


@dataclass(slots=True)
class Document:
    """Plain data (dict, list, str, numbers) that knows where each part of it was written."""

    source: Source
    data: object
    places: dict[Path, Place]
    problems: list[Problem] = field(default_factory=list)
    """What was wrong already before anybody asked what the data means, such as duplicate keys."""
    keys: dict[Path, Place] | None = None
    """Where keys were written, if elsewhere than their values: behind `leg: $who` stands a value that was given."""

    @classmethod
    def of_data(cls, data: object, name: str) -> Document:
        """Return plain data that was in no text: mistakes in it are told by their way through the structure."""
        source = Source(name, ("",))
        nowhere = Span(0, 0, 0, 0)
        return cls(source, data, {path: Place(source, path, nowhere) for path in _paths(data, ())})

    def place(self, path: Path) -> Place:
        """Return where a value was written; for one that was not, where its nearest holder was."""
        return _nearest(self.places, path)

    def at(self, path: Path) -> object:
        """Return the value at a path, None where nothing is."""
        here = self.data
        for part in path:
            if isinstance(here, dict):
                here = here.get(part)
            elif isinstance(here, list) and isinstance(part, int) and part < len(here):
                here = here[part]
            else:
                return None
        return here

    def below(self, path: Path) -> Document:
        """Return what stands at a path as a document of its own; messages still name the whole way to it."""
        depth = len(path)
        inner = {known[depth:]: place for known, place in self.places.items() if known[:depth] == path}
        return Document(self.source, self.at(path), inner)

    def problem(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """Return a problem that points at what stands at a path, or at its key."""
        places = self.keys if at_key and self.keys is not None else self.places
        return _nearest(places, path).problem(message, hint, at_key=at_key)

    def replaced(self, values: Mapping[Path, Located]) -> Document:
        """Return the document with some scalars replaced; a mistake in one is told where *it* was written."""
        places = self.places | {path: located.place for path, located in values.items()}
        plain = {path: located.value for path, located in values.items()}
        return Document(self.source, _replaced(self.data, (), plain), places, keys=self.places)


def _paths(data: object, path: Path) -> Iterator[Path]:
    yield path
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, part in parts:
        yield from _paths(part, (*path, key))


def _nearest(places: Mapping[Path, Place], path: Path) -> Place:
    while path not in places:
        path = path[:-1]
    return places[path]


def _replaced(data: object, path: Path, values: Mapping[Path, object]) -> object:
    if path in values:
        return values[path]
    if isinstance(data, dict):
        return {key: _replaced(value, (*path, key), values) for key, value in data.items()}
    if isinstance(data, list):
        return [_replaced(value, (*path, i), values) for i, value in enumerate(data)]
    return data


def dotted(path: Path) -> str:
    """Write a path as messages show it: `rules[0].do[1].wait`, `policies[0]['./mine.yaml'].delay`."""
    parts = (f".{part}" if isinstance(part, str) and _WORD.fullmatch(part) else f"[{part!r}]" for part in path)
    return "".join(parts).removeprefix(".")
