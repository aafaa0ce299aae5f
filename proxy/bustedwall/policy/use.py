"""One use of a policy: which, and with which values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.source import Document, Located, Path, Place, Source, Span
from bustedwall.terms.scalars import plain, shown

_FORMS = "a library policy, './file.yaml', or {NAME: {parameter: value}}"


@dataclass(frozen=True, slots=True)
class Use:
    """A policy asked for by name or path, with the values given to its parameters."""

    policy: str
    given: dict[str, Located]
    place: Place

    @property
    def is_path(self) -> bool:
        """Tell whether a file is meant, not a policy of the library."""
        return "/" in self.policy or self.policy.endswith((".yaml", ".yml"))


def read_entry(document: Document, path: Path) -> Use:
    """Return the use that an entry of a config's `policies` means; raises PolicyError."""
    entry = document.at(path)
    if isinstance(entry, str):
        return Use(entry, {}, document.place(path))
    if not isinstance(entry, dict):
        raise PolicyError([document.problem(path, f"expected a policy, got {shown(entry)}", f"a policy is {_FORMS}")])
    if len(entry) != 1:
        keys = ", ".join(entry) or "none"
        what = f"a policy with values has exactly one key, this one has {len(entry)}: {keys}"
        raise PolicyError([document.problem(path, what, "begin each policy with '- ', and indent its values below it")])
    (name, values), *_ = entry.items()
    path = (*path, name)
    if not isinstance(values, dict):
        what = f"expected the values of '{name}', got {shown(values)}"
        hint = f"write '- {name}' alone, or '- {name}: {{parameter: value}}'"
        raise PolicyError([document.problem(path, what, hint)])
    given = {key: Located(value, document.place((*path, key))) for key, value in values.items()}
    return Use(name, given, document.place(path))


def read_text(text: str, name: str) -> Use:
    """Return the use that `NAME[:key=value,key=value]` means; raises PolicyError.

    A value may contain anything but a comma that is followed by `word=`.
    """
    source = Source(name, (text,))
    policy, colon, rest = text.partition(":")
    place = Place(source, (policy,), _columns(0, len(policy)), _columns(0, len(policy)))
    given: dict[str, Located] = {}
    problems: list[Problem] = []
    for start, piece in _pieces(rest, len(policy) + 1) if colon else ():
        key, equals, value = piece.partition("=")
        at = start + len(key) + 1
        here = Place(source, (policy, key), _columns(at, start + len(piece)), _columns(start, start + len(key)))
        if not equals or not key:
            whole = Place(source, (policy,), _columns(start, start + len(piece)))
            hint = f"as in 'reset-mid-response:after=1kB'; 'bustedwall policies {policy}' tells its parameters"
            problems.append(whole.problem(f"expected PARAMETER=VALUE, got {shown(piece)}", hint))
        elif any("\ud800" <= c <= "\udfff" for c in value):
            # How Python passes on bytes of a command line that are no UTF-8; pydantic refuses to look at them.
            problems.append(here.problem(f"the value of '{key}' is not UTF-8 text"))
        elif key in given:
            problems.append(here.problem(f"'{key}' is given twice", at_key=True))
        else:
            given[key] = Located(plain(value), here)
    if problems:
        raise PolicyError(problems)
    return Use(policy, given, place)


def _pieces(text: str, offset: int) -> Iterator[tuple[int, str]]:
    for piece in re.split(r",(?=[A-Za-z_][A-Za-z0-9_]*=)", text):
        yield offset, piece
        offset += len(piece) + 1


def _columns(start: int, end: int) -> Span:
    return Span(1, start + 1, 1, end + 1)
