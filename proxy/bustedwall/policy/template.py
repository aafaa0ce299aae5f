"""A checked policy file whose parameters can still be given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from bustedwall.policy import parameters
from bustedwall.policy.check import check
from bustedwall.policy.model import PolicyFile, WrittenParameter
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.rules import Rule
from bustedwall.policy.scalars import shown
from bustedwall.policy.source import Document, Located, Path, Place
from bustedwall.policy.words import suggestion


@dataclass(frozen=True, slots=True)
class Template:
    """A policy that is right with its defaults."""

    document: Document
    file: PolicyFile

    def bind(self, given: Mapping[str, Located], use: Place, time_scale: float) -> tuple[Rule, ...]:
        """Return the rules with these values; raises PolicyError.

        `use` is where the policy was asked for. It is blamed where the values do not fit together,
        or a scaled default does not fit: the policy's file is right.
        """
        declared = self.file.parameters
        problems, values = [], parameters.default_values(self.document, declared, time_scale)
        for name, value in given.items():
            wrong = list(self._value_problems(name, value))
            problems += wrong
            if not wrong:
                values[name] = value
        used = parameters.references(self.document)
        file, more = check(PolicyFile, self.document.replaced({path: values[name] for path, name in used.items()}))
        problems += [self._blame(problem, use) for problem in more]
        if file is None or problems:
            raise PolicyError(problems)
        return tuple(rule.rule(file.name) for rule in file.rules)

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
        if problem.file != self.document.source.name:
            return problem
        where = f"{problem.path}, " if problem.path else ""
        return use.problem(
            f"'{self.file.name}' is wrong with these values: {where}{problem.message}", problem.hint, at_key=True
        )


def read(document: Document, stem: str) -> Template:
    """Return the policy that a file of this name holds; raises PolicyError."""
    declared = _parameters(document)
    good = {name: parameter for name, parameter in declared.items() if parameter is not None}
    problems = [*document.problems, *parameters.use_problems(document, list(declared))]
    problems += parameters.default_problems(document, good)
    used = parameters.references(document)
    values = parameters.default_values(document, good, 1)
    bound = document.replaced({path: values[name] for path, name in used.items() if name in values})
    file, more = check(PolicyFile, bound, muted=[path for path, name in used.items() if name not in values])
    problems += [*more, *repeated_names(document, ("rules",), "rule")]
    name = document.at(("name",))
    # A name that is no name has been told of already.
    if isinstance(name, str) and name != stem and not any(problem.path == "name" for problem in problems):
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
