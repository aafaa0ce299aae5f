"""docs/symptoms.md shows what the tests beside this file assert, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.real.case import CLIENTS, NGINX, Case, same
from tests.real.expected import CASES

from bustedwall.policy import library

PAGE = (Path(__file__).parents[2] / "docs" / "symptoms.md").read_text(encoding="utf-8")


def either(texts: Iterable[str]) -> str:
    """Return what a cell shows of several texts, each once."""
    return ", or ".join(dict.fromkeys(texts))


def rows(case: Case) -> list[str]:
    """Return what the page shows of a case."""
    before = f"| {case.does} | {f'`{case.parameters}`' if case.parameters else ''} |"
    ends = either(ends if " " in ends else f"`{ends}`" for ends, _ in case.endings)
    says = either(f"`{says}`" for _, says in case.endings if says)
    lines = [f"| {case.client} {before} {ends} | {says} |"]
    if case.log:
        lines.append(
            f"| {NGINX.rpartition(' ')[2]}, its error log {before} | {either(f'`{log}`' for log in case.log)} |"
        )
    return [line.replace("|  |", "| |") for line in lines]


def table(name: str) -> str:
    """Return the table of a policy, as the page must have it."""
    head = ["| client | does | parameters | ends | says |", "|---|---|---|---|---|"]
    return "\n".join(head + [row for case in CASES if case.name == name for row in rows(case)]) + "\n"


MET = sorted({case.name for case in CASES})
"""The policies that real clients have met."""


def test_every_policy_of_the_page_ships_and_has_been_met_by_every_client() -> None:
    met = {(case.name, case.client) for case in CASES}
    assert met == {(name, client) for name in MET for client in CLIENTS}
    assert set(MET) <= set(library.names())


@pytest.mark.parametrize("name", MET)
def test_the_page_shows_under_each_policy_the_table_that_is_asserted(name: str) -> None:
    _, _, section = PAGE.partition(f"\n## {name}\n")
    section = section.partition("\n## ")[0]
    shown = "".join(line + "\n" for line in section.splitlines() if line.startswith("|"))
    assert shown == table(name), f"docs/symptoms.md needs:\n{table(name)}"


def test_the_three_dots_stand_for_something_and_the_rest_for_itself() -> None:
    assert same("port … failed: (1)", "port 80 failed:\n\t(1)")
    assert not same("port … failed", "port  failed")
    assert not same("port …", "a port 80")
    assert not same("", "port 80")
    assert not same("a.c", "abc")
