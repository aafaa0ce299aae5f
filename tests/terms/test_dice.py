"""Chance that is named by its place: repeatable, and independent of what else is drawn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bustedwall.terms.dice import Dice

PLACES = st.lists(st.one_of(st.text("abc/", max_size=3), st.integers(0, 99)), max_size=3).map(tuple)


@given(st.integers(), PLACES)
def test_a_draw_is_a_fraction_and_the_same_each_time(seed: int, place: tuple[str | int, ...]) -> None:
    draw = Dice.seeded(seed).fraction(*place)

    assert 0 <= draw < 1
    assert draw == Dice.seeded(seed).fraction(*place)


@given(st.integers(), PLACES, PLACES)
def test_a_place_can_be_named_in_one_step_or_in_two(
    seed: int, above: tuple[str | int, ...], below: tuple[str | int, ...]
) -> None:
    dice = Dice.seeded(seed)

    assert dice.at(*above).fraction(*below) == dice.fraction(*above, *below)


def test_no_two_places_are_spelled_alike() -> None:
    dice = Dice.seeded(1)
    places = [("a", "b"), ("ab",), ("a", "b", ""), ("a/b",), ("1", 2), (12,), ("1", "2", "3"), (1, 23)]

    assert len({dice.fraction(*place) for place in places}) == len(places)


def test_draws_are_spread_evenly() -> None:
    draws = [Dice.seeded(7).at("proxy").fraction("rule", n) for n in range(2000)]

    assert abs(sum(draws) / len(draws) - 0.5) < 0.02
    assert all(170 < sum(tenth / 10 <= d < (tenth + 1) / 10 for d in draws) < 230 for tenth in range(10))


def test_a_whole_number_is_below_its_limit_and_takes_every_value() -> None:
    assert {Dice.seeded(3).below(6, n) for n in range(200)} == set(range(6))
