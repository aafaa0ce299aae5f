"""The state is told again although it could not be told once."""

from __future__ import annotations

from threading import Thread

import pytest
from twisted.internet.task import Clock

from bustedwall.cli import telling
from bustedwall.cli.telling import Telling
from bustedwall.terms.facts import StateTold


def test_where_no_thread_is_to_be_had_that_is_told_and_the_next_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    monkeypatch.setattr(telling, "document", lambda *_: iter(["{}"]))
    told: list[StateTold] = []
    state = Telling(Clock(), None, None, dict, told.append)
    state.begin()
    state.begin()

    assert told == [StateTold("stdout", 0, "can't start new thread")] * 2
