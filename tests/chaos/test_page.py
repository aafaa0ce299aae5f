"""docs/chaos-toolkit.md against the code and against an experiment that is run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.chaos.test_experiment import EXPERIMENT, ROOT, ran, upstream, web

pytestmark = [pytest.mark.real("chaos", "curl"), pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "chaos-toolkit.md").read_text(encoding="utf-8")

__all__ = ["upstream"]  # a fixture


def test_the_tables_name_every_activity_and_argument() -> None:
    import bustedwall  # noqa: PLC0415 (what discovers needs what `make test` does not install)

    rows = {
        name: set(re.findall(r"`(\w+)`", row))
        for name, row in re.findall(r"^\| `(\w+)` \|([^|]*)\|", PAGE, re.MULTILINE)
    }
    told = {
        one["name"]: {argument["name"] for argument in one["arguments"]} - {"configuration", "secrets"}
        for one in bustedwall.discover()["activities"]
    }
    assert {name: rows[name] for name in told} == told


def test_the_session_goes_as_it_is_shown(tmp_path: Path, upstream: int) -> None:
    (session,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^\[… (\w+)\] (.*)$", session, re.MULTILINE)
    assert f"chaos run {EXPERIMENT.name}\n" in session
    with web(tmp_path, upstream) as api:
        _, _, said = ran(tmp_path, api, CHAOS_POLICY="reset-mid-response")
    told = re.findall(r"^\S*\[\S+ \S+ (\w+)\] (.*?)\s*$", said, re.MULTILINE)
    at = [told.index(line) for line in shown]
    assert at, said
    assert [line for line in told if line in shown] == shown


def test_the_control_is_the_one_of_the_example() -> None:
    (text,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (shown,) = json.loads(text)["controls"]
    (example,) = yaml.safe_load(EXPERIMENT.read_text())["controls"]
    assert shown.keys() == example.keys()
    assert shown["provider"]["module"] == example["provider"]["module"]
    assert shown["provider"]["arguments"].keys() == example["provider"]["arguments"].keys()
