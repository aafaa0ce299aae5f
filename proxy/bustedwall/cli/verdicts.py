"""What a run of a suite shows on a terminal: a line for each case as it ends, then what went wrong."""

from __future__ import annotations

import click

from bustedwall.cli.log import Log
from bustedwall.policy.problem import one_line
from bustedwall.suite.crew import Order
from bustedwall.suite.result import CaseResult, SuiteResult, Verdict
from bustedwall.suite.timeline import timeline

_COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "red", Verdict.VACUOUS: "yellow", Verdict.BROKEN: "magenta"}

_WIDTH = 9
"""Columns of the longest verdict, and a space."""

_LINES = 20
"""Of a program's output, so many are shown; the last ones."""


class Verdicts:
    """Shows one run."""

    def __init__(self, order: Order, log: Log, *, live: bool) -> None:
        """`live`: stdout is a terminal, and shows how far it has come."""
        self._log = log
        self._live = live
        self._all = len(order.cases) * order.repeat
        self._count = 0
        self._name = max((len(case.name) for case in order.cases), default=0) + 3 * (order.repeat > 1)
        click.echo(f"{order.suite.name}: {self._all} cases, seed {order.seed}")
        self._progress()

    def add(self, case: CaseResult) -> None:
        """Show how a case came out."""
        self._count += 1
        self._wipe()
        verdict = click.style(f"{case.verdict.value:<{_WIDTH}}", fg=_COLOURS[case.verdict], bold=True)
        why = one_line("; ".join(case.why))
        click.echo(f"{verdict}{case.name:<{self._name}}  {case.seconds:6.2f} s  {why}".rstrip())
        self._progress()

    def end(self, result: SuiteResult) -> None:
        """Show what went wrong, and the sum."""
        self._wipe()
        for case in result.cases:
            if case.verdict is not Verdict.PASSED:
                with self._log.group(f"{case.verdict.value} {one_line(case.name)}"):
                    self._tell(case)
        counts = ", ".join(
            click.style(f"{count} {verdict.value}", fg=_COLOURS[verdict])
            for verdict in Verdict
            if (count := result.count(verdict))
        )
        click.echo(f"\n{counts} in {result.seconds:.1f} s, seed {result.seed}")

    def _tell(self, case: CaseResult) -> None:
        click.echo("")
        click.secho(f"{case.verdict.value} {case.name}", fg=_COLOURS[case.verdict], bold=True)
        if case.about:
            click.echo(f"  {one_line(case.about)}")
        for sentence in case.why:
            click.echo(f"  {one_line(sentence)}")
        if case.facts:
            click.echo("  what has happened:")
            for line in timeline(case):
                click.echo(f"    {one_line(line)}")
        if case.lines:
            click.echo("  what the program wrote:")
            left_out = max(0, len(case.lines) - _LINES) + case.lines_left_out
            if left_out:
                click.echo(f"    … {left_out} lines before …")
            for written in case.lines[-_LINES:]:
                click.echo(f"    {written.at:8.3f} s  {one_line(written.text)}")
        click.echo(f"  again: {case.again}")

    def _progress(self) -> None:
        if self._live and self._count < self._all:
            click.echo(f"{self._count} of {self._all} …", nl=False)

    def _wipe(self) -> None:
        if self._live:
            click.echo("\r\x1b[K", nl=False)
