"""`bustedwall check`: what is wrong with policies, configs and suites, for people, programs and pull requests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from bustedwall.cli.exits import Exit
from bustedwall.policy.load import problems_of
from bustedwall.policy.problem import Problem, one_line, workflow_command
from bustedwall.suite.plan import is_suite, problems_of_suite

Problems = Sequence[Problem]


def _text(problems: Problems) -> str:
    return "".join(f"{problem.render()}\n" for problem in problems)


def _json(problems: Problems) -> str:
    told = [
        {
            "file": problem.file,
            "line": problem.line or None,
            "column": problem.col or None,
            "end_column": problem.end or None,
            "path": problem.path,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in problems
    ]
    return json.dumps({"problems": told}, indent=2) + "\n"


def _github(problems: Problems) -> str:
    return "".join(f"{_command(problem)}\n" for problem in problems)


def _command(problem: Problem) -> str:
    """Return a workflow command, which GitHub shows at the line in a pull request."""
    place = {"file": problem.file} | ({"line": problem.line, "col": problem.col} if problem.line else {})
    hint = f"\n{one_line(f'hint: {problem.hint}')}" if problem.hint else ""
    return workflow_command("error", place, problem.sentence() + hint)


FORMATS: dict[str, Callable[[Problems], str]] = {"text": _text, "json": _json, "github": _github}


def _problems_of(file: Path) -> Problems:
    return problems_of_suite(file) if is_suite(file) else problems_of(file)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True)
def check(files: tuple[Path, ...], form: str) -> None:
    """Say what is wrong with policies, configs and suites, and where; with all policies that they use.

    Which of them a file is shows in what it holds. Ends with 0 if all is right, with 1 if not.
    What this machine can do is not asked.

    \b
    bustedwall check configs/*.yaml policies/*/*.yaml
    bustedwall check --format github staging.yaml        in a workflow: told at the lines of a pull request
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    # A policy file may be wrong in itself and be used by several configs.
    problems = list(dict.fromkeys(problem for file in files for problem in _problems_of(file)))
    click.echo(FORMATS[form](problems), nl=False)
    count = len(problems)
    found = "no mistake" if not count else f"{count} mistake{'s' * (count > 1)}"
    click.echo(f"{len(files)} file{'s' * (len(files) > 1)} checked: {found}", err=True)
    sys.exit(Exit.FINDING if problems else Exit.OK)
