"""What a workflow of GitHub shows: annotations for cases that have not PASSED, and a summary in Markdown."""

from __future__ import annotations

import re

from bustedwall.policy.problem import workflow_command
from bustedwall.suite.report.plain import one_line
from bustedwall.suite.result import CaseResult, SuiteResult, Verdict

MOST = 10
"""Annotations of one kind that GitHub shows of a step; it drops the others and does not say so."""

SUMMARY = 900_000
"""Bytes of a summary; GitHub takes none that is longer than 1 MiB, of all programs of a step."""

_MARKS = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.VACUOUS: "⚠️", Verdict.BROKEN: "🔧"}

_CELL = 500
"""Characters of a cell."""


def commands(result: SuiteResult) -> str:
    """Return the workflow commands, at the line of each scenario; nothing: all PASSED."""
    wrong = [case for case in result.cases if case.verdict is not Verdict.PASSED]
    shown = wrong if len(wrong) <= MOST else wrong[: MOST - 1]
    said = [_error(result, case) for case in shown]
    if len(wrong) > len(shown):
        rest = f"{len(wrong) - len(shown)} more cases have not PASSED: the log and the summary have them"
        said.append(workflow_command("error", {"file": result.file, "title": result.suite}, rest))
    return "".join(f"{line}\n" for line in said)


def summary(result: SuiteResult) -> str:
    """Return the table that GITHUB_STEP_SUMMARY takes; what has not PASSED comes first."""
    counts = ", ".join(f"{count} {verdict.value}" for verdict in Verdict if (count := result.count(verdict)))
    lines = [f"### {_cell(result.suite)}: {counts or 'no case'}", "", "| | case | time | |", "|---|---|---|---|"]
    room = SUMMARY - sum(len(line.encode(errors="replace")) + 1 for line in lines)
    rows = [_row(case) for case in sorted(result.cases, key=lambda case: case.verdict is Verdict.PASSED)]
    for number, row in enumerate(rows):
        room -= len(row.encode(errors="replace")) + 1
        if room < 0:
            lines += ["", f"{len(rows) - number} cases are left out."]
            break
        lines.append(row)
    return "\n".join([*lines, "", f"Seed {result.seed}.", ""])


def _error(result: SuiteResult, case: CaseResult) -> str:
    what = "\n".join([*map(one_line, case.why), f"again: {case.again}"])
    where: dict[str, str | int] = {
        "file": result.file,
        "line": case.line,
        "title": f"{case.verdict.value} {one_line(case.name)}",
    }
    return workflow_command("error", where, what)


def _row(case: CaseResult) -> str:
    mark = f"{_MARKS[case.verdict]} {case.verdict.value}"
    return f"| {mark} | {_cell(case.name)} | {case.seconds:.2f} s | {_cell('; '.join(case.why))} |"


def _cell(text: str) -> str:
    line = one_line(text)
    line = line if len(line) <= _CELL else f"{line[: _CELL - 1]}…"
    return re.sub(r"([\\`*_{}\[\]<>|#!~&])", r"\\\1", line)
