from __future__ import annotations

import math

import pytest

from bustedwall.terms.scalars import plain


@pytest.mark.parametrize(
    "text", ["on", "off", "yes", "no", "y", "22:22", "1:30", "2026-01-01", "1_000", "0b1", "<<", "=", "tRue", "1.2.3"]
)
def test_what_only_yaml_1_1_converts_stays_text(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0755", 755),
        ("-7", -7),
        ("0o17", 15),
        ("0xfF", 255),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
    ],
)
def test_a_word_of_the_core_schema_is_converted(text: str, value: object) -> None:
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(plain(".nan"))  # type: ignore[arg-type]  # a float, as the test says


def test_a_number_of_any_length_is_converted() -> None:
    assert plain("9" * 10_000) == math.inf
