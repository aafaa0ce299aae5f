"""What a person at the terminal is told: the facts that are not every flow's daily life."""

from __future__ import annotations

import contextlib
from typing import IO

from bustedwall.record.stream import Entry
from bustedwall.terms.facts import Fact, FlowAccepted, FlowClosed, FlowOpened, PeerFinished, ProxyListening, RunStarted

DAILY: tuple[type[Fact], ...] = (
    RunStarted,
    ProxyListening,
    FlowAccepted,
    FlowOpened,
    PeerFinished,
    FlowClosed,
)
"""What happens to every run and every flow; of flows a proxy records it only if it is verbose."""


class TextLog:
    """Writes a line per fact: when, where, what, and the fields that say something."""

    def __init__(self, out: IO[str], *, daily: bool = False) -> None:
        self._out = out
        self._daily = daily

    def take(self, entry: Entry) -> None:
        """Write one line; a closed terminal is none of the data plane's concern."""
        if isinstance(entry.fact, DAILY) and not self._daily:
            return
        with contextlib.suppress(OSError, ValueError):
            self._out.write(text(entry) + "\n")
            self._out.flush()


def text(entry: Entry) -> str:
    """Return an entry as one line."""
    record = entry.fact.record()
    name = record.pop("fact")
    fields = " ".join(f"{key}={_shown(value)}" for key, value in record.items() if value not in (None, ()))
    where = f"{entry.proxy}#{entry.flow}" if entry.flow is not None else entry.proxy or "-"
    return f"{entry.at:%H:%M:%S}.{entry.at.microsecond // 1000:03} {where} {name} {fields}".rstrip()


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)).replace(" ", "-")
    shown = str(value)
    return f"'{shown}'" if " " in shown else shown
