"""Facts on their way to a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.record.test_record import entry

from bustedwall.record import writer
from bustedwall.record.journal import Journal
from bustedwall.terms.facts import Fact, FactsDropped, JournalTroubled, PeerLost
from bustedwall.terms.leg import Leg
from bustedwall.terms.trouble import Trouble

LOST = PeerLost(Leg.CLIENT, "ECONNRESET")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_journal_is_appended_to(tmp_path: Path) -> None:
    path, told = tmp_path / "run.jsonl", list[Fact]()
    for leg in Leg:
        journal = Journal(path, told.append)
        journal.take(entry(PeerLost(leg, "ECONNRESET")))
        journal.close()

    assert [(fact["fact"], fact["leg"]) for fact in lines(path)] == [("peer-lost", leg.value) for leg in Leg]
    assert not told


def test_a_torn_line_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"schema": 1}\n{"schema": 1, "fa')
    journal = Journal(path, [].append)
    journal.take(entry(LOST))
    journal.close()

    whole, torn, after = path.read_text().splitlines()
    assert (whole, torn) == ('{"schema": 1}', '{"schema": 1, "fa')
    assert json.loads(after)["fact"] == "peer-lost"


def test_a_full_disk_costs_facts_and_nothing_else() -> None:
    told: list[Fact] = []
    journal = Journal(Path("/dev/full"), told.append)
    journal.take(entry(LOST))
    journal.take(entry(LOST))
    journal.close()

    assert journal.dropped == 2
    assert told == [JournalTroubled(Trouble.UNWRITABLE, "ENOSPC")]


def test_where_facts_are_missing_the_journal_says_how_many(tmp_path: Path) -> None:
    path, told = tmp_path / "run.jsonl", list[Fact]()
    journal = Journal(path, told.append, room=1 << 12)
    for _ in range(100):
        journal.take(entry(LOST))
    journal.close()

    missing = [fact for fact in lines(path) if fact["fact"] == "facts-dropped"]
    assert sum(fact["count"] for fact in missing) == journal.dropped > 0
    assert len(lines(path)) - len(missing) == 100 - journal.dropped
    assert [fact for fact in told if isinstance(fact, FactsDropped)] == [FactsDropped(f["count"]) for f in missing]
    assert JournalTroubled(Trouble.SLOW, None) in told


def test_a_pipe_may_be_the_journal_whether_or_not_somebody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    journal = Journal(path, [].append)  # here it would wait for a reader
    journal.take(entry(LOST))
    with path.open() as reader:
        assert json.loads(reader.readline())["fact"] == "peer-lost"
    journal.take(entry(LOST))  # here it would end with EPIPE
    with path.open() as reader:
        assert json.loads(reader.readline())["fact"] == "peer-lost"
        monkeypatch.setattr(writer, "_PATIENCE", 10.0)
        journal.close()
        assert reader.read() == ""
    assert journal.dropped == 0
