"""What was needed for a while and is not any more is given back."""

from __future__ import annotations

import os

import pytest

from bustedwall.relay import tidying
from bustedwall.relay.alarm import Sleeper
from bustedwall.relay.pipes import Pipes


class Bell:
    """Stands in for the alarm, and knows who is woken and when."""

    def __init__(self) -> None:
        self.woken: dict[Sleeper, float | None] = {}

    def now(self) -> float:
        return 100.0

    def set(self, sleeper: Sleeper, when: float | None) -> None:
        self.woken[sleeper] = when


def used(pipes: Pipes, count: int) -> list[int]:
    """Use so many pipes at once; return their descriptors."""
    borrowed = [pipe for pipe in (pipes.borrow() for _ in range(count)) if pipe is not None]
    assert len(borrowed) == count
    for pipe in borrowed:
        pipes.give_back(pipe)
    return [fd for pipe in borrowed for fd in pipe]


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_pipe_that_nobody_needs_from_one_tidying_to_the_next_is_given_back() -> None:
    pipes = Pipes()
    made = used(pipes, 5)
    pipes.tidy()
    assert all(map(is_open, made)), "all of them were needed since the last one, which there was not"
    assert set(used(pipes, 2)) <= set(made), "two are enough by now"
    pipes.tidy()
    assert sum(map(is_open, made)) == 2 * 2
    pipes.tidy()
    assert not any(map(is_open, made))
    assert len(used(pipes, 1)) == 2, "there are new ones for who needs them"
    pipes.give_up_idle()


def test_a_pipe_that_is_borrowed_is_no_spare_one() -> None:
    pipes = Pipes()
    used(pipes, 2)
    pipes.tidy()
    pipe = pipes.borrow()
    assert pipe is not None
    pipes.tidy()
    pipes.tidy()
    assert all(map(is_open, pipe))
    pipes.give_back(pipe)
    pipes.give_up_idle()
    assert not any(map(is_open, pipe))


def test_it_is_tidied_up_again_and_again_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(tidying.pipes, "tidy", lambda: done.append("pipes"))
    monkeypatch.setattr(tidying, "give_back", lambda: done.append("memory"))
    bell = Bell()
    tidy = tidying.Tidying(bell)  # type: ignore[arg-type]  # all that it needs of an alarm
    assert bell.woken == {tidy: 110.0}
    for _ in range(2):
        bell.woken.clear()
        tidy.wake(111.0)
        assert bell.woken == {tidy: 110.0}
    assert done == ["pipes", "memory"] * 2
    tidy.close()
    assert bell.woken == {tidy: None}
