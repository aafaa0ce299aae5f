"""Two threads for what is much: each run is done once, and nothing goes on before all are over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from bustedwall.relay import crew
from bustedwall.relay.crew import Crew, Run

LONG = 10.0


class Task(Run):
    """A run that does what a test says."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act = act
        self.threads: list[str] = []

    def do(self) -> None:
        self.threads.append(threading.current_thread().name)
        self._act()

    def account(self) -> None:
        pass

    def follow(self) -> None:
        pass

    def on_failure(self) -> None:
        pass


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    """A crew on a machine with two processors."""
    monkeypatch.setattr(crew.os, "sched_getaffinity", lambda _: {0, 1})
    made = Crew()
    yield made
    made.close()


def here() -> str:
    return threading.current_thread().name


def test_one_run_is_done_on_the_callers_thread(two: Crew) -> None:
    task = Task(lambda: None)
    two.do([task])

    assert task.threads == [here()]


def test_two_runs_are_done_at_the_same_time(two: Crew) -> None:
    meeting = threading.Barrier(2, timeout=LONG)
    tasks = [Task(meeting.wait), Task(meeting.wait)]
    two.do(tasks)

    assert [task.bug for task in tasks] == [None, None], "neither waited for the other"
    assert {task.threads[0] for task in tasks} == {here(), "bustedwall-crew"}


def test_every_run_is_done_once_and_before_the_call_returns(two: Crew) -> None:
    for _ in range(200):
        tasks = [Task(os.sched_yield) for _ in range(9)]
        two.do(tasks)

        assert all(len(task.threads) == 1 for task in tasks)


def test_a_bug_is_kept_for_its_own_flow_and_the_second_thread_lives_on(two: Crew) -> None:
    meeting = threading.Barrier(2, timeout=LONG)

    def fail() -> None:
        meeting.wait()
        raise ZeroDivisionError

    for _ in range(2):
        tasks = [Task(fail), Task(fail)]
        two.do(tasks)

        assert [type(task.bug) for task in tasks] == [ZeroDivisionError, ZeroDivisionError]


def test_on_one_processor_there_is_no_second_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew.os, "sched_getaffinity", lambda _: {0})
    tasks = [Task(lambda: None) for _ in range(5)]
    Crew().do(tasks)

    assert [task.threads for task in tasks] == [[here()]] * 5


def test_the_second_thread_ends_with_the_crew(two: Crew) -> None:
    two.do([Task(lambda: None), Task(lambda: None)])
    two.close()

    assert not [thread for thread in threading.enumerate() if thread.name == "bustedwall-crew"]
