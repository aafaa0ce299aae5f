"""One case, from its proxies to its verdict: what `stage` decides is done here, by one thread that blocks."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bustedwall.child.process import Process
from bustedwall.client import ControlError, Json, NotMetError
from bustedwall.client.effect import EVIDENCE, PROVEN
from bustedwall.client.turns import seen_twice
from bustedwall.client.words import OF_THE_API, fields_of
from bustedwall.suite.filling import filled
from bustedwall.suite.ground import Ground, own_folder, variables
from bustedwall.suite.judge import Seen, verdict, waiting
from bustedwall.suite.lines import Lines
from bustedwall.suite.program import CannotStartError, Program
from bustedwall.suite.recovery import Recovery, carried
from bustedwall.suite.result import CaseResult, Happened, Verdict
from bustedwall.suite.sampling import Sampling
from bustedwall.suite.sought import sought, with_names
from bustedwall.suite.stage import Act, Ending, Known, Stage
from bustedwall.suite.turn import Turn
from bustedwall.suite.written import Written

SOON = 0.02
"""Seconds between two looks while a part waits for something."""

LATER = 0.1
"""Seconds between two looks while there is nothing to wait for but the end."""

SETTLE = 1.0
"""Seconds that connections may take to end after their program."""

MOST_FACTS = 100_000
"""Facts of a case that are looked at; one of more cannot be judged."""

TOLD = 5_000
"""Facts of a case that its report has; the first and the last ones."""


class TooManyFactsError(Exception):
    """More has happened than is looked at."""


class InterruptedCaseError(Exception):
    """The run is to end before the case has."""


class Performance:
    """One case in one process of proxies, which does nothing else meanwhile."""

    def __init__(self, turn: Turn, ground: Ground, process: Process) -> None:
        self._turn = turn
        self._case = turn.case
        self._ground = ground
        self._process = process
        self._known = Known()
        self._lines = Lines()
        scenario = turn.case.scenario
        self._stage = Stage(scenario.phases, scenario.within)
        self._proxies = {f"{turn.prefix}.{name}": name for name in ground.upstreams}
        """By the name that the process knows, as the suite calls it."""
        self._last = 0
        self._stopped = False
        """It is we who have ended the program."""
        self._open_at_end = 0
        self._sampling = Sampling(scenario.within)
        self._recovery: Recovery | None = None
        """None: it is not healed yet, or nobody asks how soon it goes on."""

    def play(self) -> CaseResult:
        """Play it; raises InterruptedCaseError, and OSError where there is no folder for it."""
        with self._process.client() as client, own_folder(self._ground.scratch) as folder:
            self._client = client
            self._began = time.monotonic()
            self._at = datetime.now(UTC)
            self._last = client.last()
            try:
                return self._play(folder)
            except CannotStartError as error:
                return self._result(Verdict.BROKEN, (str(error),), None)
            except TooManyFactsError:
                why = f"more than {MOST_FACTS:,} facts have come: make fewer connections, or fewer rules fire"
                return self._result(Verdict.BROKEN, (why,), None)
            except ControlError as error:
                return self._result(Verdict.BROKEN, (f"the proxies refused: {error}",), None)
            except OSError as error:
                said = self._process.said()
                why = f"the proxies cannot be asked any more: {error}{f': {said}' if said else ''}"
                return self._result(Verdict.BROKEN, (why,), None)
            finally:
                self._remove()

    def _play(self, folder: Path) -> CaseResult:
        names = dict(self._open())
        words = {**self._ground.known, **names, "folder": folder, "python": sys.executable}
        scenario = with_names(self._case.scenario, words)
        self._case = replace(self._case, scenario=scenario)
        self._known.written = Written(sought(scenario))
        self._stage = Stage(scenario.phases, scenario.within)
        self._do(self._stage.begin())
        env = {name: filled(text, words) for name, text in scenario.env.items()}
        program = Program(
            [filled(word, words) for word in scenario.run],
            {**variables(names), "BUSTEDWALL_CONTROL": self._client.address, **env},
            self._ground.home,
            self._ground.remains,
        )
        started = self._now()
        try:
            self._watch(program)
        except BaseException:
            program.stop(self._heard, grace=0.0)
            raise
        ended = self._now()
        if not self._stopped:
            program.rest(self._heard)
        return self._judged(program.exit if not self._stopped else None, ended - started)

    # ---- while the program runs

    def _watch(self, program: Program) -> None:
        while self._stage.ending is None:
            if self._ground.stop.is_set():
                raise InterruptedCaseError
            self._heard(program.read(SOON if self._stage.waits or self._recovers else LATER))
            over = program.exit is not None
            self._look()
            acts = self._stage.program_ended(self._known) if over else self._stage.look(self._known)
            if Act.STOP in acts and not over:
                self._open_at_end = self._known.open_flows()
                program.stop(self._heard)
                self._stopped = True
            self._do(acts)

    def _look(self) -> None:
        """Learn what has happened."""
        for told in self._client.facts(after=self._last):
            self._last = told["number"]
            if told["fact"] in OF_THE_API:
                continue
            if len(self._known.facts) == MOST_FACTS:
                raise TooManyFactsError
            self._known.facts.append(self._happened(told))
        self._known.at = self._now()
        self._sampling.take(self._known.at, self._client, self._proxies)
        if self._recovers and self._recovery is not None:
            now = carried(self._client, self._proxies)
            self._recovery.look(self._now(), now)

    def _happened(self, told: Json) -> Happened:
        at = (datetime.fromisoformat(told["at"]) - self._at).total_seconds()
        return Happened(round(at, 6), self._proxies.get(told["proxy"]), told["flow"], told["fact"], fields_of(told))

    def _heard(self, data: bytes) -> None:
        if data:
            self._known.written.add(self._lines.add(self._now(), data))

    def _do(self, acts: list[Act]) -> None:
        for act in acts:
            match act:
                case Act.BREAK:
                    self._break()
                case Act.FIRE:
                    for signal in self._stage.signals:
                        self._client.fire(signal)
                case Act.HEAL:
                    self._heal()
                case Act.STOP:
                    pass  # whoever holds the program does it

    def _break(self) -> None:
        for policy in self._case.policies:
            if policy.text is not None:
                self._client.define(policy.name, policy.text)
        uses = [{policy.name: dict(policy.given)} for policy in self._case.policies]
        for name, own in self._proxies.items():
            if not self._case.scenario.on or own in self._case.scenario.on:
                self._client.proxy(name).use(uses)

    def _heal(self) -> None:
        if self._stage.ending is None and self._case.scenario.expect.recovered is not None:
            before = carried(self._client, self._proxies)
            self._look()  # what has closed until now has not recovered
            self._recovery = Recovery(before, len(self._known.facts))
        for name in self._proxies:
            self._client.proxy(name).clear()

    @property
    def _recovers(self) -> bool:
        return self._recovery is not None and not self._recovery.over

    # ---- before and after

    def _open(self) -> Iterator[tuple[str, object]]:
        """Have the proxies; yield what is known of each by its name."""
        for name, own in self._proxies.items():
            proxy = self._client.proxy(name)
            turns = self._case.scenario.expect.turns_twice is not None
            proxy.put(upstream=self._ground.upstreams[own], turns=turns)
            host, port = proxy.address
            yield from ((f"{own}.host", host), (f"{own}.port", port), (f"{own}.address", f"{host}:{port}"))

    def _judged(self, code: int | None, seconds: float) -> CaseResult:
        self._settle()
        ending = self._stage.ending
        assert ending is not None
        if ending is Ending.PROGRAM:
            self._open_at_end = self._known.open_flows()
        seen = Seen(
            self._known,
            ending,
            self._stage.unmet,
            code,
            seconds,
            self._stage.over,
            None if self._recovery is None else self._recovery.at(self._known.facts),
            len(seen_twice({**one.told, "fact": one.fact, "proxy": one.proxy} for one in self._known.facts)),
            self._open_at_end,
        )
        said, why = verdict(self._case, seen)
        return self._result(said, why, code)

    def _settle(self) -> None:
        """Wait for the evidence of what was done, and for connections to end whose number matters."""
        over = time.monotonic() + PROVEN
        self._look()
        while waiting(self._case, self._known.facts) and (left := over - time.monotonic()) > 0:
            with contextlib.suppress(NotMetError):
                self._client.wait_fact(EVIDENCE, after=self._last, within=left)
            self._look()
        if self._case.scenario.expect.open_at_end is not None and not self._stopped:
            over = time.monotonic() + SETTLE
            while self._known.open_flows() and time.monotonic() < over:
                time.sleep(SOON)
                self._look()

    def _remove(self) -> None:
        for name in self._proxies:
            with contextlib.suppress(ControlError, OSError):  # there is none, or nobody who has any
                self._client.proxy(name).delete(drain=0)
        for policy in self._case.policies:
            if policy.text is not None:  # the next case may mean another of this name
                with contextlib.suppress(ControlError, OSError):
                    self._client.undefine(policy.name)

    def _result(self, said: Verdict, why: tuple[str, ...], code: int | None) -> CaseResult:
        return replace(
            self._turn.result(said, why, self._ground.again),
            seconds=round(self._now(), 3),
            exit=code,
            phases=tuple(self._stage.over),
            lines=self._lines.kept,
            lines_left_out=self._lines.left_out,
            facts=_ends(self._known.facts),
            facts_left_out=max(0, len(self._known.facts) - TOLD),
            samples=tuple(self._sampling.samples),
        )

    def _now(self) -> float:
        return time.monotonic() - self._began


def _ends(facts: Sequence[Happened]) -> tuple[Happened, ...]:
    half = TOLD // 2
    return tuple(facts) if len(facts) <= TOLD else (*facts[:half], *facts[-half:])
