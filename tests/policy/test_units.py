from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from bustedwall.terms.units import duration, is_duration, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250us", 250e-6), ("200ms", 0.2), ("1.5s", 1.5), ("5m", 300.0), ("2h", 7200.0), ("0s", 0.0), (" 5 s ", 5.0)],
)
def test_a_duration_is_a_number_with_a_unit_of_time(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("1B", 1), ("1kB", 1000), ("64KiB", 65536), ("1.5KiB", 1536), ("1MB", 10**6), ("2MiB", 2**21), ("1GiB", 2**30)],
)
def test_a_size_is_a_number_with_a_unit_of_bytes(text: str, count: int) -> None:
    assert size(text) == count


def test_a_decimal_fraction_of_a_unit_is_exact() -> None:
    assert size("1.001kB") == 1001


def test_a_size_beyond_the_precision_of_floats_is_exact() -> None:
    assert size("9007199254740993B") == 9007199254740993


def test_a_part_of_a_byte_is_refused() -> None:
    with pytest.raises(PydanticCustomError, match="not a whole number of bytes"):
        size("1.1KiB")


@pytest.mark.parametrize("value", [5, 0.5, 0])
def test_a_bare_number_is_refused_with_the_likeliest_readings(value: float) -> None:
    with pytest.raises(PydanticCustomError, match=f"did you mean {value}ms or {value}s"):
        duration(value)
    with pytest.raises(PydanticCustomError, match=f"did you mean {value}B or {value}KiB"):
        size(value)


@pytest.mark.parametrize(
    "value", [None, True, "", "s", "5", "-5s", "5 parsecs", "1e3s", "5S", [], "9" * 400 + "s", "\u0665s"]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    assert not is_duration(value)


@settings(deadline=None)
@given(st.text(alphabet="0123456789.eE+- _kKMGiBsmhu"))
def test_a_quantity_is_finite_or_refused(text: str) -> None:
    for read in (duration, size):
        try:
            assert 0 <= read(text) < 1e30
        except PydanticCustomError:
            continue
