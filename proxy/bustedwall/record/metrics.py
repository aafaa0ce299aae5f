"""Numbers, folded from facts as they happen, and counted anew where they are of this moment.

No label grows with traffic: it is a proxy, a policy, a rule, a fault, a limit, a verdict or an outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import bustedwall
from bustedwall.record.lag import BOUNDS, Lag
from bustedwall.record.outcomes import Outcome, Outcomes
from bustedwall.record.stream import Entry
from bustedwall.terms import facts
from bustedwall.terms.census import Census
from bustedwall.terms.limits import Limit
from bustedwall.terms.verdict import Verdict

_PREFIX = "bustedwall_"


@dataclass(frozen=True, slots=True)
class Told:
    """A metric: its name without the prefix and, for a counter, without `_total`; what it says; its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ("proxy",)
    words: tuple[str, ...] = ()
    """All values of the last label, where that is known; they are there from the start, at 0."""


def _words(kind: type[Enum]) -> tuple[str, ...]:
    return tuple(member.value for member in kind)


_RULE = ("proxy", "policy", "rule")

ACCEPTED = Told("flows_accepted", "Clients that were taken in.")
CLOSED = Told("flows_closed", "Flows that are no more, by how they ended.", ("proxy", "outcome"), _words(Outcome))
DISCARDED = Told("bytes_discarded", "Bytes that were read and went nowhere, because their leg had ended.")
ADDRESSES = Told("upstream_failures", "Attempts to connect an address of the upstream that failed.")
PAUSES = Told("accept_pauses", "Times that the door rested, because the kernel gave no more descriptors.")
HEADERS = Told("proxy_headers_refused", "Clients that did not send the PROXY header that they had to send.")
FIRED = Told("rules_fired", "Times that a rule's moment came and it fired.", _RULE)
SPARED = Told("rules_spared", "Times that a rule's moment came and chance or its total spared the flow.", _RULE)
MISSED = Told("rules_missed", "Flows on which a rule can never fire any more.", _RULE)
MOOT = Told("steps_moot", "Steps that came too late, because their leg had ended.", _RULE)
ARMED = Told("faults_armed", "Faults that took hold, by their word.", ("proxy", "fault"))
LOSSES = Told(
    "losses", "Losses that have ended, by what the kernel's counters say.", ("proxy", "verdict"), _words(Verdict)
)
ENDINGS = Told("endings", "Legs that we ended, by what the kernel said of it.", ("proxy", "verdict"), _words(Verdict))
LIMITS = Told("limits_reached", "Times that a limit bit.", ("proxy", "limit"), _words(Limit))
RELOADS = Told("reloads", "Times that the config was read again and took hold.", ())
RELOADS_FAILED = Told("reloads_failed", "Times that it was wrong, and all was kept as it was.", ())
PANICS = Told("panics", "Times that all faults were healed at once.", ())
CAPTURED = Told("captured_packets", "Packets that are in the pcap files of flows that are no more.")
UNCAPTURED = Told("capture_drops", "Packets that were to be captured and are in no pcap file.")
FROM_CLIENT = Told("bytes_from_client", "Bytes from clients that our kernel accepted for the servers.")
FROM_SERVER = Told("bytes_from_server", "Bytes from servers that our kernel accepted for the clients.")

COUNTED = (
    *(ACCEPTED, CLOSED, DISCARDED, ADDRESSES, PAUSES, HEADERS),
    *(FIRED, SPARED, MISSED, MOOT, ARMED, LOSSES, ENDINGS, LIMITS),
    *(CAPTURED, UNCAPTURED),
    *(RELOADS, RELOADS_FAILED, PANICS),
)
"""Counters that facts alone move."""

_PLAIN: dict[type[facts.Fact], Told] = {
    facts.AddressFailed: ADDRESSES,
    facts.AcceptPaused: PAUSES,
    facts.ProxyHeaderRefused: HEADERS,
    facts.Captured: CAPTURED,
    facts.CaptureDropped: UNCAPTURED,
}
_AMOUNTS: dict[type[facts.Fact], Callable[[Any], int]] = {
    facts.Captured: attrgetter("packets"),
    facts.CaptureDropped: lambda dropped: dropped.by_kernel + dropped.here,
}
"""What they add, where it is not 1."""
_DAILY = frozenset({facts.FlowAccepted, facts.PeerFinished})
"""What every flow has, and what needs little to be counted."""
_OF_RUN: dict[type[facts.Fact], Told] = {
    facts.Reloaded: RELOADS,
    facts.ReloadFailed: RELOADS_FAILED,
    facts.Panic: PANICS,
}
_OF_RULES: dict[type[facts.Fact], Told] = {
    facts.RuleFired: FIRED,
    facts.RuleSpared: SPARED,
    facts.RuleMissed: MISSED,
    facts.StepMoot: MOOT,
}

OPEN = Told("flows_open", "Flows that there are now.")
HELD = Told("held_bytes", "Bytes that wait in this process: in stages, and for a kernel to take them.")
ACTIVE = Told("faults_active", "Faults in force now, on flows and on the door, by their word.", ("proxy", "fault"))
FACTS_DROPPED = Told("facts_dropped", "Facts that are not in the journal and will never be.", ())
LINES_DROPPED = Told("log_lines_dropped", "Lines that nobody took on stderr.", ())
LAG = Told("reactor_lag_seconds", "How late the reactor's timers are.", ())
BUILD = Told("build_info", "1, with the version that runs.", ("version",))


class Metrics(Collector):
    """A reader of the stream, and what Prometheus collects."""

    def __init__(
        self,
        census: Callable[[], Iterable[Census]],
        facts_dropped: Callable[[], int],
        lines_dropped: Callable[[], int],
        lag: Lag,
    ) -> None:
        self._census = census
        self._facts_dropped = facts_dropped
        self._lines_dropped = lines_dropped
        self._lag = lag
        self._counts: dict[Told, dict[tuple[str, ...], int]] = {told: {} for told in COUNTED}
        self._moved: dict[str, tuple[int, int]] = {}
        """By proxy, bytes from clients and from servers of the flows that are no more."""
        self._words: dict[str, set[str]] = {}
        """By proxy, the faults that have ever been armed."""
        self._outcomes = Outcomes()
        for told in COUNTED:
            if not told.labels:
                self._add(told, count=0)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    # ---- Reader

    def wants(self, kind: type[facts.Fact]) -> bool:
        """Want all: most of them tell how a flow ends."""
        return True

    def take(self, entry: Entry) -> None:
        """Count a fact."""
        fact, proxy = entry.fact, entry.proxy
        if proxy is None:
            self._take_of_run(fact)
            return
        kind = type(fact)
        if kind in _DAILY:  # before the others: they are nearly all of them, and most say nothing of a flow's end
            if kind is facts.FlowAccepted:
                self._add(ACCEPTED, proxy)
            elif kind is facts.PeerFinished and entry.flow is not None:
                self._outcomes.see((proxy, entry.flow), fact)
            return
        self._take_rare(proxy, entry.flow, fact)

    def _take_rare(self, proxy: str, flow: int | None, fact: facts.Fact) -> None:
        if (told := _PLAIN.get(type(fact))) is not None:
            self._add(told, proxy, count=amount(fact) if (amount := _AMOUNTS.get(type(fact))) else 1)
        match fact:
            case facts.FlowClosed() if flow is not None:
                self._close(proxy, flow, fact)
            case facts.RuleFired(rule) | facts.RuleSpared(rule) | facts.RuleMissed(rule) | facts.StepMoot(rule):
                policy, _, name = rule.partition("/")
                # Without the number of the flow that it was applied to alone: no label grows with traffic.
                self._add(_OF_RULES[type(fact)], proxy, policy.partition("@")[0], name)
            case facts.FaultArmed(_, fault, _):
                word = fault.partition(" ")[0]
                self._words.setdefault(proxy, set()).add(word)
                self._add(ARMED, proxy, word)
            case facts.LossEvidence() | facts.EndingEvidence():
                self._add(LOSSES if isinstance(fact, facts.LossEvidence) else ENDINGS, proxy, fact.verdict.value)
            case facts.LimitReached(limit):
                self._add(LIMITS, proxy, limit.value)
            case facts.ProxyListening():
                self._begin(proxy)
            case _:
                if flow is not None:
                    self._outcomes.see((proxy, flow), fact)

    def _take_of_run(self, fact: facts.Fact) -> None:
        if (told := _OF_RUN.get(type(fact))) is not None:
            self._add(told)

    def _add(self, told: Told, *labels: str, count: int = 1) -> None:
        counts = self._counts[told]
        counts[labels] = counts.get(labels, 0) + count

    def _begin(self, proxy: str) -> None:
        """Have all that is known beforehand at 0: a counter that appears late hides its first step."""
        self._moved.setdefault(proxy, (0, 0))
        for told in COUNTED:
            if told.labels == ("proxy",):
                self._add(told, proxy, count=0)
            for word in told.words:
                self._add(told, proxy, word, count=0)

    def _close(self, proxy: str, flow: int, fact: facts.FlowClosed) -> None:
        self._add(CLOSED, proxy, self._outcomes.close((proxy, flow)).value)
        self._add(DISCARDED, proxy, count=fact.discarded)
        up, down = self._moved.get(proxy, (0, 0))
        self._moved[proxy] = (up + fact.from_client, down + fact.from_server)

    # ---- Collector

    def collect(self) -> Iterator[Metric]:
        """Return all metrics as they are now."""
        for told in COUNTED:
            yield _counter(told, self._counts[told])
        now = {census.proxy: census for census in self._census()}
        proxies = [*dict.fromkeys([*self._moved, *now])]
        for told, at, live in ((FROM_CLIENT, 0, "from_client"), (FROM_SERVER, 1, "from_server")):
            moved: dict[tuple[str, ...], float] = {
                (name,): self._moved.get(name, (0, 0))[at] + getattr(now.get(name), live, 0) for name in proxies
            }
            yield _counter(told, moved)
        for told, what in ((OPEN, "flows"), (HELD, "held")):
            yield _gauge(told, {(name,): getattr(now.get(name), what, 0) for name in proxies})
        yield _gauge(ACTIVE, dict(self._active(now)))
        yield _counter(FACTS_DROPPED, {(): self._facts_dropped()})
        yield _counter(LINES_DROPPED, {(): self._lines_dropped()})
        yield _histogram(LAG, self._lag)
        yield _gauge(BUILD, {(bustedwall.__version__,): 1})

    def _active(self, now: dict[str, Census]) -> Iterator[tuple[tuple[str, ...], float]]:
        for name in dict.fromkeys([*self._words, *now]):
            there = now[name].faults if name in now else {}
            for word in sorted({*self._words.get(name, ()), *there}):
                yield (name, word), there.get(word, 0)


def _counter(told: Told, counts: Mapping[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(_PREFIX + told.name, told.help, labels=told.labels)
    for labels, count in counts.items():
        family.add_metric(labels, count)
    return family


def _gauge(told: Told, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(_PREFIX + told.name, told.help, labels=told.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(told: Told, lag: Lag) -> Metric:
    family = HistogramMetricFamily(_PREFIX + told.name, told.help)
    buckets, so_far = [], 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), lag.counts, strict=True):
        so_far += count
        buckets.append((bound, so_far))
    family.add_metric((), buckets, lag.total)
    return family
