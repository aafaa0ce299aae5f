"""docs/symptoms.md shows what the tests beside this file assert, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.real.expected import CASES, GAVE_UP, NGINX, PULLED, RESET, SLOW, Case, same

from bustedwall.policy import library

PAGE = (Path(__file__).parents[2] / "docs" / "symptoms.md").read_text(encoding="utf-8")
POLICIES = [RESET, SLOW, PULLED, GAVE_UP]


def policy(case: Case) -> str:
    return case.policy.partition(":")[0]


def rows(case: Case) -> list[str]:
    """Return what the page shows of a case."""
    parameters = case.policy.partition(":")[2]
    before = f"| {case.does} | {f'`{parameters}`' if parameters else ''} |"
    says = ", or ".join(f"`{text}`" for text in case.says) if any(case.says) else ""
    lines = [f"| {case.client} {before} {case.ends if ' ' in case.ends else f'`{case.ends}`'} | {says} |"]
    if case.log:
        lines.append(f"| {NGINX.rpartition(' ')[2]}, its error log {before} | `{case.log}` |")
    return [line.replace("|  |", "| |") for line in lines]


def table(name: str) -> str:
    """Return the table of a policy, as the page must have it."""
    head = ["| client | does | parameters | ends | says |", "|---|---|---|---|---|"]
    return "\n".join(head + [row for case in CASES if policy(case) == name for row in rows(case)]) + "\n"


def test_every_policy_has_been_met_by_every_client() -> None:
    clients = {case.client for case in CASES}
    assert set(library.names()) >= set(POLICIES)
    assert {(policy(case), case.client) for case in CASES} == {
        (name, client) for name in POLICIES for client in clients
    }


@pytest.mark.parametrize("name", POLICIES)
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
