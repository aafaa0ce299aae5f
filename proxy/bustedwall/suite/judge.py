"""What came of a case: a verdict, and a sentence for each thing that is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bustedwall.client.effect import Effect, effect
from bustedwall.client.link import Json
from bustedwall.suite import gaps
from bustedwall.suite.expected import Expect
from bustedwall.suite.model import Scenario
from bustedwall.suite.plan import Applied, Case
from bustedwall.suite.result import Happened, Phase, PhaseName, Verdict
from bustedwall.suite.stage import Ending, Known
from bustedwall.suite.written import Written

_LAST_LINE = 160
"""Characters of the program's last line that a sentence quotes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known of a case once it is over."""

    known: Known
    ending: Ending
    unmet: str
    """What was waited for in vain."""
    exit: int | None
    """The program's; None: we have ended it."""
    seconds: float
    """How long it ran."""
    phases: Sequence[Phase]
    recovered: float | None
    """When the first byte of the server came after the healing; None: none did, or nobody asked."""
    twice: int
    """Turns that the server has seen again; 0 where the scenario does not ask."""
    open_at_end: int

    def phase(self, name: PhaseName) -> Phase | None:
        """Return when a part was, None: it was not."""
        return next((phase for phase in self.phases if phase.name is name), None)


def verdict(case: Case, seen: Seen) -> tuple[Verdict, tuple[str, ...]]:
    """Return how a case came out, and why."""
    broken = tuple(_broken(seen))
    if broken:
        return Verdict.BROKEN, broken
    effects = [effect(_facts(seen.known.facts), policy.name) for policy in case.policies]
    vacuous = [] if seen.phase(PhaseName.BREAK) else ["the program had ended before anything was broken"]
    vacuous += _vacuous(case, effects) if not vacuous else []
    failed = list(_failed(case.scenario, seen))
    if failed:
        return Verdict.FAILED, (*failed, *vacuous)
    if vacuous:
        return Verdict.VACUOUS, tuple(vacuous)
    return Verdict.PASSED, tuple(str(one) for one in effects)


def waiting(case: Case, facts: Sequence[Happened]) -> bool:
    """Tell whether the evidence of a fault is still to come, and would matter."""
    told = _facts(facts)
    effects = (effect(told, policy.name) for policy in case.policies)
    return case.scenario.expect.fired is not False and any(one.waiting and not one.effective for one in effects)


def _facts(facts: Sequence[Happened]) -> list[Json]:
    return [{**one.told, "fact": one.fact} for one in facts]


def _broken(seen: Seen) -> Iterator[str]:
    if seen.ending is Ending.PHASE_LATE and seen.phases and seen.phases[-1].name is PhaseName.WARM:
        yield f"nothing was broken yet, and what the warm part waits for did not come: {seen.unmet}"
    facts = seen.known.facts
    if any(one.fact == "flow-failed" for one in facts):
        yield "a bug of bustedwall has ended a connection: the program is not to blame"
    # No fault of ours keeps a flow from its server while it is dialled: whoever is not let in has no flow, and one
    # that is ended before has no address that failed. One server of several may be down, and the others not.
    reached = {one.proxy for one in facts if one.fact == "flow-opened"}
    failed = {one.proxy: one for one in reversed(facts) if one.fact == "address-failed" and one.proxy not in reached}
    for one in reversed(failed.values()):
        yield f"the server was never reached: {one.told['address']}: {one.told['error']}"


def _vacuous(case: Case, effects: Sequence[Effect]) -> list[str]:
    """Return what is to be said of each policy that had no effect, and had to have one."""
    pairs = zip(case.policies, effects, strict=True)
    missed = [one for policy, one in pairs if not one.effective and not _spared(policy, case.scenario.expect)]
    return [f"{one}: the program has not met it" for one in missed]


def _spared(policy: Applied, expect: Expect) -> bool:
    """Tell whether it was said that a policy need not fire: of it, or of each of its rules."""
    if isinstance(expect.fired, bool):
        return not expect.fired
    free = {name for name, count in expect.fired.items() if count.none_is_right}
    return policy.name in free or {f"{policy.name}/{rule}" for rule in policy.rules} <= free


def _failed(scenario: Scenario, seen: Seen) -> Iterator[str]:
    expect, facts = scenario.expect, seen.known.facts
    if seen.ending is Ending.PHASE_LATE:
        yield f"the {seen.phases[-1].name.value} part was not over in time: {seen.unmet}"
    yield from _exit(scenario, seen)
    yield from _output(expect, seen.known.written)
    if not expect.duration.allow(seen.seconds):
        bounds = expect.duration
        most = "" if bounds.at_most is None else f" and at most {bounds.at_most:g} s"
        yield f"it ran for {seen.seconds:.2f} s, expected at least {bounds.at_least:g} s{most}"
    for rule, count in (expect.fired if isinstance(expect.fired, dict) else {}).items():
        fired = effect(_facts(facts), rule).fired
        if not count.allow(fired):
            yield f"{rule} fired {_times(fired)}, expected {count}"
    yield from _connections(expect, seen)


def _exit(scenario: Scenario, seen: Seen) -> Iterator[str]:
    expected = scenario.expect.exit
    if seen.ending is Ending.LATE:
        if expected != "hangs":
            yield f"it had not ended after {scenario.within:g} s{_last_line(seen.known.written)}"
        return
    if expected == "hangs":
        if seen.exit is None:
            return  # it ran until its last part was over
        yield f"it ended with {_status(seen.exit)}, expected it to hang{_last_line(seen.known.written)}"
        return
    if seen.exit is None or expected == "any":
        return  # we have stopped it, as its last part was over
    right = seen.exit != 0 if expected == "nonzero" else seen.exit == expected
    if not right:
        wanted = "another status than 0" if expected == "nonzero" else expected
        yield f"it ended with {_status(seen.exit)}, expected {wanted}{_last_line(seen.known.written)}"


def _output(expect: Expect, written: Written) -> Iterator[str]:
    for part in expect.output.has:
        if not written.has(part):
            yield f"it did not write {part!r}{_last_line(written)}"
    for part in expect.output.lacks:
        if written.has(part):
            yield f"it wrote {part!r}"


def _connections(expect: Expect, seen: Seen) -> Iterator[str]:
    accepted = [one.at for one in seen.known.facts if one.fact == "flow-accepted"]
    if not expect.flows.allow(len(accepted)):
        yield f"it opened {_many(len(accepted), 'connection')}, expected {expect.flows}"
    broke = seen.phase(PhaseName.BREAK)
    if broke is not None:
        before = [at for at in accepted if at < broke.began][-1:]
        yield from gaps.complaints(expect.reconnects, [*before, *(at for at in accepted if at >= broke.began)])
    if expect.turns_twice is not None and not expect.turns_twice.allow(seen.twice):
        yield f"the server has seen {_many(seen.twice, 'turn')} twice, expected {expect.turns_twice}"
    if expect.open_at_end is not None and not expect.open_at_end.allow(seen.open_at_end):
        yield f"{_many(seen.open_at_end, 'connection')} still open at the end, expected {expect.open_at_end}"
    if expect.recovered is not None:
        yield from _recovery(expect.recovered.within, seen)


def _recovery(within: float, seen: Seen) -> Iterator[str]:
    heal = seen.phase(PhaseName.HEAL)
    if heal is None:
        yield "nothing was healed, so it could not recover: the scenario has no heal, or its break was not over"
        return
    if seen.recovered is None:
        since = heal.ended - heal.began
        yield f"it has not recovered: no byte of the server came in the {since:.2f} s since it was healed"
    elif (after := seen.recovered - heal.began) > within:
        yield f"it recovered {after:.2f} s after it was healed, expected {within:g} s"


def _status(code: int | None) -> str:
    return "no status" if code is None else f"signal {-code}" if code < 0 else f"exit {code}"


def _last_line(written: Written) -> str:
    line = written.last_line()
    if not line:
        return ""
    return f"; its last line: {line if len(line) <= _LAST_LINE else f'{line[:_LAST_LINE]}…'}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
