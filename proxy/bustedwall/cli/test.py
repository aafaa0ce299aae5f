"""`bustedwall test`: play a suite, and say of each case how it came out."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import click

from bustedwall.cli.exits import Exit
from bustedwall.cli.log import Log
from bustedwall.cli.verdicts import Verdicts
from bustedwall.policy.config_model import SEEDS
from bustedwall.policy.problem import PolicyError
from bustedwall.record.files import write_whole
from bustedwall.suite import report
from bustedwall.suite.crew import InterruptedRunError, Order, play
from bustedwall.suite.plan import Case, Suite, load_suite
from bustedwall.suite.result import SuiteResult

_SIGNALLED = 128
"""As a shell has it, for a program that a signal has ended: so much, and its number."""


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("suite", type=click.Path(path_type=Path))
@click.option(
    "-k", "names", multiple=True, metavar="NAME", help="Only cases whose name has this in it; * stands for any."
)
@click.option("-j", "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="So many cases at once.")
@click.option(
    "--seed", type=click.IntRange(0, SEEDS - 1), help="Where all chance comes from; else the suite's, or drawn."
)
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, help="Play each case so often, with other draws.")
@click.option("--junit", type=_FILE, help="Write the results as JUnit XML, for GitLab, Jenkins and GitHub.")
@click.option("--html", type=_FILE, help="Write a page with timelines; it needs no network.")
@click.option("--json", "as_json", type=_FILE, help="Write all that is known; `bustedwall schema report` describes it.")
@click.option(
    "--format", "form", type=click.Choice(["text", "github"]), default="text", help="github: annotate a workflow."
)
@click.option("--list", "listed", is_flag=True, help="Say which cases there are, and play none.")
def test(
    suite: Path,
    names: tuple[str, ...],
    jobs: int,
    seed: int | None,
    repeat: int,
    junit: Path | None,
    html: Path | None,
    as_json: Path | None,
    form: str,
    *,
    listed: bool,
) -> None:
    """Play a suite: programs behind proxies that break, judged by what they did and by what was broken.

    Each case is PASSED, FAILED, VACUOUS (its fault had no effect) or BROKEN (a service, the server or this machine
    was not as it had to be), with the reason and the command that repeats it. Ends with 0 only if all PASSED,
    with 3 if a report cannot be written.

    \b
    bustedwall test suites/pool.yaml
    bustedwall test suites/pool.yaml -k 'idle*' --seed 7
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    try:
        found = load_suite(suite)
    except PolicyError as error:
        click.echo(str(error), err=True)
        sys.exit(Exit.FINDING)
    cases = _selected(found, names)
    if listed:
        for case in cases:
            click.echo(case.name)
        return
    wanted = [(junit, report.junit.text), (html, report.html.text), (as_json, report.as_json.text)]
    places = {path: text for path, text in wanted if path is not None}
    for path in places:
        if not path.parent.is_dir():
            raise click.UsageError(f"{path}: there is no folder {path.parent}")
    drawn = secrets.randbelow(SEEDS) if found.seed is None else found.seed
    result = _played(Order(found, cases, drawn if seed is None else seed, jobs, repeat), workflow=form == "github")
    written = [_told(partial(write_whole, path, text(result).encode("utf-8"))) for path, text in places.items()]
    if form == "github":
        click.echo(report.github.commands(result), nl=False)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            written.append(_told(partial(_append, Path(summary), report.github.summary(result))))
    if not all(written):
        sys.exit(Exit.CANNOT_START)
    sys.exit(Exit.OK if result.passed else Exit.FINDING)


def _played(order: Order, *, workflow: bool) -> SuiteResult:
    """Play and show it; a signal ends it, and what was started."""
    came: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: _interrupt(came, number))
    with Log(workflow=workflow) as log:
        verdicts = Verdicts(order, log, live=sys.stdout.isatty())
        try:
            result = play(order, verdicts.add)
        except InterruptedRunError:
            click.echo("interrupted: what was started has ended", err=True)
            sys.exit(_SIGNALLED + came[0])
        verdicts.end(result)
    return result


def _told(write: Callable[[], object]) -> bool:
    """Write a report; tell if it cannot be: the others may."""
    try:
        write()
    except OSError as error:
        click.echo(f"bustedwall: {error.filename}: {error.strerror}", err=True)
        return False
    return True


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:  # a full disk is told without a name
        raise OSError(error.errno, error.strerror, str(path)) from error


def _interrupt(came: list[int], number: int) -> None:
    came.append(number)
    if len(came) == 1:  # once: what is ended must not be interrupted in that
        raise KeyboardInterrupt


def _selected(suite: Suite, names: Sequence[str]) -> list[Case]:
    cases = [case for case in suite.cases if not names or any(_means(name, case.name) for name in names)]
    if not cases:
        known = ", ".join(dict.fromkeys(case.scenario.name for case in suite.cases))
        raise click.UsageError(f"no case has {' or '.join(map(repr, names))} in its name; there are: {known}")
    return cases


def _means(asked: str, name: str) -> bool:
    # In brackets are values, not fnmatch's sets of characters.
    return asked in name or fnmatchcase(name, asked.replace("[", "[[]"))
