"""Faults as their pages write them, and the policies that a test makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from bustedwall.faults import registry
from bustedwall.faults.fault import Fault, LastingFault
from bustedwall.policy.load import load_policy, load_use
from bustedwall.policy.rules import Arm, Rule


def examples(kinds: Iterable[type[Fault]] | None = None) -> Iterator[str]:
    """Yield each step that a page shows, of these faults or of all."""
    for fault in registry().values() if kinds is None else kinds:
        yield from fault.page.examples


def read(text: str, kinds: Iterable[type[Fault]] | None = None) -> Fault:
    """Read a step as a policy has it, and as a fault writes itself; of these faults or of all."""
    step = yaml.safe_load(text)
    ((word, value),) = step.items() if isinstance(step, dict) else ((step, ""),)
    known = registry() if kinds is None else {kind.word: kind for kind in kinds}
    return known[word].model_validate(known[word].settings(value))


def written(fault: Fault) -> object:
    """Write a fault as a step of a policy."""
    word, _, rest = str(fault).partition(" ")
    return yaml.safe_load(f"{word}: {rest}" if rest else word)


def spanning(fault: LastingFault, seconds: float | None) -> LastingFault:
    """Return the same fault, ending by itself after so long, or not."""
    settings = {name: getattr(fault, name) for name in type(fault).model_fields}
    told = fault.model_fields_set - {"span"} if seconds is None else fault.model_fields_set | {"span"}
    return type(fault).model_construct(told, **settings | {"span": seconds})


def lasting(seconds: float, kinds: Iterable[type[Fault]] | None = None) -> Iterator[LastingFault]:
    """Yield each example that can end by itself, set to end after so long; of these faults or of all."""
    kinds = [*registry().values()] if kinds is None else [*kinds]
    for fault in (read(text, kinds) for text in examples(kinds)):
        if isinstance(fault, LastingFault):
            yield spanning(fault, seconds)


def moment(fault: Fault) -> str:
    """Return a moment at which a fault can be done."""
    return "applied" if fault.at_door else "accept" if fault.at_accept else "open"


def rules_of(folder: Path, steps: Sequence[object], when: str) -> tuple[Rule, ...]:
    """Load a policy of one rule as a user does; return its rules."""
    path = folder / "made.yaml"
    rule = {"name": "rule", "when": when, "do": list(steps)}
    path.write_text(yaml.safe_dump({"version": 1, "name": "made", "summary": "Made by a test.", "rules": [rule]}))
    load_policy(path)
    return load_use(str(path))


def faults_of(rules: Sequence[Rule]) -> list[Fault]:
    """Return the faults that rules do, in order."""
    return [step.fault for rule in rules for step in rule.steps if isinstance(step, Arm)]
