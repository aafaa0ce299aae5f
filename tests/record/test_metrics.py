"""Numbers folded from facts, and the page that lists them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock

import bustedwall
from bustedwall.policy.address import Address
from bustedwall.record.lag import BOUNDS, Lag
from bustedwall.record.metrics import Metrics
from bustedwall.record.outcomes import Outcome
from bustedwall.record.stream import Entry
from bustedwall.terms.census import Census
from bustedwall.terms.endings import How
from bustedwall.terms.facts import (
    AcceptPaused,
    AddressFailed,
    EndingEvidence,
    Fact,
    FaultArmed,
    FlowAccepted,
    FlowClosed,
    FlowFailed,
    FlowOpened,
    LegClosed,
    LimitReached,
    LossEvidence,
    Panic,
    PeerFinished,
    PeerLost,
    ProxyListening,
    ResetSent,
    RuleFired,
    RuleMissed,
    RuleSpared,
    StepMoot,
)
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import Limit
from bustedwall.terms.verdict import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
AT = datetime(2026, 11, 25, 10, 20, 30, tzinfo=UTC)
LABELS = {"proxy", "policy", "rule", "fault", "limit", "verdict", "outcome", "version", "le"}

LISTENING = ProxyListening("127.0.0.1:1", "127.0.0.1:2")
BEGUN = (FlowAccepted("127.0.0.1:9"), FlowOpened("127.0.0.1:2"))
FINISHED = (PeerFinished(Leg.CLIENT), PeerFinished(Leg.SERVER))
CLOSED = FlowClosed(100, 2000, 30, 0.5)

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Folded:
    """Metrics, and what they are asked about beside facts."""

    def __init__(self) -> None:
        self.census: list[Census] = []
        self.clock = Clock()
        self.lag = Lag(self.clock)
        self.metrics = Metrics(lambda: self.census, lambda: 3, lambda: 4, self.lag)

    def take(self, *facts: Fact, flow: int | None = 1, proxy: str | None = "p") -> Folded:
        for fact in facts:
            self.metrics.take(Entry(AT, proxy, flow, fact))
        return self

    def text(self) -> str:
        return generate_latest(self.metrics.registry).decode()

    def numbers(self) -> Numbers:
        families = text_string_to_metric_families(self.text())
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}

    def number(self, name: str, **labels: str) -> float:
        return self.numbers()["bustedwall_" + name, frozenset(labels.items())]


def lost(verdict: Verdict) -> LossEvidence:
    return LossEvidence(Leg.CLIENT, ("all from",), ("a/b: drop",), verdict, 1.0, 1, 0, 0, 0, 0, 0)


def ended(verdict: Verdict) -> EndingEvidence:
    return EndingEvidence(Leg.CLIENT, How.RESET, "a/b", verdict, "established", 0, 0, 0)


# ---- how flows ended


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ((*BEGUN, *FINISHED), "finished"),
        ((*BEGUN, PeerFinished(Leg.CLIENT)), "ended"),
        (BEGUN, "ended"),
        ((*BEGUN, PeerLost(Leg.CLIENT, "ECONNRESET"), ResetSent(Leg.SERVER, "peer")), "client lost"),
        ((*BEGUN, PeerLost(Leg.SERVER, "ETIMEDOUT"), ResetSent(Leg.CLIENT, "peer")), "server lost"),
        ((*BEGUN, *FINISHED, PeerLost(Leg.SERVER, "EPIPE")), "server lost"),
        ((*BEGUN, ResetSent(Leg.CLIENT, "a/b"), PeerLost(Leg.SERVER, "ECONNRESET")), "rule"),
        ((*BEGUN, LegClosed(Leg.CLIENT, How.VANISH, "a/b"), ResetSent(Leg.SERVER, "limits.orphan")), "rule"),
        ((*BEGUN, LimitReached(Limit.IDLE, 9.0), ResetSent(Leg.CLIENT, "limits.idle")), "limit"),
        (
            (FlowAccepted("x"), AddressFailed("y", "ECONNREFUSED"), ResetSent(Leg.CLIENT, "upstream not reached")),
            "unreachable",
        ),
        ((FlowAccepted("x"), AddressFailed("y", "ECONNREFUSED"), FlowOpened("z"), *FINISHED), "finished"),
        ((FlowAccepted("x"), AddressFailed("y", "ECONNREFUSED"), PeerLost(Leg.CLIENT, "ECONNRESET")), "client lost"),
        ((*BEGUN, ResetSent(Leg.CLIENT, "a/b"), FlowFailed("see the log")), "failed"),
    ],
)
def test_a_flow_is_counted_under_what_ended_it_first(facts: tuple[Fact, ...], outcome: str) -> None:
    folded = Folded().take(LISTENING, flow=None).take(*facts, CLOSED)
    counts = {o.value: folded.number("flows_closed_total", proxy="p", outcome=o.value) for o in Outcome}

    assert counts == {o.value: float(o.value == outcome) for o in Outcome}


def test_flows_are_told_apart_by_number_and_by_proxy() -> None:
    folded = Folded()
    for proxy in ("p", "q"):
        folded.take(PeerLost(Leg.CLIENT, "ECONNRESET"), flow=1, proxy=proxy)
    folded.take(*FINISHED, CLOSED, flow=2).take(CLOSED, flow=1, proxy="q").take(CLOSED, flow=1)

    assert folded.number("flows_closed_total", proxy="p", outcome="finished") == 1
    assert folded.number("flows_closed_total", proxy="p", outcome="client lost") == 1
    assert folded.number("flows_closed_total", proxy="q", outcome="client lost") == 1


# ---- the numbers


def test_facts_are_counted() -> None:
    folded = (
        Folded()
        .take(LISTENING, AcceptPaused("EMFILE"), flow=None)
        .take(Panic("signal", 0, 0, 0), flow=None, proxy=None)
    )
    folded.take(*BEGUN, AddressFailed("x", "ECONNREFUSED"), RuleFired("a/b", 1, 0, 1), RuleFired("a/b", 2, 0, 1))
    folded.take(RuleSpared("a/b", 3), RuleMissed("a/b", "why"), StepMoot("a/b", "reset client", Leg.CLIENT))
    folded.take(
        FaultArmed("a/b", "drop all from client", to_prove=True), FaultArmed("a/b", "drop all to client", to_prove=True)
    )
    folded.take(lost(Verdict.EFFECTIVE), ended(Verdict.UNPROVEN), LimitReached(Limit.ORPHAN, 30.0), CLOSED)

    rule = {"proxy": "p", "policy": "a", "rule": "b"}
    assert folded.number("flows_accepted_total", proxy="p") == 1
    assert folded.number("bytes_discarded_total", proxy="p") == 30
    assert folded.number("upstream_failures_total", proxy="p") == 1
    assert folded.number("accept_pauses_total", proxy="p") == 1
    assert folded.number("rules_fired_total", **rule) == 2
    assert folded.number("rules_spared_total", **rule) == 1
    assert folded.number("rules_missed_total", **rule) == 1
    assert folded.number("steps_moot_total", **rule) == 1
    assert folded.number("faults_armed_total", proxy="p", fault="drop") == 2
    assert folded.number("losses_total", proxy="p", verdict="effective") == 1
    assert folded.number("endings_total", proxy="p", verdict="not proven") == 1
    assert folded.number("limits_reached_total", proxy="p", limit="orphan") == 1
    assert folded.number("panics_total") == 1
    assert folded.number("facts_dropped_total") == 3
    assert folded.number("log_lines_dropped_total") == 4
    assert folded.number("build_info", version=bustedwall.__version__) == 1


def test_what_is_of_this_moment_is_counted_when_it_is_asked_for() -> None:
    folded = (
        Folded()
        .take(LISTENING, flow=None)
        .take(FaultArmed("a/b", "drop all", to_prove=True), FaultArmed("a/b", "stall", to_prove=True))
    )
    folded.census = [Census("p", 2, 10, 20, 7, {"drop": 2})]

    assert folded.number("flows_open", proxy="p") == 2
    assert folded.number("held_bytes", proxy="p") == 7
    assert folded.number("faults_active", proxy="p", fault="drop") == 2
    assert folded.number("faults_active", proxy="p", fault="stall") == 0, "it was there once: it does not vanish"
    folded.census = []
    assert folded.number("flows_open", proxy="p") == 0
    assert folded.number("faults_active", proxy="p", fault="drop") == 0


def test_bytes_are_those_of_open_flows_and_of_closed_ones() -> None:
    folded = Folded().take(LISTENING, flow=None)
    folded.census = [Census("p", 2, 110, 2005, 0, {})]
    assert folded.number("bytes_from_client_total", proxy="p") == 110
    folded.take(CLOSED)
    folded.census = [Census("p", 1, 10, 5, 0, {})]
    assert folded.number("bytes_from_client_total", proxy="p") == 110
    assert folded.number("bytes_from_server_total", proxy="p") == 2005


def test_no_label_grows_with_traffic() -> None:
    def lines(flows: int) -> int:
        folded = Folded().take(LISTENING, flow=None)
        for number in range(1, flows + 1):
            accepted = FlowAccepted(f"127.0.{number % 256}.1:{number}")
            folded.take(accepted, BEGUN[1], RuleFired("a/b", number, number, 1), *FINISHED, CLOSED, flow=number)
        return folded.text().count("\n")

    assert lines(1000) == lines(1)


def test_nothing_is_kept_of_a_flow_that_is_no_more() -> None:
    folded = Folded()
    for number in range(1, 100):
        folded.take(*BEGUN, *FINISHED, PeerLost(Leg.SERVER, "EPIPE"), CLOSED, flow=number)
    outcomes = folded.metrics._outcomes

    assert (outcomes._half, outcomes._fates) == (set(), {})


# ---- the reactor's lag


def test_lag_is_how_much_later_a_call_comes_than_it_should() -> None:
    folded = Folded()
    folded.lag.begin()
    for late in (0.0, 0.004, 0.02, 60.0):
        folded.clock.advance(0.5 + late)

    def up_to(bound: str) -> float:
        return folded.number("reactor_lag_seconds_bucket", le=bound)

    assert [up_to(bound) for bound in ("0.001", "0.005", "0.025", "5.0", "+Inf")] == [1, 2, 3, 3, 4]
    assert folded.number("reactor_lag_seconds_count") == 4
    assert folded.number("reactor_lag_seconds_sum") == pytest.approx(60.024)
    assert list(BOUNDS) == sorted(BOUNDS)
    folded.lag.stop()
    assert not folded.clock.getDelayedCalls()


# ---- the page, and the format


def everything() -> Folded:
    """Return metrics with at least one number for each name."""
    folded = Folded().take(LISTENING, flow=None)
    folded.take(
        RuleFired("a/b", 1, 0, 1), RuleSpared("a/b", 3), RuleMissed("a/b", "w"), StepMoot("a/b", "x", Leg.CLIENT)
    )
    return folded.take(FaultArmed("a/b", "drop all from client", to_prove=True), LimitReached(Limit.ORPHAN, 30.0))


def test_the_page_lists_all_metrics_as_they_are() -> None:
    def shown(kind: str, name: str) -> str:
        return f"{name}_total" if kind == "counter" else name

    rows = re.findall(r"^\| `(bustedwall_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows}
    real: Mapping[str, tuple[str, set[str], str]] = {
        shown(family.type, family.name): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
            family.documentation,
        )
        for family in text_string_to_metric_families(everything().text())
    }
    assert told == real


def test_the_page_lists_all_outcomes_and_nothing_that_there_is_not() -> None:
    assert re.findall(r"^\| `([a-z ]+)` \| [A-Z]", PAGE, re.MULTILINE) == [outcome.value for outcome in Outcome]
    names = set(re.findall(r"^(?:# TYPE )?(bustedwall_\w+)", everything().text(), re.MULTILINE))
    (queries,) = re.findall(r"^```promql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    asked = re.findall(r"bustedwall_\w+", queries)
    assert asked
    assert set(asked) <= names


def test_the_example_on_the_page_scrapes_the_port_on_the_page() -> None:
    (config,) = re.findall(r"^```yml\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    (target,) = yaml.safe_load(config)["scrape_configs"][0]["static_configs"][0]["targets"]
    assert f"http://{Address.parse(target)}/metrics" in PAGE


def test_the_text_is_what_prometheus_reads() -> None:
    text = everything().text()
    families = list(text_string_to_metric_families(text))

    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation.endswith(".") or family.name.endswith("_info")
        assert family.samples, f"{family.name} is nowhere"
        assert {label for sample in family.samples for label in sample.labels} <= LABELS
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "metrics"], input=text, text=True, check=True)
