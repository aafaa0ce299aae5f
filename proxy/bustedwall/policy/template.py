"""A checked policy whose parameters can still be given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import ValidationError

from bustedwall.policy import parameters
from bustedwall.policy.check import check
from bustedwall.policy.missing import Terms, spare
from bustedwall.policy.model import PolicyFile, WrittenParameter, WrittenRule
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.rules import Rule
from bustedwall.policy.sense import nonsense, strangers
from bustedwall.policy.source import Document, Located, Path, Place, dotted
from bustedwall.policy.together import clashes
from bustedwall.policy.words import suggestion
from bustedwall.terms.facts import StepUnmet
from bustedwall.terms.scalars import shown


@dataclass(frozen=True, slots=True)
class Bound:
    """A policy with values for its parameters, as this machine can run it."""

    rules: tuple[Rule, ...]
    notices: tuple[StepUnmet, ...]
    """What is not done as it was written."""


@dataclass(frozen=True, slots=True)
class Template:
    """A policy that is right with its defaults."""

    document: Document
    file: PolicyFile

    def bind(self, given: Mapping[str, Located], use: Place, terms: Terms) -> Bound:
        """Return the policy with these values; raises PolicyError.

        `use` is where the policy was asked for. It is blamed where the values do not fit together,
        a scaled default does not fit, or this machine cannot do it: the policy's file is right.
        """
        declared = self.file.parameters
        problems, values = [], parameters.default_values(self.document, declared, terms.time_scale)
        for name, value in given.items():
            wrong = list(self._value_problems(name, value))
            problems += wrong
            if not wrong:
                values[name] = value
        used = parameters.references(self.document)
        bound = self.document.replaced({path: values[name] for path, name in used.items()})
        file, more = check(PolicyFile, bound)
        rules = () if file is None else tuple(rule.rule(file.name) for rule in file.rules)
        more += _senseless(bound, dict(enumerate(rules)))
        blameless = {(value.place.source.name, dotted(value.place.path)) for value in given.values()}
        problems += [p if (p.file, p.path) in blameless else self._blame(p, use) for p in more]
        kept, notices = [], []
        for rule in rules if not problems else ():
            left, unmet, wrong = spare(rule, terms, partial(_at_use, use, rule))
            kept += [left] if left is not None else []
            notices += unmet
            problems += wrong
        if problems:
            raise PolicyError(problems)
        return Bound(tuple(kept), tuple(notices))

    def _value_problems(self, name: str, value: Located) -> Iterator[Problem]:
        declared = self.file.parameters
        if name not in declared:
            hint = suggestion(name, declared) or "the policy has no parameters"
            what = f"policy '{self.file.name}' has no parameter '{name}'"
            yield value.place.problem(what, hint, at_key=True)
        elif not isinstance(value.value, str | int | float):
            yield value.place.problem(f"expected a single value, got {shown(value.value)}")
        else:
            yield from parameters.choice_problems(declared[name], value)

    def _blame(self, problem: Problem, use: Place) -> Problem:
        where = f"{problem.path}, " if problem.path else ""
        return use.problem(
            f"'{self.file.name}' is wrong with these values: {where}{problem.message}", problem.hint, at_key=True
        )


def read(document: Document, stem: str | None = None) -> Template:
    """Return the policy that a document holds, in a file of this name if it has one of its own; raises PolicyError."""
    declared = _parameters(document)
    good = {name: parameter for name, parameter in declared.items() if parameter is not None}
    problems = [*document.problems, *parameters.use_problems(document, list(declared))]
    problems += parameters.default_problems(document, good)
    used = parameters.references(document)
    values = parameters.default_values(document, good, 1)
    bound = document.replaced({path: values[name] for path, name in used.items() if name in values})
    file, more = check(PolicyFile, bound, muted=[path for path, name in used.items() if name not in values])
    problems += [*more, *repeated_names(document, ("rules",), "rule"), *_senseless(bound, _rules(bound, file))]
    name = document.at(("name",))
    # A name that is no name has been told of already.
    at_name = dotted(document.place(("name",)).path)
    if stem is not None and isinstance(name, str) and name != stem and not any(p.path == at_name for p in problems):
        what = f"a policy is called like its file: expected '{stem}', got '{name}'"
        problems.append(document.problem(("name",), what))
    if file is None or problems:
        raise PolicyError(problems)
    return Template(document, file)


def repeated_names(document: Document, path: Path, kind: str) -> Iterator[Problem]:
    """Tell of each entry of a list whose `name` an earlier one has."""
    entries = document.at(path)
    first: dict[str, int] = {}
    for i, entry in enumerate(entries if isinstance(entries, list) else ()):
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and first.setdefault(name, i) != i:
            line = document.place((*path, first[name], "name")).value.line
            yield document.problem((*path, i, "name"), f"another {kind} is called '{name}', in line {line}")


def _parameters(document: Document) -> dict[str, WrittenParameter | None]:
    """Return each declared parameter, None where it is wrong; what is wrong is told with the whole file."""
    declared = document.at(("parameters",))
    if not isinstance(declared, dict):
        return {}
    found: dict[str, WrittenParameter | None] = {}
    for name, written in declared.items():
        try:
            found[name] = WrittenParameter.model_validate(written)
        except ValidationError:
            found[name] = None
    return found


def _rules(document: Document, file: PolicyFile | None) -> dict[int, Rule]:
    """Return the rules that can be read, by their number: also of a policy that is wrong elsewhere."""
    if file is not None:
        return {i: rule.rule(file.name) for i, rule in enumerate(file.rules)}
    written = document.at(("rules",))
    found: dict[int, Rule] = {}
    for i, rule in enumerate(written if isinstance(written, list) else ()):
        try:
            found[i] = WrittenRule.model_validate(rule).rule(str(document.at(("name",))))
        except ValidationError:
            continue
    return found


def _senseless(document: Document, rules: Mapping[int, Rule]) -> list[Problem]:
    """Tell what contradicts itself, in each rule and between them."""
    numbers = list(rules)
    alone = ((("rules", i, *path), what, hint) for i, rule in rules.items() for path, what, hint in nonsense(rule))
    together = ((("rules", numbers[c.rule], "do", c.step), c.what, c.hint) for c in clashes(tuple(rules.values())))
    after = (
        (("rules", numbers[i], "match", "after", "rule"), what, hint)
        for i, what, hint in strangers(tuple(rules.values()))
    )
    return [document.problem(path, what, hint) for path, what, hint in (*alone, *together, *after)]


def _at_use(use: Place, rule: Rule, step: int, message: str, hint: str) -> Problem:
    return use.problem(f"{rule.name}, step {step + 1}: {message}", hint, at_key=True)
