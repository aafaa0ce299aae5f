"""Where a policy that is asked for is found: in the config's `define`, in the library, or in a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bustedwall.policy import library, template
from bustedwall.policy.kind import Kind, expect
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.source import Document, Place
from bustedwall.policy.use import Use
from bustedwall.policy.words import suggestion
from bustedwall.terms.scalars import shown

_LARGEST = 1 << 20
"""Bytes of one file; more is a mistaken path, perhaps /dev/zero."""

_NAME = re.compile(r"[a-z0-9-]{1,100}")
"""What may be looked for as a file."""


class Shelf:
    """Finds policies for one load: each is read once."""

    def __init__(self, folder: Path | None) -> None:
        """Relative paths start at the folder; None: files are not for who asks here."""
        self._folder = folder
        self._files: dict[Path, template.Template | PolicyError] = {}
        self._defined: dict[str, template.Template | PolicyError] = {}

    @property
    def defined(self) -> dict[str, template.Template]:
        """Return the policies that are in no file, by name; those that are wrong are left out."""
        return {name: found for name, found in self._defined.items() if isinstance(found, template.Template)}

    def hold(self, policies: Mapping[str, template.Template]) -> None:
        """Have these, and of those in no file only these, be found by their names, before those of the library."""
        self._defined = dict(policies)

    def define(self, document: Document) -> Iterator[Problem]:
        """Take the policies that a config defines; tell what is wrong with them, used or not."""
        entries = document.at(("define",))
        for i, entry in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(entry, dict):
                hint = "a policy is a mapping with version, name, summary and rules, as in a file of its own"
                yield document.problem(("define", i), f"expected a policy, got {shown(entry)}", hint)
                continue
            yield from self._take(document.below(("define", i)))

    def take(self, document: Document) -> Use:
        """Take a policy that is in no file; return its use. Raises PolicyError."""
        problems = tuple(self._take(document))
        if problems:
            raise PolicyError(problems)
        return Use(str(document.at(("name",))), {}, document.place(()))

    def _take(self, document: Document) -> Iterator[Problem]:
        try:
            found: template.Template | PolicyError = template.read(document)
        except PolicyError as error:
            found = error
            yield from error.problems
        name = document.at(("name",))
        if isinstance(name, str):
            self._defined.setdefault(name, found)

    def find(self, use: Use) -> template.Template:
        """Return the policy that is asked for; raises PolicyError."""
        found = self._defined.get(use.policy)
        if found is None:
            if not use.is_path:
                path = library.find(use.policy)
            elif self._folder is None:
                what = "a policy is asked for by its name here; files are for a config"
                raise PolicyError([use.place.problem(what, at_key=True)])
            else:
                path = self._folder / use.policy
            if path is None:
                raise PolicyError([self._unknown(use)])
            found = self._files.get(path)
            if found is None:
                found = self._files[path] = _read(path, use.place)
        if isinstance(found, PolicyError):
            raise found
        return found

    def _unknown(self, use: Use) -> Problem:
        if self._folder is not None and _NAME.fullmatch(use.policy) and (self._folder / f"{use.policy}.yaml").is_file():
            hint = f"a file is meant by a path: './{use.policy}.yaml'"
        else:
            hint = suggestion(use.policy, [*self._defined, *library.names()])
        return use.place.problem(f"there is no policy '{use.policy}'", hint, at_key=True)


def _read(path: Path, use: Place) -> template.Template | PolicyError:
    try:
        return read_policy(path, use)
    except PolicyError as error:
        return error


def read_policy(path: Path, use: Place | None = None) -> template.Template:
    """Return the policy of a file; raises PolicyError, which points at the use if the file cannot be opened."""
    document = parse(read_file(path, use), str(path))
    expect(Kind.POLICY, document)
    return template.read(document, path.stem)


def read_file(path: Path, use: Place | None = None) -> str:
    """Return a file's text; raises PolicyError, which points at the use if the file cannot be opened."""
    nowhere = Problem(file=str(path), line=0, col=0, end=0, path="", message="")
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        # ValueError: a zero byte in the path.
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if use is None:
            raise PolicyError([replace(nowhere, message=f"cannot read this file: {why}")]) from None
        raise PolicyError([use.problem(f"cannot read {path}: {why}", at_key=True)]) from None
    if len(data) > _LARGEST:
        raise PolicyError([replace(nowhere, message=f"this file is larger than {_LARGEST} bytes")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError([replace(nowhere, message=f"line {line} is not UTF-8 text")]) from None
