"""What every fault promises; the registry is asked, never listed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from bustedwall.faults import registry
from bustedwall.faults.fault import NO_LIMIT, Damage, Fault, Shared
from bustedwall.faults.latency import DelayLine
from bustedwall.terms.dice import Dice
from bustedwall.terms.endings import Ending, How
from bustedwall.terms.items import FIN, RST, Bytes
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Loss, Way
from bustedwall.testing.written import read

FAULTS = registry()

DICE = Dice.seeded(0)


def damage(fault: Fault) -> Damage:
    return fault.arm(DICE, Shared())


def test_a_direction_without_a_leg_is_told_in_words() -> None:
    with pytest.raises(PydanticCustomError, match="does not say which leg"):
        FAULTS["drop"].long_form("all from")


def test_a_drop_goes_one_way() -> None:
    with pytest.raises(ValidationError, match="either from or to a leg"):
        FAULTS["drop"].model_validate({"what": "all", "from": "client", "to": "client"})


def test_options_are_written_behind_the_short_form() -> None:
    reset = FAULTS["reset"].model_validate({"leg": "client", "flush": True})

    assert str(reset) == "reset {leg: client, flush: true}"


def test_drop_from_and_drop_to_are_the_two_ways_of_one_leg() -> None:
    assert damage(read("drop: all from client")).losses == {Leg.CLIENT: frozenset({Loss(Way.FROM)})}
    assert damage(read("drop: all to client")).losses == {Leg.CLIENT: frozenset({Loss(Way.TO)})}


def test_a_reset_of_both_ends_both_at_once() -> None:
    assert damage(read("reset: both")).endings == dict.fromkeys(Leg, Ending(How.RESET))


def test_a_delay_line_gives_up_each_item_when_it_has_aged_and_not_before() -> None:
    line = DelayLine(0.25)
    line.feed(Bytes(b"a"), 1.0)
    line.feed(FIN, 1.5)

    assert (line.due(), list(line.release(1.2))) == (1.25, [])
    assert list(line.release(1.25)) == [Bytes(b"a")]
    assert list(line.release(1.75)) == [FIN]
    assert line.due() is None


def test_a_delay_line_drains_in_order_and_is_empty_then() -> None:
    line = DelayLine(60.0)
    items = [Bytes(b"a"), Bytes(b"b"), RST]
    for item in items:
        line.feed(item, 0.0)

    assert list(line.drain()) == items
    assert (line.due(), line.room()) == (None, NO_LIMIT)


def test_a_delay_line_bounds_what_it_holds_even_of_single_bytes() -> None:
    """Each held item costs memory beside its bytes; a million one-byte chunks must not hide that."""
    line = DelayLine(60.0)
    count = 0
    while line.weight() < 1 << 20:
        line.feed(Bytes(b"x"), 0.0)
        count += 1

    assert count < (1 << 20) / 200


@pytest.mark.parametrize(
    ("text", "provable"),
    [
        ("reset: client", True),
        ("drop: acks from client", True),
        ("drop: next_write to client", True),
        ("latency: 1s from client", False),
        ("refuse", False),
    ],
)
def test_what_the_kernel_counts_can_be_proven(text: str, *, provable: bool) -> None:
    assert damage(read(text)).provable == provable
