"""What the names of a suite mean: each is told that means nothing where it stands, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bustedwall.policy.problem import Problem
from bustedwall.policy.source import Document, Place
from bustedwall.policy.source import Path as At
from bustedwall.policy.words import nearest, suggestion
from bustedwall.suite.filling import names_in
from bustedwall.suite.ground import variable
from bustedwall.suite.model import SuiteFile
from bustedwall.suite.phases import Phases
from bustedwall.suite.sought import sought
from bustedwall.terms import facts

if TYPE_CHECKING:
    from bustedwall.suite.plan import Applied, Case

FACTS = tuple(getattr(facts, kind).name for kind in facts.__all__ if kind != "Fact")
"""What can be waited for, by name."""

PLACE = ("host", "port", "address")
"""What is known of a service and of a proxy, as `{name.port}`."""

OF_CASE = ("folder", "python")
"""What stands for something in a program's words besides: an empty folder, and the Python that runs us."""

OF_SERVICE = ("port", "host", "address", "folder", "python")
"""The same of a service."""


def one_namespace(document: Document, file: SuiteFile) -> Iterator[Problem]:
    """Tell of proxies that are called like a service, or whose variables are those of another."""
    services = {service.name for service in file.services}
    variables: dict[str, str] = {}
    for i, proxy in enumerate(file.proxies):
        if proxy.name in services:
            what = f"a service is called '{proxy.name}', too"
            hint = "a proxy and its service need two names: the program finds either by its own"
            yield document.problem(("proxies", i, "name"), what, hint)
        address = variable(f"{proxy.name}.address")
        other = variables.setdefault(address, proxy.name)
        if other != proxy.name:
            what = f"proxy '{other}' has the same variable {address}"
            yield document.problem(("proxies", i, "name"), what, "the program finds each by its own")


def unknown_names(document: Document, file: SuiteFile, cases: Sequence[Case]) -> Iterator[Problem]:
    """Tell of names that mean nothing where they stand: in braces, of proxies, of facts, of policies and rules."""
    known: list[str] = []
    for i, service in enumerate(file.services):
        at = ("services", i)
        own = [*known, *OF_SERVICE]
        known += [f"{service.name}.{what}" for what in PLACE]
        words = [*service.run, *(service.ready or ()), *service.env.values()]
        words += [word for command in service.prepare for word in command]
        yield from _unknown(document, at, words, own)
    for i, proxy in enumerate(file.proxies):
        yield from _unknown(document, ("proxies", i, "upstream"), [proxy.upstream], known)
    known += [f"{proxy.name}.{what}" for proxy in file.proxies for what in PLACE]
    on = [proxy.name for proxy in file.proxies]
    index = {name: i for i, name in enumerate(_scenario_names(document))}
    for case in cases:
        scenario, at = case.scenario, ("scenarios", index.get(case.scenario.name, 0))
        here = [*known, *OF_CASE, *case.values]
        yield from _unknown(document, (*at, "run"), scenario.run, here)
        yield from _unknown(document, (*at, "env"), scenario.env.values(), here)
        yield from _unknown(document, at, sought(scenario), here)
        for name in scenario.on:
            if name not in on:
                yield document.problem((*at, "on"), f"there is no proxy '{name}'", suggestion(name, on))
        yield from _waited_for(document, at, scenario.phases, case.policies)
        for rule in scenario.expect.fired if isinstance(scenario.expect.fired, dict) else ():
            if wrong := _not_of(rule, case.policies):
                yield document.problem((*at, "expect", "fired", rule), *wrong, at_key=True)


def _waited_for(document: Document, at: At, phases: Phases, policies: Sequence[Applied]) -> Iterator[Problem]:
    for phase, key in ((phases.warm, "warm"), (phases.break_, "break"), (phases.heal, "heal")):
        until = None if phase is None else phase.until
        here = (*at, "phases", key, "until")
        if until is not None and until.fact is not None and until.fact not in FACTS:
            hint = nearest(until.fact, FACTS)
            yield document.problem((*here, "fact"), f"there is no fact '{until.fact}'", hint or "docs/facts.md has all")
        if until is not None and until.fired is not None and (wrong := _not_of(until.fired, policies)):
            yield document.problem((*here, "fired"), *wrong)


def _not_of(asked: str, policies: Sequence[Applied]) -> tuple[str, str] | None:
    """Return what is wrong with `POLICY` or `POLICY/RULE`, and a hint; None: nothing."""
    name, slash, rule = asked.partition("/")
    found = next((policy for policy in policies if policy.name == name), None)
    if found is None:
        return f"this scenario has no policy '{name}'", suggestion(name, [policy.name for policy in policies])
    if slash and rule not in found.rules:
        return f"policy '{name}' has no rule '{rule}'", suggestion(rule, found.rules)
    return None


def _scenario_names(document: Document) -> list[object]:
    scenarios = document.at(("scenarios",))
    return [document.at(("scenarios", i, "name")) for i in range(len(scenarios) if isinstance(scenarios, list) else 0)]


def _unknown(document: Document, at: At, texts: Iterable[str], known: list[str]) -> Iterator[Problem]:
    for text in texts:
        for name in names_in(text):
            if name not in known:
                hint = (
                    nearest(name, known) or f"for the text itself write {{{{{name}}}}}; known here: {', '.join(known)}"
                )
                yield _place(document, at, text).problem(f"'{{{name}}}' means nothing here", hint)


def _place(document: Document, at: At, text: str) -> Place:
    """Return where a text stands, at or below a path; the path's own place where it is not found."""
    for path, place in document.places.items():
        if path[: len(at)] == at and document.at(path) == text:
            return place
    return document.place(at)
