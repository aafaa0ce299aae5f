"""The parts of a case, and when each begins: decided from what is known, by nobody's clock.

A case is warm, then broken, then healed:

    warm ──over──▶ break ──over──▶ heal ──over──▶ the program is stopped
      │              │               │
      └──────────────┴── the program has ended, or `within` is over ──▶ the end

A part that the scenario does not name is passed over at once, but for `break`, which then lasts to the end of
the program. A part is over when its time is, or when all that it waits for is so. Where that does not come in
time the case ends there, and the judge is told what was waited for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bustedwall.client.effect import meant
from bustedwall.suite.phases import Phases, Until, WrittenPhase
from bustedwall.suite.result import Happened, Phase, PhaseName
from bustedwall.suite.written import Written


class Act(Enum):
    """What is to be done now, in this order."""

    BREAK = "apply the policies"
    FIRE = "fire the signals of the part that begins"
    HEAL = "take the policies away"
    STOP = "stop the program"


class Ending(Enum):
    """Why a case has ended."""

    PROGRAM = "the program has ended"
    PHASES = "its last part was over"
    PHASE_LATE = "a part was not over in time"
    LATE = "the program has not ended in time"


@dataclass(slots=True)
class Known:
    """What a case has seen so far."""

    facts: list[Happened] = field(default_factory=list)
    written: Written = field(default_factory=Written)
    """What the program has written."""
    at: float = 0.0
    """Seconds since the case began, now."""

    def opened_flows(self) -> int:
        """Return how many connections have come."""
        return sum(fact.fact == "flow-accepted" for fact in self.facts)

    def open_flows(self) -> int:
        """Return how many flows are open."""
        count = 0
        for fact in self.facts:
            count += (fact.fact == "flow-accepted") - (fact.fact in {"flow-closed", "flow-failed"})
        return count


class Stage:
    """One case's parts."""

    def __init__(self, phases: Phases, within: float) -> None:
        self._written: dict[PhaseName, WrittenPhase | None] = {
            PhaseName.WARM: phases.warm,
            PhaseName.BREAK: phases.break_,
            PhaseName.HEAL: phases.heal,
        }
        self._within = within
        self._now: PhaseName | None = None
        self._began = 0.0
        self._fact = 0
        """How many facts there were when this part began."""
        self.over: list[Phase] = []
        """The parts that have ended."""
        self.ending: Ending | None = None
        """None: it goes on."""
        self.unmet = ""
        """What was waited for in vain, as a sentence goes on."""

    @property
    def signals(self) -> Sequence[str]:
        """What is fired when the part begins that it is in."""
        here = self._here()
        return () if here is None else here.fire

    @property
    def waits(self) -> bool:
        """Tell whether something is waited for but the end of the program, or of a time."""
        here = self._here()
        return here is not None and here.until is not None

    def begin(self) -> list[Act]:
        """Return what is to be done before the program starts."""
        first = PhaseName.WARM if self._written[PhaseName.WARM] else PhaseName.BREAK
        return self._enter(first, Known())

    def look(self, known: Known) -> list[Act]:
        """Return what is to be done, now that so much is known."""
        if self.ending is not None or self._now is None:
            return []
        # One step at a time: the signals that are to be fired are those of the part that it is in.
        return self._next(known) if self._is_over(known) else self._too_late(known)

    def program_ended(self, known: Known) -> list[Act]:
        """Return what is to be done once the program has ended by itself."""
        acts = self.look(known)
        return acts if self.ending else [*acts, *self._end(Ending.PROGRAM, known)]

    def _here(self) -> WrittenPhase | None:
        return None if self._now is None else self._written[self._now]

    def _is_over(self, known: Known) -> bool:
        here = self._here()
        if here is None:
            return False  # to the end of the program
        if here.until is not None:
            return not self._lacking(here.until, known) and known.at >= self._began + (here.for_ or 0.0)
        return here.for_ is not None and known.at >= self._began + here.for_

    def _too_late(self, known: Known) -> list[Act]:
        here = self._here()
        if here is not None and here.until is not None and known.at >= self._began + here.within:
            self.unmet = f"{self._lacking(here.until, known)} within {here.within:g} s"
            return self._end(Ending.PHASE_LATE, known)
        return self._end(Ending.LATE, known) if known.at >= self._within else []

    def _next(self, known: Known) -> list[Act]:
        assert self._now is not None
        if self._now is PhaseName.WARM:
            self._leave(known)
            return self._enter(PhaseName.BREAK, known)
        if self._now is PhaseName.BREAK and self._written[PhaseName.HEAL] is not None:
            self._leave(known)
            return self._enter(PhaseName.HEAL, known)
        return self._end(Ending.PHASES, known)

    def _enter(self, name: PhaseName, known: Known) -> list[Act]:
        self._now, self._began, self._fact = name, known.at, len(known.facts)
        acts = {PhaseName.BREAK: [Act.BREAK], PhaseName.HEAL: [Act.HEAL]}.get(name, [])
        return [*acts, Act.FIRE] if self.signals else acts

    def _leave(self, known: Known) -> None:
        assert self._now is not None
        self.over.append(Phase(self._now, self._began, known.at))

    def _end(self, ending: Ending, known: Known) -> list[Act]:
        healed = self._now is PhaseName.HEAL
        self._leave(known)
        self._now, self.ending = None, ending
        return [Act.STOP] if healed else [Act.STOP, Act.HEAL]

    def _lacking(self, until: Until, known: Known) -> str:
        """Return what is not there yet, as a sentence goes on; nothing: all is."""
        return next(_lacks(until, known, known.facts[self._fact :]), "")


def _lacks(until: Until, known: Known, recent: Sequence[Happened]) -> Iterator[str]:
    if until.flows is not None and (count := known.opened_flows()) < until.flows:
        yield f"it opened {count} connections, and not {until.flows},"
    if until.open is not None and not until.open.allow(count := known.open_flows()):
        yield f"{count} connections were open, and not {until.open},"
    if until.fired is not None and _fired(until.fired, recent) < until.times:
        yield f"{until.fired} did not fire{_so_often(until.times)}"
    if until.fact is not None and sum(one.fact == until.fact for one in recent) < until.times:
        yield f"the fact {until.fact} did not come{_so_often(until.times)}"
    if until.signal is not None and not any(_is_signal(until.signal, one) for one in recent):
        yield f"nobody fired the signal {until.signal}"
    if until.output is not None and not known.written.has(until.output):
        yield f"the program did not write {until.output!r}"


def _is_signal(name: str, fact: Happened) -> bool:
    return fact.fact == "signal-fired" and fact.told.get("signal") == name


def _fired(rule: str, facts: Sequence[Happened]) -> int:
    return sum(one.fact == "rule-fired" and meant(rule, str(one.told.get("rule"))) for one in facts)


def _so_often(times: int) -> str:
    return "" if times == 1 else f" {times} times"
