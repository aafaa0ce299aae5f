from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bustedwall.suite.filling import UnknownNameError, filled, names_in, put_in


def test_a_name_in_braces_stands_for_its_value() -> None:
    assert filled("http://{db.address}/{x}", {"db.address": "127.0.0.1:5", "x": 7}) == "http://127.0.0.1:5/7"


def test_double_braces_are_braces_and_json_is_left_alone() -> None:
    assert filled('{{db.port}} {"a": 1} {} { x }', {}) == '{db.port} {"a": 1} {} { x }'
    assert names_in("{{x}} {y} {z.port}") == ["y", "z.port"]


def test_an_unknown_name_is_refused_by_its_name() -> None:
    with pytest.raises(UnknownNameError) as told:
        filled("{db.adress}", {"db.address": ""})
    assert told.value.name == "db.adress"


def test_a_matrix_puts_whole_values_where_its_name_stands_alone_and_leaves_other_names() -> None:
    data = {"{policy}": {"idle": "{idle}"}, "run": ["{n}", "x{n}y", "{db.port}", "{{n}}"], "more": "{use}"}
    values = {"policy": "lb-idle", "idle": "1s", "n": 3, "use": {"slow-link": {"delay": "1s"}}}
    assert put_in(data, values) == {
        "lb-idle": {"idle": "1s"},
        "run": [3, "x3y", "{db.port}", "{{n}}"],
        "more": {"slow-link": {"delay": "1s"}},
    }


@given(st.text())
def test_a_text_without_names_stays_as_it_is(text: str) -> None:
    if not names_in(text) and "{{" not in text:
        assert filled(text, {}) == text
