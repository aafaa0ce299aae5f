"""What is looked at once a second, with a clock of the test's own."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from bustedwall.relay.vigil import INTERVAL, JUMP, LATE, STUCK, Vigil
from bustedwall.terms.facts import ClockJumped, Fact, LegBlocked, ProcessStalled
from bustedwall.terms.leg import Leg


class Stub(SimpleNamespace):
    """Like a leg it is no other's equal."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # a namespace has none


class Watch:
    """A vigil, what it sees and what it tells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 100.0
        self.wall = 5000.0
        self.facts: list[Fact] = []
        self.blocked: set[Any] = set()
        monkeypatch.setattr(time, "monotonic", lambda: self.time)
        monkeypatch.setattr(time, "time", lambda: self.wall)
        self.due: float | None = None
        timers: Any = SimpleNamespace(now=lambda: self.time, set=lambda _, when: setattr(self, "due", when))
        self.vigil = Vigil(timers, self.blocked, self.facts.append)

    def go_on(self, seconds: float, *, late: float = 0.0, wall: float = 0.0) -> None:
        """Let time pass, look by look; the first look is late, and the wall clock goes otherwise by so much."""
        for _ in range(int(seconds / INTERVAL)):
            assert self.due == self.time + INTERVAL
            self.time += INTERVAL + late
            self.wall += INTERVAL + late + wall
            late = wall = 0.0
            self.vigil.wake(self.time)

    def leg(self, name: Leg = Leg.CLIENT) -> Any:  # noqa: ANN401 (as much of a leg as a vigil looks at)
        leg: Any = Stub(
            name=name,
            dead=False,
            blocked=True,
            peer=SimpleNamespace(moved=7),
            flow=SimpleNamespace(note=self.facts.append),
            piped=5,
            pending=[b"abc"],
        )
        self.blocked.add(leg)
        return leg


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def test_all_is_well_and_nothing_is_told(watch: Watch) -> None:
    watch.go_on(60)

    assert watch.facts == []


@pytest.mark.parametrize(("late", "told"), [(LATE, []), (LATE + 0.5, [ProcessStalled(LATE + 0.5)])])
def test_a_process_that_had_no_turn_is_told(watch: Watch, late: float, told: list[Fact]) -> None:
    watch.go_on(1, late=late)

    assert watch.facts == told


@pytest.mark.parametrize(
    ("jump", "told"),
    [
        (JUMP, []),
        (-JUMP, []),
        (-86400.0, [ClockJumped(-86400.0)]),
        (2.0, [ClockJumped(2.0)]),
    ],
)
def test_a_clock_that_is_set_is_told_once(watch: Watch, jump: float, told: list[Fact]) -> None:
    watch.go_on(5, wall=jump)

    assert watch.facts == told


def test_a_leg_whose_kernel_takes_nothing_is_told_once(watch: Watch) -> None:
    watch.leg()
    watch.go_on(STUCK)
    assert watch.facts == []

    watch.go_on(1)
    assert watch.facts == [LegBlocked(Leg.CLIENT, STUCK, 8)]
    watch.go_on(10 * STUCK)
    assert len(watch.facts) == 1


def test_who_takes_a_byte_in_time_is_not_stuck_and_may_be_later(watch: Watch) -> None:
    leg = watch.leg()
    for _ in range(20):
        watch.go_on(STUCK)
        leg.peer.moved += 1
    assert watch.facts == []

    watch.go_on(STUCK + 2)
    leg.peer.moved += 1
    watch.go_on(STUCK + 2)
    assert watch.facts == [LegBlocked(Leg.CLIENT, STUCK, 8)] * 2


@pytest.mark.parametrize(("key", "value"), [("dead", True), ("blocked", False)])
def test_a_leg_for_which_nothing_waits_any_more_is_forgotten(watch: Watch, key: str, value: object) -> None:
    leg = watch.leg()
    watch.go_on(2)
    setattr(leg, key, value)
    watch.go_on(1)

    assert watch.blocked == set()
    assert not watch.vigil._stuck


def test_it_looks_no_more_when_it_is_closed(watch: Watch) -> None:
    watch.vigil.close()

    assert watch.due is None
