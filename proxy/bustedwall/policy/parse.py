"""From YAML text to a `Document`: a small, strict YAML.

Built on PyYAML's events, not on its constructors: no text can make an object, and each value's
place, each duplicate key and each alias is seen on the way. Tags, several documents, keys that are
no words, and aliases beyond reason are refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import yaml
from yaml.reader import ReaderError

from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.source import Document, Path, Place, Source, Span
from bustedwall.terms.scalars import plain


class _Mark(Protocol):
    """PyYAML's position, counted from 0."""

    line: int
    column: int


MOST_VALUES = 20_000
"""Values of one document, aliases expanded."""

MOST_ALIASES = 200

DEEPEST = 30
"""Collections inside each other; the language needs seven."""

_SYNTAX = (
    ("mapping values are not allowed", "a ':' cannot stand here", "text that contains ': ' needs quotes"),
    ("could not find expected ':'", "expected a ':' after this key", ""),
    ("found character '\\t'", "a tab cannot stand here", "indent with spaces"),
    ("found unexpected end of stream", "the quote that opens here is never closed", ""),
    ("expected <block end>", "this does not fit the lines above", "look at the indentation"),
    ("expected ',' or ']'", "expected ',' or ']'", "a list that opens with '[' is closed by ']'"),
    ("expected ',' or '}'", "expected ',' or '}'", "a mapping that opens with '{' is closed by '}'"),
    ("expected the node content", "expected a value", 'a value with brackets needs quotes, as in "[::1]:8080"'),
    ("that cannot start any token", "this character cannot begin a value", "put the value in quotes"),
    ("expected alphabetic or numeric", "expected a name after '*' or '&'", "a value that begins so needs quotes"),
)
"""PyYAML's sentences, by a part of each, in words that do not need the YAML specification; then a hint."""


def parse(text: str, name: str) -> Document:
    """Return the document that a text holds; raises PolicyError where there is no reading on."""
    source = Source.of(text, name)
    try:
        return _Parser(source, text).document()
    except yaml.MarkedYAMLError as error:
        raise PolicyError([_syntax(source, error)]) from None
    except ReaderError as error:
        line, col = Source.of(text[: error.position], name).end()
        what = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise PolicyError([Place(source, (), Span(line, col, line, col + 1)).problem(what)]) from None


class _Parser:
    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._loader = yaml.SafeLoader(text)
        self._places: dict[Path, Place] = {}
        self._problems: list[Problem] = []
        self._anchors: dict[str, tuple[Path, object]] = {}
        self._open: set[str] = set()
        self._aliases = 0
        self._values = 0

    def document(self) -> Document:
        """Read the only document of the text."""
        assert isinstance(self._next(), yaml.StreamStartEvent)
        if isinstance(self._next(), yaml.StreamEndEvent):
            line, col = self._source.end()
            raise PolicyError([self._place((), Span(line, col, line, col)).problem("there is nothing in this file")])
        data = self._value((), None)
        assert isinstance(self._next(), yaml.DocumentEndEvent)
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            self._complain(event, (), "a second document begins here", "one file holds one document")
        return Document(self._source, data, self._places, self._problems)

    def _peek(self) -> yaml.Event:
        try:
            event: yaml.Event = self._loader.peek_event()  # type: ignore[no-untyped-call]  # the stubs say nothing
        except (ValueError, OverflowError):
            # PyYAML hands the number of an escape such as "\UFFFFFFFF", or of %YAML 1.1, to Python unseen.
            here = _span(self._loader.get_mark())
            what = "a number here, perhaps that of an escape such as \\U0001F600, is out of range"
            raise PolicyError([self._place((), here).problem(what)]) from None
        return event

    def _next(self) -> yaml.Event:
        event = self._peek()
        self._loader.get_event()  # type: ignore[no-untyped-call]  # as above
        return event

    def _value(self, path: Path, key: Span | None) -> object:
        event = self._next()
        self._count(1, event, path)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path, key)
        assert isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            self._complain(event, path, "tags such as !this are not used here", "write the value alone")
        if event.anchor is not None:
            self._open.add(event.anchor)
        data, last = self._content(event, path)
        self._places.setdefault(path, self._place(path, _span(event.start_mark, last.end_mark), key))
        if event.anchor is not None:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = (path, data)
        return data

    def _content(self, event: yaml.NodeEvent, path: Path) -> tuple[object, yaml.Event]:
        if isinstance(event, yaml.ScalarEvent):
            text = self._text(event, path)
            return plain(text) if event.implicit[0] else text, event
        if len(path) >= DEEPEST:
            raise PolicyError([*self._problems, self._at(event, path).problem("this is nested too deeply")])
        return self._sequence(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _sequence(self, path: Path) -> tuple[list[object], yaml.Event]:
        data: list[object] = []
        while not isinstance(self._peek(), yaml.SequenceEndEvent):
            data.append(self._value((*path, len(data)), None))
        return data, self._next()

    def _mapping(self, path: Path) -> tuple[dict[str, object], yaml.Event]:
        data: dict[str, object] = {}
        while not isinstance(self._peek(), yaml.MappingEndEvent):
            key, span = self._key(path)
            value = self._value((*path, key), span)
            if key not in data:
                data[key] = value
                continue
            first = self._places[*path, key].key or span
            again = self._place((*path, key), span, span)
            self._problems.append(again.problem(f"duplicate key '{key}', first used in line {first.line}"))
        return data, self._next()

    def _key(self, path: Path) -> tuple[str, Span]:
        event = self._next()
        span = _span(event.start_mark, event.end_mark)
        if isinstance(event, yaml.ScalarEvent) and event.tag is None:
            return self._text(event, path), span
        # What a collection means as a key cannot be guessed, nor what the rest of the mapping means then.
        raise PolicyError([*self._problems, self._place(path, span).problem("a key is a plain word")])

    def _text(self, event: yaml.ScalarEvent, path: Path) -> str:
        if any("\ud800" <= c <= "\udfff" for c in event.value):
            self._complain(event, path, "half of a surrogate pair is not a character")
            return event.value.encode(errors="replace").decode()
        return event.value

    def _alias(self, event: yaml.AliasEvent, path: Path, key: Span | None) -> object:
        name = event.anchor
        self._aliases += 1
        here = self._place(path, _span(event.start_mark, event.end_mark), key)
        if name in self._open:
            raise PolicyError([*self._problems, here.problem(f"*{name} contains itself")])
        if name not in self._anchors:
            raise PolicyError([*self._problems, here.problem(f"there is no &{name} above")])
        if self._aliases > MOST_ALIASES:
            raise PolicyError([*self._problems, here.problem(f"more than {MOST_ALIASES} aliases")])
        origin, data = self._anchors[name]
        self._places.setdefault(path, replace(here, value=self._places[origin].value))
        inner = [known for known in self._places if known[: len(origin)] == origin and known != origin]
        self._count(len(inner), event, path)
        for known in inner:
            copy = (*path, *known[len(origin) :])
            self._places.setdefault(copy, replace(self._places[known], path=copy))
        return data

    def _count(self, values: int, event: yaml.Event, path: Path) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise PolicyError([self._at(event, path).problem(f"more than {MOST_VALUES} values, aliases expanded")])

    def _complain(self, event: yaml.Event, path: Path, message: str, hint: str = "") -> None:
        self._problems.append(self._at(event, path).problem(message, hint))

    def _at(self, event: yaml.Event, path: Path) -> Place:
        return self._place(path, _span(event.start_mark, event.end_mark))

    def _place(self, path: Path, value: Span, key: Span | None = None) -> Place:
        return Place(self._source, path, value, key)


def _span(start: _Mark | None, end: _Mark | None = None) -> Span:
    # Marks are missing only from events that a program made.
    assert start is not None
    end = end or start
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Problem:
    said = error.problem or error.context or "the syntax"
    message, hint = next(((m, h) for part, m, h in _SYNTAX if part in said), (f"not valid YAML: {said}", ""))
    # At the end of the text there is nothing to see; the quote that was opened is what is wrong.
    mark = error.context_mark if "end of stream" in said and error.context_mark else error.problem_mark
    return Place(source, (), _span(mark)).problem(message, hint)
