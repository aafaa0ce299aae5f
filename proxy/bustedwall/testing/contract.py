"""What holds for every fault, as tests: a class to inherit from, and to tell which faults are meant.

    class TestShout(FaultContract):
        faults = (ShoutFault,)

Each example of each page is played in the pure logic: a flow with simulated ends, where any order of events is
drawn. That a fault does on the wire what its page says is proven on real sockets alone, and is its author's to show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bustedwall.faults import registry
from bustedwall.faults.fault import Damage, Fault, LastingFault, Shared, Stage
from bustedwall.flow.flow import Flow
from bustedwall.flow.orders import FlowsChanged, RulesChanged, SetDoor
from bustedwall.flow.table import FlowTable
from bustedwall.policy.rules import Arm, AtAccept, AtApplied, AtOpen, Heal, Rule, Wait
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import OPEN_DOOR
from bustedwall.terms.events import Woke
from bustedwall.terms.facts import FaultEnded
from bustedwall.terms.items import FIN, RST, Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS
from bustedwall.testing.simulated import Pretended, SimulatedRelay
from bustedwall.testing.written import examples, faults_of, moment, read, rules_of, spanning, written

Which = Callable[[Fault], bool]
Test = TypeVar("Test", bound=Callable[..., None])

_chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=12)
_gaps = st.lists(st.sampled_from([0.0, 0.01, 0.3, 5.0]), min_size=12, max_size=12)
_dice = st.integers(0, 2**32).map(Random)
_some = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.differing_executors],  # several classes inherit a property
)


def of(which: Which) -> Callable[[Test], Test]:
    """Have a test of the contract take these examples only."""

    def mark(test: Test) -> Test:
        test.which = which  # type: ignore[attr-defined]  # read when the tests are collected
        return test

    return mark


def on_flow(fault: Fault) -> bool:
    """Tell whether it is done to flows."""
    return not fault.at_door


def lasts(fault: Fault) -> bool:
    """Tell whether it is done to flows and goes on."""
    return on_flow(fault) and isinstance(fault, LastingFault)


def loses_nothing(fault: Fault) -> bool:
    """Tell whether, as it goes on, every byte passes sooner or later."""
    return lasts(fault) and fault.lossless


def spans(fault: Fault) -> bool:
    """Tell whether it can end by itself."""
    return isinstance(fault, LastingFault)


def damage(fault: Fault) -> Damage:
    """Arm a fault once."""
    return fault.arm(Dice.seeded(3), Shared())


def through(stage: Stage, items: Sequence[Item], waits: Iterable[float]) -> list[Item]:
    """Feed items with time between them, let go what is due, and drain the rest."""
    now, out = 0.0, list[Item]()
    for item, wait in zip(items, waits, strict=False):
        now += wait
        while (due := stage.due()) is not None and due <= now:
            out += stage.release(due)
        out += stage.feed(item, now)
    return out + list(stage.drain())


class FaultContract:
    """The tests; `faults` are the classes that are tested, each with its page and its examples."""

    faults: ClassVar[Sequence[type[Fault]]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each test the faults, or their examples, that it is for."""
        which: Which = getattr(metafunc.function, "which", lambda _: True)
        if "kind" in metafunc.fixturenames:
            metafunc.parametrize("kind", self.faults, ids=[kind.word for kind in self.faults])
        if "fault" in metafunc.fixturenames:
            texts = [text for text in examples(self.faults) if which(read(text, self.faults))]
            metafunc.parametrize("fault", [read(text, self.faults) for text in texts], ids=texts)

    # ---- what it says of itself

    def test_its_word_is_known(self, kind: type[Fault]) -> None:
        """It is a file of ours, or its package is installed and has an entry point for it."""
        assert registry().get(kind.word) is kind

    def test_its_page_says_all(self, kind: type[Fault]) -> None:
        page = kind.page
        for text in (page.summary, page.wire, page.client, page.server, page.faithful, page.source):
            assert text.strip() == text
            assert text
        assert page.examples
        assert page.faithful.startswith(("exact", "approximate"))
        assert bool(page.healing) == issubclass(kind, LastingFault)

    def test_an_unknown_setting_is_refused(self, kind: type[Fault]) -> None:
        known = read(kind.page.examples[0], self.faults).model_dump(by_alias=True)
        with pytest.raises(ValidationError, match="extra_forbidden"):
            kind.model_validate(known | {"colour": "red"})

    def test_an_example_loads_as_a_user_writes_it_and_is_what_it_says(self, tmp_path: Path, fault: Fault) -> None:
        loaded = faults_of(rules_of(tmp_path, [written(fault)], moment(fault)))

        assert loaded == [fault]
        assert [written(each) for each in loaded] == [written(fault)]

    @of(spans)
    def test_what_lasts_takes_a_span(self, tmp_path: Path, fault: LastingFault) -> None:
        spanned = spanning(fault, 2.5)

        (loaded,) = faults_of(rules_of(tmp_path, [written(spanned)], moment(fault)))
        assert loaded == spanned

    # ---- its damage

    def test_it_does_something(self, fault: Fault) -> None:
        done = damage(fault)

        assert done.stages or done.losses or done.endings or done.injected or done.undialled or done.door

    def test_only_what_is_done_to_the_door_or_before_the_dial_has_damage_to_them(self, fault: Fault) -> None:
        assert (damage(fault).door is not None) == fault.at_door
        assert (damage(fault).undialled is not None) == fault.at_accept

    def test_only_what_lasts_can_have_a_span(self, fault: Fault) -> None:
        assert damage(fault).lasts == isinstance(fault, LastingFault)

    def test_each_flow_gets_stages_of_its_own(self, fault: Fault) -> None:
        one, other = damage(fault), damage(fault)

        assert not {id(s) for s in one.stages.values()} & {id(s) for s in other.stages.values()}

    # ---- its stages

    @of(loses_nothing)
    @given(data=_chunks, ending=st.sampled_from([FIN, RST]), waits=_gaps)
    @_some
    def test_what_is_lossless_keeps_bytes_their_order_and_the_ending(
        self, fault: Fault, data: list[bytes], ending: Item, waits: list[float]
    ) -> None:
        for stage in damage(fault).stages.values():
            out = through(stage, [*map(Bytes, data[:11]), ending], waits)

            assert b"".join(item.data for item in out if isinstance(item, Bytes)) == b"".join(data[:11])
            assert all(item.data for item in out if isinstance(item, Bytes)), "no empty run of bytes"
            if len(data) < len(waits):
                assert [item for item in out if not isinstance(item, Bytes)] == [ending]
                assert out[-1] == ending
            assert (stage.due(), list(stage.drain())) == (None, []), "nothing is left in it"

    @of(lasts)
    @given(data=_chunks, ending=st.sampled_from([FIN, RST]), waits=_gaps)
    @_some
    def test_whatever_becomes_of_the_bytes_the_ending_comes_once_and_last(
        self, fault: Fault, data: list[bytes], ending: Item, waits: list[float]
    ) -> None:
        for stage in damage(fault).stages.values():
            out = through(stage, [*map(Bytes, data[:11]), ending], waits)

            assert [item for item in out if not isinstance(item, Bytes)] == [ending]
            assert out[-1] == ending

    @of(lasts)
    def test_what_a_stage_holds_is_bounded(self, fault: Fault) -> None:
        for stage in damage(fault).stages.values():
            held = 0
            while 0 < stage.room() < 1 << 40 and held <= 1 << 26:
                size = min(stage.room(), 1 << 18)
                passed = [item for item in stage.feed(Bytes(bytes(size)), 0.0) if isinstance(item, Bytes)]
                held += size - sum(len(item.data) for item in passed)
                if not held:
                    break  # it lets everything through
            assert held <= 1 << 25

    # ---- a flow with it

    @of(loses_nothing)
    @given(asked=st.binary(max_size=60), answered=st.binary(max_size=60), chance=_dice)
    @_some
    def test_arming_twice_and_healing_twice_is_harmless(
        self, fault: Fault, asked: bytes, answered: bytes, chance: Random
    ) -> None:
        twice = (Arm(fault), Arm(fault), Wait(0.5), Heal(), Heal())
        client, server = Pretended(asked, FIN), Pretended(answered, FIN)
        flow = Flow((Rule("test/one", AtOpen(), twice), Rule("test/other", AtOpen(), twice)))
        relay = SimulatedRelay(flow, client, server, chance)

        relay.run()

        assert (server.got, client.got) == (asked, answered)
        assert (server.got_ending, client.got_ending) == ("FIN", "FIN")
        assert relay.losses == dict.fromkeys(Leg, NO_LOSS)
        assert (flow.over, flow.discarded) == (True, 0)

    @of(lasts)
    @given(asked=st.binary(max_size=60), answered=st.binary(max_size=60), chance=_dice)
    @_some
    def test_for_ends_it(self, fault: LastingFault, asked: bytes, answered: bytes, chance: Random) -> None:
        spanned = spanning(fault, 0.5)
        client, server = Pretended(asked, None), Pretended(answered, None)
        when = AtAccept() if fault.at_accept else AtOpen()
        flow = Flow((Rule("test/rule", when, (Arm(spanned, spanned.span),)),))
        relay = SimulatedRelay(flow, client, server, chance)

        relay.run()

        ended = [fact for fact in relay.facts if isinstance(fact, FaultEnded)]
        assert [(fact.fault, fact.why) for fact in ended] == [(str(spanned), "its time is over")]
        assert relay.losses == dict.fromkeys(Leg, NO_LOSS)
        assert not any(flow.passage(leg).look or flow.passage(leg).credit == 0 for leg in Leg)
        if fault.lossless:
            assert (server.got, client.got) == (asked, answered)

    # ---- the door with it

    @of(lambda fault: fault.at_door)
    def test_a_door_is_open_again_when_all_that_shut_it_has_ended(self, fault: Fault) -> None:
        rules = tuple(
            Rule(f"test/{name}", AtApplied(), (Arm(fault, 1.0), Arm(fault, 2.0), Wait(5.0), Heal(), Heal()))
            for name in ("one", "other")
        )
        table = FlowTable(Dice.seeded(0))

        def doors(commands: Sequence[object]) -> list[object]:
            return [command.door for command in commands if isinstance(command, SetDoor)]

        done = damage(fault)
        before = doors(table.handle(RulesChanged(rules), 0.0))
        if done.table is not None:
            assert before == [], "there is room in the table"
            for _ in range(5000):
                table.admit("127.0.0.1", 0.5)
            before = doors(table.handle(FlowsChanged(), 0.5))
        assert before == [done.door]
        assert doors(table.handle(Woke(), 1.5)) == []
        assert doors(table.handle(Woke(), 2.5)) == [OPEN_DOOR]
        assert doors(table.handle(Woke(), 6.0)) == []
        assert table.deadline() is None
