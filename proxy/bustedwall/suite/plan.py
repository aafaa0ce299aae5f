"""From a suite's text to its cases: each scenario with each combination of its matrix, checked before anything runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bustedwall.client.words import use_of
from bustedwall.policy import template
from bustedwall.policy.check import check
from bustedwall.policy.missing import Terms
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.shelf import Shelf, read_file
from bustedwall.policy.source import Document
from bustedwall.policy.source import Path as At
from bustedwall.policy.use import read_entry
from bustedwall.suite.filling import put_in
from bustedwall.suite.meaning import one_namespace, unknown_names
from bustedwall.suite.model import Scenario, Service, SuiteFile, SuiteProxy
from bustedwall.suite.result import Value
from bustedwall.terms.scalars import shown

MOST_CASES = 10_000
"""Cases of one suite."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A policy that a case has while it is broken."""

    name: str
    given: Mapping[str, str | int | float]
    """The values of its parameters that somebody gave."""
    text: str | None
    """Its own text, where it is not of the library."""
    rules: tuple[str, ...]
    """The names of its rules."""

    def __str__(self) -> str:
        """Return it as a command line has it: `NAME:key=value`."""
        return use_of(self.name, self.given)


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario with one set of values."""

    name: str
    values: Mapping[str, Value]
    scenario: Scenario
    policies: tuple[Applied, ...]
    line: int
    """Where the scenario is in the suite."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite that can run."""

    name: str
    path: Path
    seed: int | None
    time_scale: float
    services: tuple[Service, ...]
    proxies: tuple[SuiteProxy, ...]
    cases: tuple[Case, ...]


def load_suite(path: Path) -> Suite:
    """Load a suite and all policies that it uses; raises PolicyError with every problem."""
    document = parse(read_file(path), str(path))
    file, problems = check(SuiteFile, document)
    problems = [*document.problems, *problems]
    for key, kind in (("services", "service"), ("proxies", "proxy"), ("scenarios", "scenario")):
        problems += template.repeated_names(document, (key,), kind)
    shelf = Shelf(path.parent)
    problems += shelf.define(document)
    reader = _Reader(document, shelf, Terms(1.0 if file is None else file.time_scale))
    cases = tuple(reader.cases())
    problems += reader.problems
    if file is not None:
        problems += one_namespace(document, file)
        problems += unknown_names(document, file, cases)
    if file is None or problems:
        raise PolicyError(list(dict.fromkeys(problems)))  # each case of a matrix has the same
    return Suite(file.suite, path, file.seed, file.time_scale, tuple(file.services), tuple(file.proxies), cases)


def is_suite(path: Path) -> bool:
    """Tell whether a file is meant to be a suite; what cannot be read is none."""
    try:
        data = parse(read_file(path), str(path)).data
    except PolicyError:
        return False
    return isinstance(data, dict) and ("scenarios" in data or "suite" in data)


def problems_of_suite(path: Path) -> tuple[Problem, ...]:
    """Return what is wrong with a suite, and with all that it uses."""
    try:
        load_suite(path)
    except PolicyError as error:
        return error.problems
    return ()


class _Reader:
    """Reads the scenarios of one suite; problems are kept."""

    def __init__(self, document: Document, shelf: Shelf, terms: Terms) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._shelf = shelf
        self._terms = terms
        self._count = 0

    def cases(self) -> Iterator[Case]:
        """Yield all cases in their order."""
        scenarios = self._document.at(("scenarios",))
        for i in range(len(scenarios) if isinstance(scenarios, list) else 0):
            yield from self._scenario(self._document.below(("scenarios", i)))

    def _scenario(self, document: Document) -> Iterator[Case]:
        matrix, named = self._matrix(document), set[str]()
        for combination in product(*matrix.values()):
            self._count += 1
            if self._count > MOST_CASES:
                self.problems.append(document.problem((), f"this makes more than {MOST_CASES} cases"))
                return
            values = dict(zip(matrix, combination, strict=True))
            case = self._case(document, values)
            if case is None:
                continue
            if case.name in named:
                what = f"two cases would be called '{case.name}'"
                self.problems.append(document.problem(("matrix",), what, "give each value once"))
                return
            named.add(case.name)
            yield case

    def _matrix(self, document: Document) -> dict[str, list[object]]:
        """Return the values by name; what is wrong with them is told once the scenario is checked."""
        matrix = document.at(("matrix",))
        if not isinstance(matrix, dict):
            return {}
        return {name: cells for name, cells in matrix.items() if isinstance(cells, list) and cells}

    def _case(self, document: Document, values: Mapping[str, object]) -> Case | None:
        here = Document(document.source, put_in(document.data, values), document.places)
        scenario, problems = check(Scenario, here)
        self.problems += problems
        found = scenario.policies if scenario else ()
        policies = [self._policy(here, ("policies", i)) for i in range(len(found))]
        if scenario is None:
            return None
        said = {name: _value(value) for name, value in values.items()}
        name = (
            f"{scenario.name}[{', '.join(f'{key}={value}' for key, value in said.items())}]" if said else scenario.name
        )
        kept = tuple(policy for policy in policies if policy is not None)
        twice = [name for name, count in Counter(policy.name for policy in kept).items() if count > 1]
        self.problems += [here.problem(("policies",), f"policy '{name}' is there twice") for name in twice]
        return Case(name, said, scenario, kept, document.place(("name",)).value.line)

    def _policy(self, document: Document, path: At) -> Applied | None:
        try:
            use = read_entry(document, path)
            found = self._shelf.find(use)
            found.bind(use.given, use.place, self._terms)
        except PolicyError as error:
            self.problems += error.problems
            return None
        own = use.is_path or found.file.name in self._shelf.defined
        values = {name: located.value for name, located in use.given.items()}
        given = {name: value for name, value in values.items() if isinstance(value, str | int | float)}
        text = json.dumps(found.document.data) if own else None
        return Applied(found.file.name, given, text, tuple(rule.name for rule in found.file.rules))


def _value(value: object) -> Value:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict) and len(value) == 1:  # a policy with its values
        ((name, given),) = value.items()
        if isinstance(given, dict):
            return use_of(str(name), given)
    return shown(value)
