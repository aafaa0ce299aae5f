"""All cases of a suite, several at once: each worker has proxies in a process of its own, and plays one at a time."""

from __future__ import annotations

import queue
import shlex
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import bustedwall
from bustedwall.child.process import Process
from bustedwall.suite.filling import filled
from bustedwall.suite.ground import Ground
from bustedwall.suite.perform import InterruptedCaseError, Performance
from bustedwall.suite.plan import Case, Suite
from bustedwall.suite.remains import Remains
from bustedwall.suite.result import CaseResult, SuiteResult
from bustedwall.suite.service import BrokenError, Running
from bustedwall.suite.turn import Turn

Told = Callable[[CaseResult], None]
"""Hears of each case once it is over, in the order in which they end; in the thread that runs the suite."""


@dataclass(frozen=True, slots=True)
class Order:
    """What of a suite is to be played, and how."""

    suite: Suite
    cases: Sequence[Case]
    seed: int
    jobs: int = 1
    repeat: int = 1
    """How often each case is played."""


class InterruptedRunError(KeyboardInterrupt):
    """Ctrl-C has come: all has been ended, and some cases were not played."""


def play(order: Order, told: Told) -> SuiteResult:
    """Play the cases; whatever was started has ended when it returns, and when it raises.

    Raises InterruptedRunError.
    """
    at, began = datetime.now(UTC), time.monotonic()
    turns = [Turn(case, time) for time in range(1, order.repeat + 1) for case in order.cases]
    jobs = max(1, min(order.jobs, len(turns)))
    results: dict[int, CaseResult] = {}
    with _remains() as (remains, folder):
        stop = threading.Event()
        try:
            for index, result in _played(order, turns, jobs, remains, folder, stop):
                results[index] = result
                told(result)
        except KeyboardInterrupt as error:
            raise InterruptedRunError from error
    return SuiteResult(
        suite=order.suite.name,
        file=str(order.suite.path),
        seed=order.seed,
        bustedwall=bustedwall.__version__,
        at=at.isoformat(),
        seconds=round(time.monotonic() - began, 3),
        jobs=jobs,
        cases=tuple(results[index] for index in sorted(results)),
    )


def again(suite: Suite, seed: int) -> str:
    """Return the command that repeats a suite."""
    return shlex.join(["bustedwall", "test", str(suite.path), "--seed", str(seed)])


@contextmanager
def _remains() -> Iterator[tuple[Remains, Path]]:
    remains = Remains()
    try:
        with tempfile.TemporaryDirectory(prefix="bustedwall-", ignore_cleanup_errors=True) as folder:
            remains.folder(folder)
            yield remains, Path(folder)
    finally:
        remains.clear()


def _played(
    order: Order,
    turns: Sequence[Turn],
    jobs: int,
    remains: Remains,
    folder: Path,
    stop: threading.Event,
) -> Iterator[tuple[int, CaseResult]]:
    repeats = again(order.suite, order.seed)
    with ExitStack() as stack:
        try:
            services = _services(order.suite, folder, remains, stack)
            upstreams = {proxy.name: filled(proxy.upstream, _names(services)) for proxy in order.suite.proxies}
        except BrokenError as error:
            yield from ((index, turn.broken(str(error), repeats)) for index, turn in enumerate(turns))
            return
        home = order.suite.path.parent.resolve()
        ground = Ground(home, upstreams, _names(services), folder, remains, stop, repeats)
        crew = _Crew(turns, order, ground, services)
        stack.callback(crew.end)
        yield from crew.results(jobs)


def _services(suite: Suite, folder: Path, remains: Remains, stack: ExitStack) -> list[Running]:
    """Start the services, one after the other; each ends with the stack."""
    running: list[Running] = []
    for service in suite.services:
        own = folder / service.name
        try:
            own.mkdir(mode=0o777)
            own.chmod(0o777)  # a service may be somebody else's, as a database started by root has to be
            folder.chmod(0o711)
        except OSError as error:
            raise BrokenError(f"service {service.name} has no folder: {error}") from error
        one = Running(service, _names(running), own, suite.path.parent.resolve(), remains)
        stack.callback(one.end)
        running.append(one)
    return running


def _names(services: Sequence[Running]) -> Mapping[str, object]:
    return {name: value for service in services for name, value in service.names.items()}


class _Crew:
    """The workers of one run."""

    def __init__(self, turns: Sequence[Turn], order: Order, ground: Ground, services: Sequence[Running]) -> None:
        self._order = order
        self._ground = ground
        self._services = services
        self._turns: queue.SimpleQueue[tuple[int, Turn]] = queue.SimpleQueue()
        for numbered in enumerate(turns):
            self._turns.put(numbered)
        self._left = len(turns)
        self._over: queue.SimpleQueue[tuple[int, CaseResult] | BaseException] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def results(self, jobs: int) -> Iterator[tuple[int, CaseResult]]:
        """Yield what comes of each turn, as they end."""
        self._threads = [threading.Thread(target=self._work) for _ in range(jobs)]
        for thread in self._threads:
            thread.start()
        while self._left:
            over = self._over.get()
            if isinstance(over, BaseException):
                raise over  # a bug of ours
            self._left -= 1
            yield over

    def end(self) -> None:
        """Have the workers end; wait until they have."""
        self._ground.stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        process: Process | None = None
        try:
            while not self._ground.stop.is_set():
                try:
                    index, turn = self._turns.get_nowait()
                except queue.Empty:
                    return
                if process is not None and not process.alive:
                    process.end()
                    process = None
                if process is None:
                    try:
                        process = self._started()
                    except (RuntimeError, OSError) as error:
                        self._over.put((index, turn.broken(str(error), self._ground.again)))
                        continue
                self._over.put((index, self._one(turn, process)))
        except InterruptedCaseError:
            pass  # nobody waits for it any more
        except BaseException as error:  # noqa: BLE001 (whoever waits for results raises it)
            self._over.put(error)
        finally:
            if process is not None:
                process.end()

    def _started(self) -> Process:
        process = Process(self._order.seed, time_scale=self._order.suite.time_scale)
        process.wait()
        return process

    def _one(self, turn: Turn, process: Process) -> CaseResult:
        trouble = self._trouble()
        if trouble is None:
            try:
                result = Performance(turn, self._ground, process).play()
            except OSError as error:  # its folder, or a connection to the proxies; the others may have theirs
                return turn.broken(f"it cannot be played here: {error}", self._ground.again)
            trouble = self._trouble()
        return turn.broken(trouble, self._ground.again) if trouble else result

    def _trouble(self) -> str | None:
        return next(filter(None, (service.trouble() for service in self._services)), None)
