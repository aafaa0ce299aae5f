"""configs/grafana and configs/prometheus ask for metrics that there are, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from bustedwall.record import metrics
from bustedwall.record.metrics import COUNTED, FROM_CLIENT, FROM_SERVER, Told

CONFIGS = Path(__file__).parents[2] / "configs"
DASHBOARD = json.loads((CONFIGS / "grafana" / "bustedwall.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((CONFIGS / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
PANELS = DASHBOARD["panels"]

GRAFANAS = {"__rate_interval"}
"""Variables that are Grafana's own."""
OF_TARGETS = {"instance", "job"}
"""Labels that Prometheus adds."""


def known() -> dict[str, set[str]]:
    """Return the labels of each metric, by the name that is asked for."""
    found: dict[str, set[str]] = {}
    counters = {*COUNTED, FROM_CLIENT, FROM_SERVER, metrics.FACTS_DROPPED, metrics.LINES_DROPPED}
    for told in (value for value in vars(metrics).values() if isinstance(value, Told)):
        name = f"bustedwall_{told.name}"
        if told is metrics.LAG:
            found |= {f"{name}_bucket": {"le"}, f"{name}_sum": set(), f"{name}_count": set()}
        else:
            found[f"{name}_total" if told in counters else name] = set(told.labels)
    return found


def words() -> dict[str, tuple[str, ...]]:
    """Return the values that the last label of a metric may have, where they are known."""
    return {
        f"bustedwall_{told.name}_total": told.words
        for told in vars(metrics).values()
        if isinstance(told, Told) and told.words
    }


def shown() -> list[tuple[str, str, str]]:
    """Return what the dashboard asks for: where, the expression, and what is written beside the line."""
    found = [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in PANELS
        for target in panel.get("targets", ())
    ]
    return found + [(one["name"], one["expr"], one["titleFormat"]) for one in DASHBOARD["annotations"]["list"]]


def alerts() -> list[tuple[str, str, str]]:
    """Return what the alerts ask for."""
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    return [(rule["alert"], rule["expr"], rule["annotations"]["summary"].replace("$labels.", "")) for rule in rules]


def selectors(expression: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each metric that an expression asks for, with its matchers."""
    for name, matchers in re.findall(r"\b(bustedwall_\w+|up)\b(?:\{([^}]*)\})?", expression):
        yield name, dict(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', matchers))


@pytest.mark.parametrize(("where", "expression", "text"), [*shown(), *alerts()])
def test_an_expression_asks_for_what_there_is(where: str, expression: str, text: str) -> None:
    metrics_asked = list(selectors(expression))
    assert metrics_asked, where
    labels = set[str]()
    for name, matchers in metrics_asked:
        if name == "up":
            labels |= OF_TARGETS
            continue
        assert name in known(), f"{where}: there is no metric {name}"
        assert set(matchers) <= known()[name], f"{where}: {name} has no such label"
        labels |= known()[name] | OF_TARGETS
        for label, value in matchers.items():
            if name in words() and not value.startswith("$") and label != "proxy":
                assert value in words()[name], f"{where}: {name} is never {value}"
    grouped = {label.strip() for each in re.findall(r"\bby \(([^)]*)\)", expression) for label in each.split(",")}
    assert grouped <= labels, where
    written = {label.strip() for label in re.findall(r"\{\{\s*(\w+)\s*\}\}", text)}
    assert written <= (grouped or labels), where
    if re.search(r"\bsum\(", expression):
        assert not written, f"{where}: a sum has no labels"


def test_every_metric_is_on_the_dashboard() -> None:
    asked = {name for _, expression, _ in shown() for name, _ in selectors(expression)}

    assert {name for name in known() if not name.endswith(("_sum", "_count"))} == asked


def test_the_variables_of_the_dashboard_are_defined() -> None:
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([PANELS, DASHBOARD["templating"], DASHBOARD["annotations"]])))

    assert used - GRAFANAS - {"__all"} == {variable["name"] for variable in DASHBOARD["templating"]["list"]}


def boxes() -> list[dict[str, Any]]:
    """Return where each panel is."""
    return [panel["gridPos"] for panel in PANELS]


def test_the_dashboard_has_what_grafana_needs() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= DASHBOARD.keys()
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert {"type", "title", "gridPos"} <= panel.keys()
        assert panel["type"] == "row" or panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        assert len({target["refId"] for target in panel.get("targets", ())}) == len(panel.get("targets", ()))
    for box in boxes():
        assert 0 <= box["x"] < box["x"] + box["w"] <= 24
    for one, other in combinations(boxes(), 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_an_alert_sees_the_first_step_of_a_counter() -> None:
    """A counter that comes with its first step has no increase by it."""
    begun = {told for told in COUNTED if told.words or told.labels in {(), ("proxy",)}}
    later = {f"bustedwall_{told.name}_total" for told in {*COUNTED} - begun}
    assert "bustedwall_rules_missed_total" in later

    for where, expression, _ in alerts():
        assert not later & set(re.findall(r"(\w+)(?:\{[^}]*\})?\[", expression)), where


def test_an_alert_has_what_prometheus_needs() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]

    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}
