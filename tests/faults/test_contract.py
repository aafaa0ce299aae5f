"""What holds for every fault, whichever there are: the registry is asked, and each example of each page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faults.written import examples, faults_of, lasting, moment, read, rules_of, written
from tests.flow.simulated import Pretended, SimulatedRelay

from bustedwall.faults.fault import Fault, LastingFault, Shared, Stage
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import RulesChanged, SetDoor
from bustedwall.flow.table import FlowTable
from bustedwall.policy.rules import Arm, AtApplied, AtOpen, Heal, Rule, Wait
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import OPEN_DOOR
from bustedwall.terms.events import Woke
from bustedwall.terms.facts import FaultEnded
from bustedwall.terms.items import FIN, RST, Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS

ALL = list(examples())
OF_FLOWS = [text for text in ALL if not read(text).at_door]
LASTING = [text for text in OF_FLOWS if isinstance(read(text), LastingFault)]
LOSSLESS = [text for text in LASTING if read(text).lossless]
OF_DOORS = [text for text in ALL if read(text).at_door]

chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=12)
gaps = st.lists(st.sampled_from([0.0, 0.01, 0.3, 5.0]), min_size=12, max_size=12)
dice = st.integers(0, 2**32).map(Random)


def stages(fault: Fault) -> list[Stage]:
    return list(fault.arm(Dice.seeded(3), Shared()).stages.values())


def through(stage: Stage, items: Sequence[Item], waits: Sequence[float]) -> list[Item]:
    """Feed items with time between them, let go what is due, and drain the rest."""
    now, out = 0.0, list[Item]()
    for item, wait in zip(items, waits, strict=False):
        now += wait
        while (due := stage.due()) is not None and due <= now:
            out += stage.release(due)
        out += stage.feed(item, now)
    return out + list(stage.drain())


@pytest.mark.parametrize("text", ALL)
def test_an_example_loads_as_a_user_writes_it_and_is_what_it_says(tmp_path: Path, text: str) -> None:
    fault = read(text)

    loaded = faults_of(rules_of(tmp_path, [written(fault)], moment(fault)))

    assert loaded == [fault]
    assert [written(each) for each in loaded] == [written(fault)]


@pytest.mark.parametrize("fault", list(lasting(2.5)), ids=str)
def test_every_lasting_example_takes_a_span(tmp_path: Path, fault: LastingFault) -> None:
    (loaded,) = faults_of(rules_of(tmp_path, [written(fault)], moment(fault)))

    assert loaded == fault


@pytest.mark.parametrize("text", LOSSLESS)
@given(data=chunks, ending=st.sampled_from([FIN, RST]), waits=gaps)
@settings(max_examples=25)
def test_what_is_lossless_keeps_bytes_their_order_and_the_ending(
    text: str, data: list[bytes], ending: Item, waits: list[float]
) -> None:
    for stage in stages(read(text)):
        out = through(stage, [*map(Bytes, data[:11]), ending], waits)

        assert b"".join(item.data for item in out if isinstance(item, Bytes)) == b"".join(data[:11])
        assert all(item.data for item in out if isinstance(item, Bytes)), "no empty run of bytes"
        if len(data) < len(waits):
            assert [item for item in out if not isinstance(item, Bytes)] == [ending]
            assert out[-1] == ending
        assert (stage.due(), list(stage.drain())) == (None, []), "nothing is left in it"


@pytest.mark.parametrize("text", LASTING)
@given(data=chunks, ending=st.sampled_from([FIN, RST]), waits=gaps)
@settings(max_examples=20)
def test_whatever_becomes_of_the_bytes_the_ending_comes_once_and_last(
    text: str, data: list[bytes], ending: Item, waits: list[float]
) -> None:
    for stage in stages(read(text)):
        out = through(stage, [*map(Bytes, data[:11]), ending], waits)

        assert [item for item in out if not isinstance(item, Bytes)] == [ending]
        assert out[-1] == ending


@pytest.mark.parametrize("text", LASTING)
def test_what_a_stage_holds_is_bounded(text: str) -> None:
    for stage in stages(read(text)):
        held = 0
        while 0 < stage.room() < 1 << 40 and held <= 1 << 26:
            size = min(stage.room(), 1 << 18)
            held += size - sum(
                len(item.data) for item in stage.feed(Bytes(bytes(size)), 0.0) if isinstance(item, Bytes)
            )
            if not held:
                break  # it lets everything through
        assert held <= 1 << 25


@pytest.mark.parametrize("text", LOSSLESS)
@given(asked=st.binary(max_size=60), answered=st.binary(max_size=60), chance=dice)
@settings(max_examples=25)
def test_arming_twice_and_healing_twice_is_harmless(text: str, asked: bytes, answered: bytes, chance: Random) -> None:
    twice = (Arm(read(text)), Arm(read(text)), Wait(0.5), Heal(), Heal())
    client, server = Pretended(asked, FIN), Pretended(answered, FIN)
    flow = Flow((Rule("test/one", AtOpen(), twice), Rule("test/other", AtOpen(), twice)))
    relay = SimulatedRelay(flow, client, server, chance)

    relay.run()

    assert (server.got, client.got) == (asked, answered)
    assert (server.got_ending, client.got_ending) == ("FIN", "FIN")
    assert relay.losses == dict.fromkeys(Leg, NO_LOSS)
    assert (flow.over, flow.discarded) == (True, 0)


@pytest.mark.parametrize("fault", [each for each in lasting(0.5) if not each.at_door], ids=str)
@given(asked=st.binary(max_size=60), answered=st.binary(max_size=60), chance=dice)
@settings(max_examples=25)
def test_for_ends_it(fault: LastingFault, asked: bytes, answered: bytes, chance: Random) -> None:
    client, server = Pretended(asked, None), Pretended(answered, None)
    flow = Flow((Rule("test/rule", AtOpen(), (Arm(fault, fault.span),)),))
    relay = SimulatedRelay(flow, client, server, chance)

    relay.run()

    ended = [fact for fact in relay.facts if isinstance(fact, FaultEnded)]
    assert [(fact.fault, fact.why) for fact in ended] == [(str(fault), "its time is over")]
    assert relay.losses == dict.fromkeys(Leg, NO_LOSS)
    assert not any(flow.passage(leg).look or flow.passage(leg).credit == 0 for leg in Leg)
    if fault.lossless:
        assert (server.got, client.got) == (asked, answered)


@pytest.mark.parametrize("text", OF_DOORS)
def test_a_door_is_open_again_when_all_that_shut_it_has_ended(text: str) -> None:
    fault = read(text)
    rules = tuple(
        Rule(f"test/{name}", AtApplied(), (Arm(fault, 1.0), Arm(fault, 2.0), Wait(5.0), Heal(), Heal()))
        for name in ("one", "other")
    )
    table = FlowTable(Dice.seeded(0))

    def doors(commands: Sequence[object]) -> list[object]:
        return [command.door for command in commands if isinstance(command, SetDoor)]

    assert doors(table.handle(RulesChanged(rules), 0.0)) == [fault.arm(Dice.seeded(0), Shared()).door]
    assert doors(table.handle(Woke(), 1.5)) == []
    assert doors(table.handle(Woke(), 2.5)) == [OPEN_DOOR]
    assert doors(table.handle(Woke(), 6.0)) == []
    assert table.deadline() is None
