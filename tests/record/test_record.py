"""Facts on their way to a file and to a person."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bustedwall.record.journal import Journal
from bustedwall.record.log import DAILY, TextLog, text
from bustedwall.record.stream import Entry, Stream
from bustedwall.terms import facts
from bustedwall.terms.facts import Fact, FlowAccepted, LossSet, PeerLost, ResetSent, RuleFired
from bustedwall.terms.leg import Leg

AT = datetime(2026, 11, 25, 10, 20, 30, 40_000, tzinfo=UTC)

KINDS = [
    kind for kind in vars(facts).values() if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact
]


def entry(fact: Fact, flow: int | None = 7) -> Entry:
    return Entry(AT, "orders", flow, fact)


def test_fact_names_are_words_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_says_what_it_is(kind: type[Fact]) -> None:
    assert kind.__doc__
    assert kind.name == kind.name.lower()


def test_the_journal_is_one_json_object_per_line_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for leg in Leg:
        journal = Journal(path)
        journal.take(entry(PeerLost(leg, "ECONNRESET")))
        journal.close()

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {
            "schema": 1,
            "at": "2026-11-25T10:20:30.040000+00:00",
            "proxy": "orders",
            "flow": 7,
            "fact": "peer-lost",
            "leg": leg.value,
            "error": "ECONNRESET",
        }
        for leg in Leg
    ]


def test_a_full_disk_costs_facts_and_nothing_else() -> None:
    journal = Journal(Path("/dev/full"))
    journal.take(entry(PeerLost(Leg.CLIENT, "ECONNRESET")))
    journal.take(entry(PeerLost(Leg.CLIENT, "ECONNRESET")))
    journal.close()

    assert journal.dropped == 2


def test_a_line_for_a_person_has_when_where_what_and_why() -> None:
    assert text(entry(ResetSent(Leg.CLIENT, "gave-up-rst/lose-then-reset"))) == (
        "10:20:30.040 orders#7 reset-sent leg=client cause=gave-up-rst/lose-then-reset"
    )
    assert text(entry(LossSet(Leg.CLIENT, ("all from",), None), flow=None)) == (
        "10:20:30.040 orders loss-set leg=client losses=all-from"
    )


def test_a_person_is_not_told_what_every_flow_does_unless_he_asks() -> None:
    quiet, chatty = io.StringIO(), io.StringIO()
    for fact in (FlowAccepted("127.0.0.1:9"), RuleFired("a/b", 1, 0, 1)):
        TextLog(quiet).take(entry(fact))
        TextLog(chatty, daily=True).take(entry(fact))

    assert [line.split()[2] for line in quiet.getvalue().splitlines()] == ["rule-fired"]
    assert [line.split()[2] for line in chatty.getvalue().splitlines()] == ["flow-accepted", "rule-fired"]
    assert FlowAccepted in DAILY


def test_a_closed_terminal_is_no_concern_of_the_data_plane() -> None:
    out = io.StringIO()
    out.close()

    TextLog(out).take(entry(RuleFired("a/b", 1, 0, 1)))


def test_every_reader_gets_the_same_entry() -> None:
    class Keep:
        def __init__(self) -> None:
            self.entries: list[Entry] = []

        def take(self, entry: Entry) -> None:
            self.entries.append(entry)

    one, other = Keep(), Keep()
    Stream([one, other]).record("orders", 1, RuleFired("a/b", 1, 0, 1))

    assert one.entries == other.entries
    assert one.entries[0].at.tzinfo is UTC
