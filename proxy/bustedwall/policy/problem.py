"""What is wrong with a text that a user wrote, and where: told as compilers tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_WIDTH = 120
"""How much of a long source line is shown; more would wrap and part the caret from its word."""

_LONGEST = 400
"""How much of a message is shown: it may quote a value as long as the file."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in one place."""

    file: str
    line: int
    """Counted from 1; 0 where the whole file is meant, as when it cannot be read."""
    col: int
    end: int
    """The column behind the last one that is underlined."""
    path: str
    """Where in the structure, as in `rules[0].do[1].wait`."""
    message: str
    hint: str = ""
    source_line: str = ""
    privilege: bool = False
    """It is not the text that is wrong: this machine lacks what it asks for."""

    def where(self) -> str:
        """Return the place, as `file:line:col`."""
        return one_line(f"{self.file}:{self.line}:{self.col}" if self.line else self.file)

    def sentence(self) -> str:
        """Return the message with its way through the structure, on one line."""
        return one_line(f"{self.path}: {self.message}" if self.path else self.message)

    def render(self) -> str:
        """Return the message, the line it is about with a caret below, and the hint."""
        margin = " " * len(str(self.line)) if self.line else ""
        out = [f"{self.where()}: error: {self.sentence()}"]
        if self.source_line.strip():
            out += self._excerpt(margin)
        if self.hint:
            out.append(one_line(f" {margin} = hint: {self.hint}"))
        return "\n".join(out)

    def _excerpt(self, margin: str) -> list[str]:
        # Each character stays one column wide: the caret is placed by counting characters.
        text = "".join(c if c.isprintable() else " " if c == "\t" else "\ufffd" for c in self.source_line).rstrip()
        cut = max(0, self.col - _WIDTH // 2) if len(text) > _WIDTH else 0
        text = text[cut : cut + _WIDTH]
        start = self.col - 1 - cut
        width = max(1, min(self.end - 1 - cut, len(text)) - start)
        return [f" {self.line} | {text}", f" {margin} | {' ' * start}^{'~' * (width - 1)}"]


class PolicyError(Exception):
    """A policy or a config cannot be used; it holds every problem that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = list(dict.fromkeys(problems))
        files = list(dict.fromkeys(problem.file for problem in unique))
        self.problems = tuple(sorted(unique, key=lambda p: (files.index(p.file), p.line, p.col)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(problem.render() for problem in self.problems)


def one_line(text: str) -> str:
    """Return a text as a message shows it."""
    # Escapes in quoted YAML make any character; none may move a terminal's cursor or fake a second message.
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def workflow_command(kind: str, properties: Mapping[str, str | int], text: str) -> str:
    """Return a command of GitHub's workflows, such as `error`, which is shown at a line of a pull request."""
    where = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in properties.items())
    return f"::{kind}{' ' * bool(where)}{where}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    # As actions/toolkit escapes the data and the properties of a command.
    for sign in f"%\r\n{more}":
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
