"""What is typed on a command line: `--fault 'reset client' --when 'bytes 1000B from server'`.

The words of the YAML without its signs. What needs them, an option or a text with spaces, is written
as in YAML: `reset {leg: client, flush: true}`, `contains "COMMIT WORK" from client`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.source import Document, Path, Place, Source, Span
from bustedwall.terms.scalars import plain

NAME = "command-line"
"""What the policy is called in the records; its only rule is called `fault`."""

_BREAK = re.compile("[\r\n\x85\u2028\u2029]")
_STEP = re.compile(r"\s*([^\s:{]+):?(?:\s+(\S.*?))?\s*")
_TOKEN = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|\S+""")
_SIGNS = tuple("{[\"'")
"""A value that begins so is YAML."""


def policy(faults: Sequence[str], when: str | None) -> Document:
    """Return the policy whose one rule does these steps at this moment; raises PolicyError."""
    reader = _Reader()
    steps = [reader.step(text, ("rules", 0, "do", i)) for i, text in enumerate(faults)]
    rule: dict[str, object] = {"name": "fault", "do": steps}
    if when is not None:
        rule["when"] = reader.moment(when, ("rules", 0, "when"))
    if reader.problems:
        raise PolicyError(reader.problems)
    first = reader.places["rules", 0, "do", 0]
    whole = {"version": 1, "name": NAME, "summary": "Typed on the command line.", "rules": [rule]}
    return Document(first.source, whole, {(): first, **reader.places})


def limits(texts: Sequence[str]) -> Document:
    """Return the limits that `NAME=VALUE` means, each of `texts` one; raises PolicyError."""
    values: dict[str, object] = {}
    places: dict[Path, Place] = {}
    problems: list[Problem] = []
    for text in texts:
        source = Source("--limit", (text,))
        name, equals, value = text.partition("=")
        place = Place(source, (name,), _columns(len(name) + 1, len(text)), _columns(0, len(name)))
        places.setdefault((), Place(source, (), _columns(0, len(text))))
        if not equals or not name:
            whole = Place(source, (), _columns(0, len(text)))
            problems.append(whole.problem("expected NAME=VALUE, as in 'orphan=30s'"))
        elif name in values:
            problems.append(place.problem(f"'{name}' is given twice", at_key=True))
        values[name], places[name,] = plain(value), place
    if problems:
        raise PolicyError(problems)
    return Document(places[()].source if places else Source("--limit", ("",)), values, places)


class _Reader:
    """Reads several texts into one document; problems are kept."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def step(self, text: str, path: Path) -> object:
        """Read `WORD`, `WORD VALUE` or a mapping."""
        source = self._source(text, "--fault", path)
        (line,) = source.lines
        if line.lstrip().startswith(_SIGNS):
            return self._yaml(source, 0, line, path)
        match = _STEP.fullmatch(line)
        if match is None:
            self.problems.append(self.places[path].problem("expected a step, as in 'reset client'"))
            return None
        word, rest = match.groups()
        if rest is None:
            return word
        inner = (*path, word)
        self.places[inner] = Place(source, (), _columns(match.start(2), match.end(2)), _columns(*match.span(1)))
        if word == "wait" and not rest.startswith(_SIGNS) and not rest[0].isdigit():
            return {word: self._pairs(source, match.start(2), rest, inner)}
        return {word: self._value(source, match.start(2), rest, inner)}

    def moment(self, text: str, path: Path) -> object:
        """Read a word, `KEY VALUE KEY VALUE`, or a mapping."""
        source = self._source(text, "--when", path)
        (line,) = source.lines
        start = len(line) - len(line.lstrip())
        return self._pairs(source, start, line[start:], path)

    def _pairs(self, source: Source, start: int, text: str, path: Path) -> object:
        tokens = [(start + m.start(), start + m.end(), m[0]) for m in _TOKEN.finditer(text)]
        if text.startswith("{") or len(tokens) < 2:  # noqa: PLR2004 (a word, not a pair)
            return self._value(source, start, text.rstrip(), path)
        if len(tokens) % 2:
            what = "expected pairs of a key and its value, as in 'bytes 1000B from server'"
            self.problems.append(self.places[path].problem(what, "a value with spaces needs quotes"))
            return None
        found: dict[str, object] = {}
        for (begin, end, key), (at, to, value) in zip(tokens[::2], tokens[1::2], strict=True):
            inner = (*path, key)
            place = Place(source, (), _columns(at, to), _columns(begin, end))
            if key in found:
                self.problems.append(place.problem(f"'{key}' is given twice", at_key=True))
            self.places.setdefault(inner, place)
            found[key] = self._value(source, at, value, inner)
        return found

    def _value(self, source: Source, start: int, text: str, path: Path) -> object:
        return self._yaml(source, start, text, path) if text.startswith(_SIGNS) else plain(text)

    def _yaml(self, source: Source, start: int, text: str, path: Path) -> object:
        try:
            # Moved to where it stands, so that its columns are those of the whole text.
            document = parse(" " * start + text, source.name)
        except PolicyError as error:
            self._keep(error.problems, source)
            return None
        self._keep(document.problems, source)
        for inner, place in document.places.items():
            key = place.key if inner or path not in self.places else self.places[path].key
            self.places[*path, *inner] = replace(place, source=source, path=(), key=key)
        return document.data

    def _keep(self, problems: Sequence[Problem], source: Source) -> None:
        self.problems += [replace(problem, path="", source_line=source.lines[0]) for problem in problems]

    def _source(self, text: str, name: str, path: Path) -> Source:
        line = _BREAK.sub(" ", text)
        source = Source(name, (line,))
        self.places[path] = Place(source, (), _columns(0, len(line)))
        if any("\ud800" <= c <= "\udfff" for c in line):
            # How Python passes on bytes of a command line that are no UTF-8; pydantic refuses to look at them.
            self.problems.append(self.places[path].problem("this is not UTF-8 text"))
        return source


def _columns(start: int, end: int) -> Span:
    return Span(1, start + 1, 1, end + 1)
