"""What every fault promises; the registry is asked, never listed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from bustedwall.faults import registry
from bustedwall.faults.fault import Fault, LastingFault
from bustedwall.faults.latency import HOLD, DelayLine
from bustedwall.terms.commands import Reset
from bustedwall.terms.items import FIN, RST, Bytes
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Loss, Way

FAULTS = registry()

EXAMPLES = {
    "drop": ["all from client", "all to server"],
    "latency": ["100ms from server", "2s from client"],
    "reset": ["client", "server", "both"],
}
"""Short forms that users write; a fault without one fails below."""


def short(text: str) -> Fault:
    word, _, rest = text.partition(" ")
    return FAULTS[word].model_validate(FAULTS[word].long_form(rest))


def written() -> list[str]:
    return [f"{word} {example}" for word, examples in EXAMPLES.items() for example in examples]


def test_every_fault_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(FAULTS)


@pytest.mark.parametrize("word", FAULTS)
def test_a_fault_says_what_it_does_on_the_wire_and_to_the_peer(word: str) -> None:
    page = FAULTS[word].__doc__ or ""

    assert "On the wire:" in page
    assert "The peer:" in page or "peer:" in page.lower()


@pytest.mark.parametrize("text", written())
def test_a_short_form_is_written_back_as_it_was_read(text: str) -> None:
    assert str(short(text)) == text


@pytest.mark.parametrize("text", written())
def test_a_fault_does_something(text: str) -> None:
    damage = short(text).arm()

    assert damage.stages or damage.losses or damage.inject or damage.at_once


@pytest.mark.parametrize("text", written())
def test_only_what_lasts_can_have_a_span(text: str) -> None:
    fault = short(text)

    assert fault.arm().lasts == isinstance(fault, LastingFault)


@pytest.mark.parametrize("text", written())
def test_each_flow_gets_stages_of_its_own(text: str) -> None:
    fault = short(text)
    one, other = fault.arm(), fault.arm()

    assert not {id(s) for s in one.stages.values()} & {id(s) for s in other.stages.values()}


@pytest.mark.parametrize("word", FAULTS)
def test_an_unknown_setting_is_refused(word: str) -> None:
    text = EXAMPLES[word][0]

    with pytest.raises(ValidationError, match="extra_forbidden"):
        FAULTS[word].model_validate(FAULTS[word].long_form(text) | {"colour": "red"})


def test_a_direction_without_a_leg_is_told_in_words() -> None:
    with pytest.raises(PydanticCustomError, match="does not say which leg"):
        FAULTS["drop"].long_form("all from")


def test_a_drop_goes_one_way() -> None:
    with pytest.raises(ValidationError, match="either from or to a leg"):
        FAULTS["drop"].model_validate({"what": "all", "from": "client", "to": "client"})


def test_options_are_written_behind_the_short_form() -> None:
    reset = FAULTS["reset"].model_validate({"leg": "client", "flush": True})

    assert str(reset) == "reset client flush true"


def test_drop_from_and_drop_to_are_the_two_ways_of_one_leg() -> None:
    assert short("drop all from client").arm().losses == {Leg.CLIENT: frozenset({Loss(Way.FROM)})}
    assert short("drop all to client").arm().losses == {Leg.CLIENT: frozenset({Loss(Way.TO)})}


def test_a_reset_of_both_ends_both_at_once() -> None:
    assert short("reset both").arm().at_once == (Reset(Leg.CLIENT), Reset(Leg.SERVER))


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
    assert (line.due(), line.room()) == (None, HOLD)


def test_a_delay_line_bounds_what_it_holds_even_of_single_bytes() -> None:
    """Each held item costs memory beside its bytes; a million one-byte chunks must not hide that."""
    line = DelayLine(60.0)
    count = 0
    while line.room() > 0:
        line.feed(Bytes(b"x"), 0.0)
        count += 1

    assert count < HOLD / 200
