"""`bustedwall run`: the proxies, until a signal ends them."""

from __future__ import annotations

import gc
import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import click

from bustedwall.cli.exits import Exit
from bustedwall.kernel.abilities import find_out
from bustedwall.policy.address import Address
from bustedwall.policy.load import Config, ProxySetup, load_config, load_typed
from bustedwall.policy.missing import Terms
from bustedwall.policy.model import SEEDS, OnMissing
from bustedwall.policy.problem import PolicyError
from bustedwall.terms.facts import Fact, RunStarted

if TYPE_CHECKING:
    from bustedwall.relay.poller import Reactor


class _Address(click.ParamType[Address]):
    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return value if isinstance(value, Address) else Address.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Scale(click.FloatRange):
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(cast("float", value), param, ctx))
        if not isfinite(number):  # NaN is in every range
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


ADDRESS = _Address()


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--listen", type=ADDRESS, help="Where clients connect; port 0 picks one.")
@click.option("--upstream", type=ADDRESS, help="The real server.")
@click.option("--policy", "policies", multiple=True, metavar="NAME[:k=v,…]", help="A policy of the library, or a file.")
@click.option(
    "--fault", "faults", multiple=True, metavar="STEP", help="A step, as in 'reset client'; several in order."
)
@click.option("--when", metavar="MOMENT", help="When the faults are done, as in 'bytes 1kB from server'; else at once.")
@click.option("--name", default="proxy", show_default=True, help="What to call this proxy in the records.")
@click.option("--seed", type=click.IntRange(0, SEEDS - 1), help="Where all chance comes from; else it is drawn.")
@click.option(
    "--time-scale",
    type=_Scale(0, min_open=True),
    help="Divides the default times of policies, where a policy says that it may.",
)
@click.option(
    "--on-missing",
    type=click.Choice(OnMissing, case_sensitive=False),
    help="What becomes of steps that this machine cannot do.",
)
@click.option("--journal", type=click.Path(path_type=Path), help="Append every fact to this file, as JSON Lines.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Write this file once all proxies listen.")
@click.option("-v", "--verbose", is_flag=True, help="Show also what every flow does.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
def run(
    config: Path | None,
    listen: Address | None,
    upstream: Address | None,
    policies: tuple[str, ...],
    faults: tuple[str, ...],
    when: str | None,
    name: str,
    seed: int | None,
    time_scale: float | None,
    on_missing: OnMissing | None,
    journal: Path | None,
    ready_file: Path | None,
    *,
    verbose: bool,
    quiet: bool,
) -> None:
    """Run the proxies of CONFIG, or one from --listen and --upstream.

    Prints `listening NAME HOST:PORT` for each proxy when it is ready, and on stderr the seed.
    SIGTERM and SIGINT end every flow with a RST and exit 0.

    \b
    bustedwall run configs/demo.yaml
    bustedwall run --listen 127.0.0.1:15432 --upstream db.internal:5432
    bustedwall run --listen 127.0.0.1:0 --upstream 127.0.0.1:80 --policy slow-link:delay=50ms
    bustedwall run --listen 127.0.0.1:0 --upstream 127.0.0.1:80 \\
        --fault 'drop all from client' --fault 'wait 5s' --fault 'reset client' --when 'bytes 1kB from server'
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    if (config is None) == (listen is None and upstream is None):
        raise click.UsageError("give either a CONFIG file, or --listen and --upstream")
    if when is not None and not faults:
        raise click.UsageError("--when says at which moment the --fault is done; there is no --fault")
    try:
        if config is not None:
            if policies or faults:
                raise click.UsageError("--policy and --fault go with --listen and --upstream; a CONFIG names its own")
            setup = load_config(config, find_out().missing(), time_scale=time_scale, on_missing=on_missing)
        elif listen is None or upstream is None:
            raise click.UsageError("--listen and --upstream go together")
        else:
            terms = Terms(time_scale or 1.0, find_out().missing(), on_missing or OnMissing.FAIL)
            found = load_typed(policies, faults, when, terms)
            proxy = ProxySetup(name, listen, upstream, found.rules, found.notices)
            setup = Config(terms.time_scale, None, (proxy,))
    except PolicyError as error:
        click.echo(str(error), err=True)
        lacking = any(problem.privilege for problem in error.problems)
        sys.exit(Exit.MISSING_PRIVILEGE if lacking else Exit.FINDING)
    setup = replace(
        setup,
        journal=journal or setup.journal,
        seed=next(known for known in (seed, setup.seed, secrets.randbelow(SEEDS)) if known is not None),
    )
    sys.exit(_serve(setup, ready_file, verbose=verbose, quiet=quiet))


def _serve(setup: Config, ready_file: Path | None, *, verbose: bool, quiet: bool) -> Exit:
    """Run the reactor until it is stopped."""
    from twisted.internet import reactor  # noqa: PLC0415 (importing it chooses the reactor of the process)

    from bustedwall.record.journal import Journal  # noqa: PLC0415 (late, for a quick --help)
    from bustedwall.record.log import TextLog  # noqa: PLC0415
    from bustedwall.record.stream import Reader, Stream  # noqa: PLC0415
    from bustedwall.relay.wall import CannotListenError, Wall  # noqa: PLC0415

    _log_to_stderr()
    readers: list[Reader] = [] if quiet else [TextLog(sys.stderr, daily=verbose)]
    journal = None
    try:
        if setup.journal is not None:
            journal = Journal(setup.journal)
            readers.append(journal)
        record = Stream(readers).record
        assert setup.seed is not None
        _record_start(record, setup, setup.seed)
        wall = Wall(
            cast("Reactor", reactor),  # the module stands in for the reactor that it installed
            setup.proxies,
            record,
            seed=setup.seed,
            verbose=verbose or journal is not None,
        )
        wall.startService()
    except CannotListenError as error:
        _cannot_start(str(error))
    except OSError as error:
        _cannot_start(_about_file(error))
    exit_code = Exit.OK

    def announce() -> None:
        """Say that all is up: now, and not before, a signal ends the reactor and not just the process."""
        nonlocal exit_code
        addresses = {proxy.proxy_name: str(proxy.address) for proxy in wall.proxies}
        try:
            if ready_file is not None:
                _write_whole(
                    ready_file, json.dumps({"pid": os.getpid(), "seed": setup.seed, "proxies": addresses}) + "\n"
                )
        except OSError as error:
            click.echo(f"bustedwall: {_about_file(error)}", err=True)
            exit_code = Exit.CANNOT_START
            wall.reactor.stop()
            return
        if not quiet:
            click.echo(f"seed {setup.seed}", err=True)
        for name, address in addresses.items():
            click.echo(f"listening {name} {address}")

    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.callWhenRunning(announce)
    gc.freeze()  # what is loaded by now stays; the collector need not look at it again
    reactor.run()
    if journal is not None:
        journal.close()
    return exit_code


def _record_start(record: Callable[[str | None, int | None, Fact], None], setup: Config, seed: int) -> None:
    """Record what is decided before there is any traffic."""
    record(None, None, RunStarted(seed))
    for proxy in setup.proxies:
        for notice in proxy.notices:
            record(proxy.name, None, notice)


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that no reader ever sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _about_file(error: OSError) -> str:
    return f"{error.filename or 'a file'}: {error.strerror}"


def _cannot_start(why: str) -> NoReturn:
    click.echo(f"bustedwall: {why}", err=True)
    sys.exit(Exit.CANNOT_START)


def _log_to_stderr() -> None:
    """Show warnings and failures, ours and Twisted's."""
    from twisted.logger import (  # noqa: PLC0415 (late, for a quick --help)
        FilteringLogObserver,
        LogLevel,
        LogLevelFilterPredicate,
        globalLogBeginner,
        textFileLogObserver,
    )

    warnings = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [warnings])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
