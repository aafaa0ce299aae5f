"""The schema and the page of the facts are made from their classes, and lines are what they say."""

from __future__ import annotations

import json
import re
import types
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from tests.record.valid import wrong

from bustedwall.policy.schema import text_of
from bustedwall.record.line import line
from bustedwall.record.page import page
from bustedwall.record.schema import KINDS, facts_schema, fields_of, summary_of
from bustedwall.record.stream import Entry
from bustedwall.terms.facts import Fact

DOCS = Path(__file__).parents[2] / "docs"
AT = datetime(2026, 11, 25, 10, 20, 30, tzinfo=UTC)

UNITS = re.compile(
    r"\b(bytes|seconds|segments|packets|SYNs|flows|how many|how often|from 0 to|number|part)\b", re.IGNORECASE
)


def test_the_committed_schema_is_the_one_that_is_made() -> None:
    assert (DOCS / "schema" / "facts.json").read_text() == text_of(facts_schema()), "run: make docs"


def test_the_committed_page_is_the_one_that_is_made() -> None:
    assert (DOCS / "facts.md").read_text() == page(), "run: make docs"


def test_the_schema_is_one_by_its_own_dialect() -> None:
    jsonschema.Draft202012Validator.check_schema(facts_schema())


def test_the_example_on_the_page_is_a_line() -> None:
    (example,) = re.findall(r"^```json\n(.*?)```", page(), re.MULTILINE | re.DOTALL)
    assert not wrong([json.loads(example)])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_fact_says_when_it_is_recorded_and_what_each_field_is_in_which_unit(kind: type[Fact]) -> None:
    assert summary_of(kind).endswith(".")
    for name, field in fields_of(kind).items():
        told = field.get("description", "")
        assert told.endswith("."), f"{kind.__name__}.{name} has no text"
        if re.search("integer|number", str(field.get("type"))):
            assert UNITS.search(told), f"{kind.__name__}.{name} does not say in which unit it is: {told}"


def samples(hint: object) -> list[Any]:
    """Return values of a type, all there are of words."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)
    if get_origin(hint) is types.UnionType:
        return [value for kind in get_args(hint) for value in samples(kind)]
    if get_origin(hint) is tuple:
        return [(), ("a", "b")]
    plain: dict[object, list[Any]] = {
        str: ["", 'x"\n\U0001f9f1'],
        int: [0, 7],
        float: [0.0, 1.5],
        bool: [False, True],
        type(None): [None],
    }
    return plain[hint]


def examples(kind: type[Fact]) -> list[Fact]:
    """Return facts of a kind in which each field has each of its samples."""
    hints = get_type_hints(kind)
    choices = {field.name: samples(hints[field.name]) for field in fields(kind)}
    most = max(map(len, choices.values()), default=1)
    return [kind(**{name: values[n % len(values)] for name, values in choices.items()}) for n in range(most)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_line_of_each_fact_fits(kind: type[Fact]) -> None:
    lines = [
        json.loads(line(Entry(AT, proxy, flow, fact)))
        for proxy, flow in ((None, None), ("p", None), ("p", 1))
        for fact in examples(kind)
    ]
    whole = jsonschema.Draft202012Validator(facts_schema())

    assert lines
    assert not wrong(lines)
    assert not [error.message for told in lines for error in whole.iter_errors(told)]


@pytest.mark.parametrize("change", [{"schema": 2}, {"more": 1}, {"leg": "middle"}, {"flow": 0}, {"error": None}])
def test_what_is_no_line_does_not_fit(change: dict[str, object]) -> None:
    good = {"schema": 1, "at": AT.isoformat(), "proxy": "p", "flow": 1, "fact": "peer-lost", "leg": "client"}
    assert not wrong([good | {"error": "EPIPE"}])
    assert wrong([good | {"error": "EPIPE"} | change])
    assert wrong([good])


def test_each_row_of_the_page_is_one_line() -> None:
    assert all(row.endswith("|") for row in page().splitlines() if row.startswith("|"))


def test_no_field_of_a_fact_has_a_name_of_what_every_line_has() -> None:
    # `number` is what the API adds: who reads on behind it would begin anew.
    taken = {"schema", "at", "proxy", "flow", "fact", "number", "name"}
    for kind in KINDS:
        assert not taken & {field.name for field in fields(kind)}, kind
