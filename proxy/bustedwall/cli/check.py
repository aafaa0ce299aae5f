"""`bustedwall check`: what is wrong with policies and configs, for people, programs and pull requests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from bustedwall.cli.exits import Exit
from bustedwall.policy.load import problems_of
from bustedwall.policy.problem import Problem, one_line

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
    where = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in place.items())
    hint = f"\n{one_line(f'hint: {problem.hint}')}" if problem.hint else ""
    return f"::error {where}::{_escaped(problem.sentence() + hint)}"


def _escaped(text: str, more: str = "") -> str:
    # As actions/toolkit escapes the data and the properties of a command.
    for sign in f"%\r\n{more}":
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


FORMATS: dict[str, Callable[[Problems], str]] = {"text": _text, "json": _json, "github": _github}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True)
def check(files: tuple[Path, ...], form: str) -> None:
    """Say what is wrong with policies and configs, and where; a config is checked with all policies that it uses.

    Which of the two a file is shows in what it holds. Ends with 0 if all is right, with 1 if not.
    What this machine can do is not asked.

    \b
    bustedwall check configs/*.yaml policies/*/*.yaml
    bustedwall check --format github staging.yaml        in a workflow: told at the lines of a pull request
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    # A policy file may be wrong in itself and be used by several configs.
    problems = list(dict.fromkeys(problem for file in files for problem in problems_of(file)))
    click.echo(FORMATS[form](problems), nl=False)
    count = len(problems)
    found = "no mistake" if not count else f"{count} mistake{'s' * (count > 1)}"
    click.echo(f"{len(files)} file{'s' * (len(files) > 1)} checked: {found}", err=True)
    sys.exit(Exit.FINDING if problems else Exit.OK)
