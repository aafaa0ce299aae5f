"""Facts on their way to a program and to a person."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger
from twisted.python.failure import Failure

from bustedwall.record.form import Form
from bustedwall.record.line import line
from bustedwall.record.log import DAILY, Log, text
from bustedwall.record.stream import Entry, Stream
from bustedwall.terms import facts
from bustedwall.terms.facts import Fact, FlowAccepted, FlowClosed, LossSet, PeerLost, ResetSent, RuleFired, RunStarted
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


# ---- a line


@dataclass(frozen=True, slots=True)
class Anything(Fact):
    """All kinds of values that a fact may have."""

    name = "anything"
    text: str
    number: int
    share: float
    yes: bool
    leg: Leg
    words: tuple[str, ...]
    nothing: str | None


def test_a_line_is_one_json_object() -> None:
    assert line(entry(PeerLost(Leg.CLIENT, "ECONNRESET"))) == (
        '{"schema": 1, "at": "2026-11-25T10:20:30.040000+00:00", "proxy": "orders", "flow": 7, '
        '"fact": "peer-lost", "leg": "client", "error": "ECONNRESET"}'
    )


@given(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text()),
    st.datetimes(timezones=st.just(UTC)),
)
def test_a_line_says_what_the_fact_says(word: str, number: int, share: float, words: list[str], at: datetime) -> None:
    fact = Anything(word, number, share, yes=True, leg=Leg.SERVER, words=tuple(words), nothing=None)
    told = json.loads(line(Entry(at, word, number, fact)))

    assert "\n" not in line(Entry(at, word, number, fact))
    assert list(told) == ["schema", "at", "proxy", "flow", *fact.record()]
    assert told == {
        "schema": 1,
        "at": at.isoformat(timespec="microseconds"),
        "proxy": word,
        "flow": number,
        **fact.record(),
        "words": words,
    }


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_json_does_not_have_is_a_bug(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        line(entry(FlowClosed(1, 2, 0, number)))


# ---- the log


@contextmanager
def read_end() -> Iterator[tuple[int, list[str]]]:
    """A descriptor to write to, and the lines that were written by the end."""
    reading, writing = os.pipe()
    lines: list[str] = []
    yield writing, lines
    os.close(writing)
    with os.fdopen(reading) as file:
        lines += file.read().splitlines()


def fail() -> None:
    raise ZeroDivisionError("of ours")


def told(form: Form, *recorded: Fact, daily: bool = False, said: bool = False) -> list[str]:
    """Return what a log writes of facts, and of a warning and a failure."""
    with read_end() as (fd, lines):
        log = Log(fd, form, daily=daily)
        log.begin()
        for fact in recorded:
            if log.wants(type(fact)):
                log.take(entry(fact))
        if said:
            Logger(observer=log).warn("a {what} thing", what="bad")
            try:
                fail()
            except ZeroDivisionError:
                Logger(observer=log).failure("a bug of bustedwall ended a flow", failure=Failure())
        log.close()
    return lines


def test_a_line_for_a_person_has_when_where_what_and_why() -> None:
    assert text(entry(ResetSent(Leg.CLIENT, "gave-up-rst/lose-then-reset"))) == (
        "10:20:30.040 orders#7 reset-sent leg=client cause=gave-up-rst/lose-then-reset"
    )
    assert text(entry(LossSet(Leg.CLIENT, ("all from",), None), flow=None)) == (
        "10:20:30.040 orders loss-set leg=client losses=all-from"
    )


@pytest.mark.parametrize(
    ("form", "name"), [(Form.TEXT, lambda line: line.split()[2]), (Form.JSON, lambda line: json.loads(line)["fact"])]
)
def test_nobody_is_told_what_every_flow_does_unless_he_asks(form: Form, name: object) -> None:
    assert callable(name)
    recorded = (FlowAccepted("127.0.0.1:9"), RuleFired("a/b", 1, 0, 1))

    assert [name(line) for line in told(form, *recorded)] == ["rule-fired"]
    assert [name(line) for line in told(form, *recorded, daily=True)] == ["flow-accepted", "rule-fired"]
    assert FlowAccepted in DAILY


def test_a_program_is_told_the_line_of_the_journal() -> None:
    assert told(Form.JSON, RuleFired("a/b", 1, 0, 1)) == [line(entry(RuleFired("a/b", 1, 0, 1)))]


def test_what_the_program_says_of_itself_is_text_for_a_person() -> None:
    warned, failed, *traceback = told(Form.TEXT, said=True)

    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d - warn: a bad thing", warned)
    assert failed.endswith(" - critical: a bug of bustedwall ended a flow")
    assert traceback[0] == "Traceback (most recent call last):"
    assert "ZeroDivisionError: of ours" in traceback[-1]


def test_what_the_program_says_of_itself_is_json_for_a_program() -> None:
    warned, failed = map(json.loads, told(Form.JSON, said=True))

    assert (warned["schema"], warned["level"], warned["message"]) == (1, "warn", "a bad thing")
    assert "traceback" not in warned
    assert (failed["level"], failed["message"]) == ("critical", "a bug of bustedwall ended a flow")
    assert "ZeroDivisionError: of ours" in failed["traceback"]
    assert datetime.fromisoformat(warned["at"]).tzinfo is not None


def test_of_a_run_that_cannot_begin_nothing_is_told_but_the_reason() -> None:
    with read_end() as (fd, lines):
        log = Log(fd, Form.TEXT)
        log.take(entry(RunStarted(7)))
        log.close()
    assert lines == []

    with read_end() as (fd, lines):
        log = Log(fd, Form.TEXT)
        log.take(entry(RunStarted(7), flow=None))
        log.begin()
        log.close()
    assert lines == ["10:20:30.040 orders run-started seed=7"]


def test_quiet_is_about_facts_and_not_about_failures() -> None:
    with read_end() as (fd, lines):
        log = Log(fd, Form.TEXT, facts=False)
        log.begin()
        Stream([log]).record("orders", 1, RuleFired("a/b", 1, 0, 1))
        Logger(observer=log).warn("a bad thing")
        log.close()
    assert [line.partition(" - ")[2] for line in lines] == ["warn: a bad thing"]


def test_a_closed_terminal_is_no_concern_of_the_data_plane() -> None:
    reading, writing = os.pipe()
    log = Log(writing, Form.TEXT)
    log.begin()
    os.close(reading)
    os.close(writing)
    for number in range(3):
        log.take(entry(RuleFired("a/b", number, 0, 1)))
    log.close()

    assert log.dropped == 3


def test_every_reader_gets_the_same_entry_of_what_it_wants() -> None:
    class Keep:
        def __init__(self) -> None:
            self.entries: list[Entry] = []

        def wants(self, kind: type[Fact]) -> bool:
            return kind is RuleFired

        def take(self, entry: Entry) -> None:
            self.entries.append(entry)

    one, other = Keep(), Keep()
    stream = Stream([one, other])
    stream.record("orders", 1, RuleFired("a/b", 1, 0, 1))
    stream.record("orders", 1, FlowAccepted("127.0.0.1:9"))

    assert stream.counts == {"rule-fired": 1, "flow-accepted": 1}
    assert len(one.entries) == 1, "what it wants"
    assert one.entries == other.entries
    assert one.entries[0].at.tzinfo is UTC
