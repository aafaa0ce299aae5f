"""Metrics in a file: whole at any moment, and no concern of the run where they cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger

from bustedwall.record import textfile
from bustedwall.record.textfile import EVERY, TextFile


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[LogEvent]:
    """What is told of files that cannot be written."""
    events: list[LogEvent] = []
    monkeypatch.setattr(textfile, "log", Logger(observer=events.append))
    return events


def written(file: TextFile) -> None:
    """Wait until a writing that has begun is done."""
    assert file._thread is not None
    file._thread.join(10)


def test_it_is_replaced_again_and_again_and_once_more_at_the_end(tmp_path: Path, told: list[LogEvent]) -> None:
    registry, clock, path = CollectorRegistry(), Clock(), tmp_path / "run.prom"
    gauge = Gauge("moment", "A moment.", registry=registry)
    file = TextFile(clock, path, registry)
    assert "moment 0.0" in path.read_text()
    gauge.set(1)
    clock.advance(EVERY)
    written(file)
    assert "moment 1.0" in path.read_text()
    gauge.set(2)
    file.close()

    assert "moment 2.0" in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["run.prom"]
    assert not clock.getDelayedCalls()
    assert not told


def test_what_cannot_be_written_is_told_once_until_it_can(tmp_path: Path, told: list[LogEvent]) -> None:
    folder, moved, clock = tmp_path / "folder", tmp_path / "moved", Clock()
    folder.mkdir()
    file = TextFile(clock, folder / "run.prom", CollectorRegistry())
    for home, away in ((folder, moved), (moved, folder), (folder, moved)):
        home.rename(away)
        for _ in range(2):
            clock.advance(EVERY)
            written(file)
    file.close()

    assert len(told) == 2
    assert {event["error"] for event in told} == {"No such file or directory"}


def test_what_cannot_be_written_at_first_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        TextFile(Clock(), tmp_path / "no" / "run.prom", CollectorRegistry())
