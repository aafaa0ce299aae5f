"""`bustedwall replay`: make the decisions of a recorded run again, or compare two."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import bustedwall
from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import is_terminal, say
from bustedwall.cli.words import Words
from bustedwall.flow.recorded import Recorded
from bustedwall.kernel.abilities import find_out
from bustedwall.policy.address import Listen, where_to_listen
from bustedwall.policy.control import ControlDoor, where_to_control
from bustedwall.policy.load import config_of, load_config
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.setup import Config
from bustedwall.record.form import Form
from bustedwall.replay.comparison import Comparison, Divergence, compare
from bustedwall.replay.decision import decision
from bustedwall.replay.recording import NoRecordingError, Recording, read
from bustedwall.terms.facts import Fact, FlowClosed, OrderLooked, ReplayDiverged, RuleFired, RuleSpared, ShareDrawn

if TYPE_CHECKING:
    from bustedwall.relay.service import Record

_MOST = 20
"""Differences that are told one by one in the end."""

_DECIDES = (RuleFired, RuleSpared, ShareDrawn, OrderLooked)


@click.command()
@click.argument("recording", type=click.Path(path_type=Path), metavar="RUN.jsonl")
@click.option("--against", type=click.Path(path_type=Path), help="Run nothing: compare with this journal.")
@click.option("--config", type=click.Path(path_type=Path), help="Run this config, and not the recorded one.")
@click.option("--listen", "listens", multiple=True, metavar="NAME=HOST:PORT", help="Where a proxy listens instead.")
@click.option("--journal", type=click.Path(path_type=Path), help="Append every fact to this file, as JSON Lines.")
@click.option(
    "--control",
    type=Words("[HOST:]PORT|unix:PATH", where_to_control),
    help="Serve the HTTP API, so that signals can be fired that the recorded rules wait for.",
)
@click.option("--ready-file", type=click.Path(path_type=Path), help="Write this file once all proxies listen.")
def replay(
    recording: Path,
    against: Path | None,
    config: Path | None,
    listens: tuple[str, ...],
    journal: Path | None,
    control: ControlDoor | None,
    ready_file: Path | None,
) -> None:
    """Run the proxies of a recorded run, and have every rule decide for each flow what it decided then.

    The recording is the journal of a run, made by --journal. Flows are known by their numbers, in the order in
    which they come. Where the traffic is other than it was, that is told as it comes; SIGINT or SIGTERM ends the
    run, with 0 if all decisions were made again, with 1 if not.

    \b
    bustedwall run staging.yaml --journal run.jsonl        then, somewhere else
    bustedwall replay run.jsonl
    bustedwall replay run.jsonl --against other.jsonl
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    if against is not None and (config or listens or journal or control or ready_file):
        raise click.UsageError(
            "--against runs nothing: --config, --listen, --journal, --control and --ready-file do not go with it"
        )
    told = _read(recording)
    if against is not None:
        summary = _Summary(len(told.decisions))
        for found in compare(told.decisions, _read(against).decisions):
            summary.add(found)
        sys.exit(summary.tell())
    setup = _setup(told, recording, config, dict(_where(text) for text in listens))
    from bustedwall.cli.serving import Options, serve  # noqa: PLC0415 (late, for a quick --help)

    form = Form.TEXT if is_terminal(sys.stderr) else Form.JSON
    setup = replace(setup, journal=journal, seed=told.seed, control=control)
    sys.exit(serve(setup, lambda: setup, Options(0.0, form, ready_file), _Replayed(told)))


class _Summary:
    """How a run differs from one of so many decisions; of differences that are many the first are kept."""

    def __init__(self, recorded: int) -> None:
        self._recorded = recorded
        self._decided = self._elsewhere = 0
        self._first: list[Divergence] = []

    def add(self, found: Divergence) -> None:
        """Count a difference."""
        self._decided += found.decided
        self._elsewhere += not found.decided
        if len(self._first) < _MOST:
            self._first.append(found)

    def tell(self) -> Exit:
        """Say it."""
        for one in self._first:
            say(f"{'decided' if one.decided else 'traffic'}  {one}", err=True)
        more = self._decided + self._elsewhere - len(self._first)
        if more:
            say(f"… {more} more differences", err=True)
        elsewhere = f", {self._elsewhere} came elsewhere" if self._elsewhere else ""
        say(f"{self._recorded} decisions recorded: {self._decided} differ{elsewhere}")
        return Exit.FINDING if self._decided else Exit.OK


class _Replayed:
    """A recording, while it is played."""

    def __init__(self, recording: Recording) -> None:
        self.recorded: Mapping[str, Recorded] = recording.by_proxy()
        self._comparison = Comparison(recording.decisions)
        self._summary = _Summary(len(recording.decisions))

    def see(self, record: Record) -> Record:
        """Return what records, and tells of differences behind the facts that they are in."""
        return partial(self._seen, record)

    def end(self) -> Exit:
        """Tell how it went."""
        for divergence in self._comparison.missing():
            self._summary.add(divergence)
        return self._summary.tell()

    def _seen(self, record: Record, proxy: str | None, flow: int | None, fact: Fact) -> None:
        record(proxy, flow, fact)
        for divergence in self._differences(proxy, flow, fact):
            self._summary.add(divergence)
            record(proxy, flow, ReplayDiverged(divergence.key.rule, divergence.key.coming, divergence.how))

    def _differences(self, proxy: str | None, flow: int | None, fact: Fact) -> list[Divergence]:
        if isinstance(fact, FlowClosed) and proxy is not None and flow is not None:
            return self._comparison.end_flow(proxy, flow)
        told = decision(_line(proxy, flow, fact)) if isinstance(fact, _DECIDES) else None
        found = None if told is None else self._comparison.see(*told)
        return [] if found is None else [found]


def _line(proxy: str | None, flow: int | None, fact: Fact) -> dict[str, Any]:
    fields = {name: getattr(fact, name) for name in fact.__dataclass_fields__}
    return {"proxy": proxy, "flow": flow, "fact": fact.name, **fields}


def _read(path: Path) -> Recording:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            recording = read(file)
    except OSError as error:
        say(f"bustedwall: {path}: {error.strerror}", err=True)
        sys.exit(Exit.CANNOT_START)
    except NoRecordingError as error:
        say(f"bustedwall: {path}{f':{error.line}' if error.line else ''}: {error}", err=True)
        sys.exit(Exit.CANNOT_START)
    _warn(path, recording)
    return recording


def _warn(path: Path, recording: Recording) -> None:
    """Tell why its decisions may not be all, or not be made again."""
    if recording.version != bustedwall.__version__:
        of = f"recorded by bustedwall {recording.version}, this is {bustedwall.__version__}"
        say(f"bustedwall: {path}: {of}: what is not in the recording may be drawn otherwise", err=True)
    if recording.changes:
        first = f"was changed while it ran, first at {recording.changes[0]}"
        say(f"bustedwall: {path}: the run {first}: decisions from there may differ", err=True)
    for line in recording.torn[:1]:
        more = f", and {len(recording.torn) - 1} more" if len(recording.torn) > 1 else ""
        say(f"bustedwall: {path}:{line}: this line is torn{more}: what it told is decided anew", err=True)
    if recording.dropped:
        say(f"bustedwall: {path}: {recording.dropped} facts are missing in it: they are decided anew", err=True)


def _setup(told: Recording, path: Path, config: Path | None, listens: Mapping[str, Listen]) -> Config:
    missing = find_out().missing()
    try:
        if config is not None:
            setup = load_config(config, missing)
        else:
            setup = config_of(parse(_without_doors(told.config), f"{path}, its setup"), Path(), missing)
    except PolicyError as error:
        say(str(error), err=True)
        lacking = any(problem.privilege for problem in error.problems)
        sys.exit(Exit.MISSING_PRIVILEGE if lacking else Exit.FINDING)
    names = [proxy.name for proxy in setup.proxies]
    for name in listens:
        if name not in names:
            raise click.UsageError(f"--listen: there is no proxy '{name}'; there are: {', '.join(names)}")
    return replace(
        setup, proxies=tuple(replace(one, listen=listens.get(one.name, one.listen)) for one in setup.proxies)
    )


def _without_doors(config: str) -> str:
    """Return a recorded setup without what a replay has by options of its own; what is no JSON the parser tells."""
    try:
        data = json.loads(config)
    except ValueError:
        return config
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key not in ("journal", "control")}
    return json.dumps(data)


def _where(text: str) -> tuple[str, Listen]:
    name, equals, where = text.partition("=")
    if not equals:
        raise click.UsageError(f"--listen: expected NAME=HOST:PORT, got '{text}'")
    try:
        return name, where_to_listen(where)
    except ValueError as error:
        raise click.UsageError(f"--listen: {error}") from error
