"""Faults that other packages bring: the entry points of one group. An entry's name is the fault's word.

All of them or none: what cannot be used is told, with the package's name, and is never left out silently, because
a policy that has the word would then be wrong for no reason that its author could see.
"""

from __future__ import annotations

import re
from collections.abc import Container
from importlib.metadata import EntryPoint, entry_points

from pydantic import ValidationError

from bustedwall.faults.example import read_example
from bustedwall.faults.fault import Fault, Page
from bustedwall.terms.unfit import UnfitError

GROUP = "bustedwall.faults"

_WORD = re.compile(r"[a-z][a-z0-9_]*")
_STEPS = ("wait", "heal")
"""Steps that are no faults."""


def installed(taken: Container[str]) -> dict[str, type[Fault]]:
    """Return the faults of other packages by their words; raises UnfitError for the first that cannot be used."""
    found: dict[str, type[Fault]] = {}
    whose: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _package(entry))):
        if entry.name in taken or entry.name in _STEPS:
            raise _unfit(entry, f"bustedwall has a step '{entry.name}' of its own")
        if entry.name in found:
            raise _unfit(entry, f"the package {whose[entry.name]} has a fault of that word, too")
        found[entry.name] = _loaded(entry)
        whose[entry.name] = _package(entry)
    return found


def _loaded(entry: EntryPoint) -> type[Fault]:
    if not _WORD.fullmatch(entry.name):
        raise _unfit(entry, "a word has small letters, digits and '_', and begins with a letter")
    try:
        fault = entry.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises when it is imported
        raise _unfit(entry, f"{entry.value} cannot be loaded: {type(error).__name__}: {_line(error)}") from error
    if not (isinstance(fault, type) and issubclass(fault, Fault)):
        raise _unfit(entry, f"{entry.value} is no subclass of bustedwall.faults.fault.Fault")
    own = {name: getattr(fault, name, None) for name in ("word", "value", "page")}
    if missing := [name for name, value in own.items() if not isinstance(value, Page if name == "page" else str)]:
        raise _unfit(entry, f"{entry.value} has no {' and no '.join(missing)}")
    if fault.word != entry.name:
        raise _unfit(entry, f"the word of {entry.value} is '{fault.word}', and the entry has to be called so")
    if why := _lacking(fault):
        raise _unfit(entry, f"{entry.value} {why}")
    return fault


def _lacking(fault: type[Fault]) -> str:
    """Return what a fault must have, and this one has not; empty: it has all."""
    if fault.arm is Fault.arm:
        return "has no method 'arm', and so does nothing"
    if fault.value not in (keys := [field.alias or name for name, field in fault.model_fields.items()]):
        return f"has value = '{fault.value}', and that is none of its keys: {', '.join(keys) or 'it has none'}"
    if not fault.page.examples:
        return "has no examples on its page"
    for text in fault.page.examples:
        try:
            read_example(fault, text)
        except Exception as error:  # noqa: BLE001 (its validators are a stranger's, too)
            return f"has an example on its page, '{text}', that is no step of it: {_line(error)}"
    return ""


def _line(error: BaseException) -> str:
    """Return what an error says as one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join([*map(str, first["loc"]), first["msg"]])
    return " ".join(str(error).split())


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"


def _unfit(entry: EntryPoint, why: str) -> UnfitError:
    return UnfitError(
        f"the installed package {_package(entry)} brings a fault '{entry.name}' that cannot be used: {why}"
    )
