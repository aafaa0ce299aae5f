"""What is told on stderr: to a person as text, to a program as lines of JSON.

Facts that are not every flow's daily life, and what the program itself has to warn of.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from twisted.logger import ILogObserver, LogEvent, formatEvent
from zope.interface import implementer

from bustedwall.record.form import Form
from bustedwall.record.line import SCHEMA, line
from bustedwall.record.stream import Entry
from bustedwall.record.writer import Writer
from bustedwall.terms.facts import (
    Fact,
    FactsDropped,
    FlowAccepted,
    FlowClosed,
    FlowOpened,
    PeerFinished,
    ProxyListening,
    SetupTold,
    TurnSent,
)
from bustedwall.terms.trouble import Trouble

DAILY: frozenset[type[Fact]] = frozenset(
    {SetupTold, ProxyListening, FlowAccepted, FlowOpened, PeerFinished, TurnSent, FlowClosed}
)
"""What happens to every run, every proxy and every flow; of flows a proxy records it only if it is asked to."""

_ROOM = 1 << 20
"""Bytes that may wait for a terminal or a pipe."""


@implementer(ILogObserver)
class Log:
    """Writes a line per fact to a descriptor. Whether anybody reads it is none of the data plane's concern."""

    def __init__(self, fd: int, form: Form, *, daily: bool = False, facts: bool = True) -> None:
        self._written = line if form is Form.JSON else text
        self._said = _json_event if form is Form.JSON else _text_event
        self._daily = daily
        self._facts = facts
        self._early: list[Entry] | None = []
        """What was recorded before the run has begun; of one that cannot begin only the reason is told."""
        # A descriptor of our own: who closes that of the process does not have us write to whatever takes its number.
        own = os.dup(fd)
        self._writer = Writer(lambda: own, self._gap, _ignore, room=_ROOM)

    @property
    def dropped(self) -> int:
        """Lines that were not written, because nobody took them."""
        return self._writer.dropped

    def wants(self, kind: type[Fact]) -> bool:
        """Want no daily life, unless that was asked for, and nothing if facts are not."""
        return self._facts and (self._daily or kind not in DAILY)

    def take(self, entry: Entry) -> None:
        """Have a fact written soon."""
        if self._early is not None:
            self._early.append(entry)
        else:
            self._writer.put(self._written(entry))

    def begin(self) -> None:
        """Tell also what was recorded until now: the run has begun."""
        early, self._early = self._early, None
        for entry in early or ():
            self.take(entry)

    def __call__(self, event: LogEvent) -> None:
        """Have an event of Twisted's logger written soon."""
        self._writer.put(self._said(event))

    def close(self) -> None:
        """Write what is left, as far as somebody takes it."""
        self._writer.close()

    def _gap(self, count: int) -> str:
        return self._written(Entry(datetime.now(UTC), None, None, FactsDropped(count)))


def _ignore(trouble: Trouble, error: str | None) -> None:
    """Tell nobody that stderr cannot be written: this is who would be told."""


def text(entry: Entry) -> str:
    """Return an entry as one line."""
    record = entry.fact.record()
    name = record.pop("fact")
    fields = " ".join(f"{key}={_shown(value)}" for key, value in record.items() if value not in (None, ()))
    where = f"{entry.proxy}#{entry.flow}" if entry.flow is not None else entry.proxy or "-"
    return f"{_time(entry.at)} {where} {name} {fields}".rstrip()


def _time(at: datetime) -> str:
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)).replace(" ", "-")
    shown = str(value)
    return f"'{shown}'" if " " in shown else shown


def _text_event(event: LogEvent) -> str:
    at, level, message, traceback = _parts(event)
    return f"{_time(at)} - {level}: {message}" + (f"\n{traceback}" if traceback else "")


def _json_event(event: LogEvent) -> str:
    at, level, message, traceback = _parts(event)
    told = {"schema": SCHEMA, "at": at.isoformat(timespec="microseconds"), "level": level, "message": message}
    return json.dumps(told | ({"traceback": traceback} if traceback else {}), ensure_ascii=False)


def _parts(event: LogEvent) -> tuple[datetime, str, str, str]:
    """Return when, how bad, what, and the traceback or nothing."""
    failure = event.get("log_failure")
    traceback = failure.getTraceback().rstrip() if failure is not None else ""
    return datetime.fromtimestamp(event["log_time"], UTC), event["log_level"].name, formatEvent(event), traceback
