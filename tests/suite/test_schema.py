from __future__ import annotations

from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml

from bustedwall.policy.schema import text_of
from bustedwall.suite.schema import suite_schema
from bustedwall.suite.starter import Protocol, starter

ROOT = Path(__file__).parents[2]


@cache
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(suite_schema())


def wrong(text: str) -> list[str]:
    return [error.message for error in validator().iter_errors(yaml.safe_load(text))]


def test_the_committed_schema_is_the_one_that_is_made() -> None:
    assert (ROOT / "docs" / "schema" / "suite.json").read_text() == text_of(suite_schema())
    jsonschema.Draft7Validator.check_schema(suite_schema())


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_our_own_suites_are_right_by_it_and_name_it(path: Path) -> None:
    assert not wrong(path.read_text())
    assert path.read_text().startswith("# yaml-language-server: $schema=../../docs/schema/suite.json\n")


@pytest.mark.parametrize("protocol", list(Protocol))
def test_starters_are_right_by_it(protocol: Protocol) -> None:
    assert not wrong(starter(protocol, "", "a:80", ["x"]))


HEAD = "version: 1\nsuite: s\nproxies: [{name: p, upstream: 'a:1'}]\nscenarios:\n  - {name: x, run: x, "


@pytest.mark.parametrize(
    "rest",
    [
        "policies: ['{policy}', {'{policy}': {after: '{n}'}}], matrix: {policy: [a], n: [1]}",
        "phases: {warm: 1s, break: {until: {open: 2}, for: '{span}'}, heal: {for: 1s}}",
        "within: '{n}', expect: {exit: '{n}', flows: '{n}', fired: {a: {at_least: 1}}, turns_twice: 0}",
    ],
)
def test_names_may_stand_for_values_and_short_forms_are_known(rest: str) -> None:
    assert not wrong(f"{HEAD}{rest}}}\n")


@pytest.mark.parametrize(
    "rest",
    [
        "polices: []",
        "within: soon",
        "phases: {warm: {untl: {flows: 1}}}",
        "expect: {flows: -1}",
        "expect: {exit: never}",
        "policies: [reset-mid-response: {after: []}]",
    ],
)
def test_what_the_loader_refuses_it_refuses(rest: str) -> None:
    assert wrong(f"{HEAD}{rest}}}\n")
