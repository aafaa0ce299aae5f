"""Load configs and policies: from files to immutable rules, or to every mistake in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bustedwall.policy import library, template
from bustedwall.policy.address import Address
from bustedwall.policy.check import check
from bustedwall.policy.model import ConfigFile, PolicyFile
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.rules import Rule
from bustedwall.policy.source import Document, Place
from bustedwall.policy.source import Path as At
from bustedwall.policy.use import Use, read_entry, read_text
from bustedwall.policy.words import suggestion

_LARGEST = 1 << 20
"""Bytes of one file; more is a mistaken path, perhaps /dev/zero."""


@dataclass(frozen=True, slots=True)
class ProxySetup:
    """One proxy of a config: its door, its upstream, its rules."""

    name: str
    listen: Address
    upstream: Address
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A config file, loaded."""

    time_scale: float
    journal: Path | None
    """As it was written: a relative path is relative to the working directory."""
    proxies: tuple[ProxySetup, ...]


def load_config(path: Path) -> Config:
    """Load a config file and all policies that it uses; raises PolicyError with every problem."""
    return read_config(_read(path), str(path), path.parent)


def read_config(text: str, name: str, folder: Path) -> Config:
    """Load a config from its text; its relative policy paths start at the folder. Raises PolicyError."""
    document = parse(text, name)
    file, found = check(ConfigFile, document)
    problems = [*document.problems, *found, *template.repeated_names(document, ("proxies",), "proxy")]
    # Where the config itself is wrong its policies are still checked, at scale 1.
    loader = _Loader(1.0 if file is None else file.time_scale, folder)
    rules = [loader.proxy(document, proxy) for proxy in _indices(document, ("proxies",))]
    problems += loader.problems
    if file is None or problems:
        raise PolicyError(problems)
    proxies = zip(file.proxies, rules, strict=True)
    return Config(
        time_scale=file.time_scale,
        journal=Path(file.journal) if file.journal else None,
        proxies=tuple(ProxySetup(p.name, p.listen, p.upstream, own) for p, own in proxies),
    )


def load_use(text: str, time_scale: float = 1.0) -> tuple[Rule, ...]:
    """Load what a command line's `--policy NAME[:key=value,key=value]` asks for; raises PolicyError.

    NAME may be a path, relative to the working directory. `time_scale` is more than 0.
    """
    loader = _Loader(time_scale, Path())
    use = read_text(text, "--policy")
    return loader.template(use).bind(use.given, use.place, time_scale)


def load_policy(path: Path) -> PolicyFile:
    """Load one policy file with its defaults, for what it says about itself; raises PolicyError."""
    return template.read(parse(_read(path), str(path)), path.stem).file


class _Loader:
    """One load: each policy file is read once, and its problems are told once."""

    def __init__(self, time_scale: float, folder: Path) -> None:
        self._time_scale = time_scale
        self._folder = folder
        self._templates: dict[Path, template.Template | PolicyError] = {}
        self.problems: list[Problem] = []

    def proxy(self, document: Document, proxy: At) -> tuple[Rule, ...]:
        """Return the rules of all policies of one proxy; problems are kept."""
        rules: list[Rule] = []
        first: dict[str, str] = {}
        for entry in _indices(document, (*proxy, "policies")):
            try:
                use = read_entry(document, entry)
                found = self.template(use)
                name = found.file.name
                if first.setdefault(name, str(entry)) != str(entry):
                    what = f"this proxy has policy '{name}' already"
                    self.problems.append(use.place.problem(what, "one proxy takes each policy once", at_key=True))
                rules += found.bind(use.given, use.place, self._time_scale)
            except PolicyError as error:
                self.problems += error.problems
        return tuple(rules)

    def template(self, use: Use) -> template.Template:
        """Return the policy that is asked for; raises PolicyError."""
        path = self._folder / use.policy if use.is_path else library.find(use.policy)
        if path is None:
            hint = suggestion(use.policy, library.names())
            raise PolicyError([use.place.problem(f"there is no policy '{use.policy}'", hint, at_key=True)])
        known = self._templates.get(path)
        if known is None:
            try:
                known = template.read(parse(_read(path, use.place), str(path)), path.stem)
            except PolicyError as error:
                known = error
            self._templates[path] = known
        if isinstance(known, PolicyError):
            raise known
        return known


def _indices(document: Document, path: At) -> Iterator[At]:
    """Return the paths of the entries of a list; none where there is no list."""
    entries = document.at(path)
    return ((*path, i) for i in range(len(entries) if isinstance(entries, list) else 0))


def _read(path: Path, use: Place | None = None) -> str:
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
