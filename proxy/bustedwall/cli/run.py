"""`bustedwall run`: the proxies, until a signal ends them."""

from __future__ import annotations

import gc
import json
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import click

from bustedwall.cli.exits import Exit
from bustedwall.policy.address import Address
from bustedwall.policy.load import Config, ProxySetup, load_config, load_use
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.rules import Rule

if TYPE_CHECKING:
    from bustedwall.relay.poller import Reactor


class _Address(click.ParamType[Address]):
    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return value if isinstance(value, Address) else Address.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


ADDRESS = _Address()


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--listen", type=ADDRESS, help="Where clients connect; port 0 picks one.")
@click.option("--upstream", type=ADDRESS, help="The real server.")
@click.option("--policy", "policies", multiple=True, metavar="NAME[:k=v,…]", help="A policy of the library, or a file.")
@click.option("--name", default="proxy", show_default=True, help="What to call this proxy in the records.")
@click.option("--journal", type=click.Path(path_type=Path), help="Append every fact to this file, as JSON Lines.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Write this file once all proxies listen.")
@click.option("-v", "--verbose", is_flag=True, help="Show also what every flow does.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
def run(
    config: Path | None,
    listen: Address | None,
    upstream: Address | None,
    policies: tuple[str, ...],
    name: str,
    journal: Path | None,
    ready_file: Path | None,
    *,
    verbose: bool,
    quiet: bool,
) -> None:
    """Run the proxies of CONFIG, or one from --listen and --upstream.

    Prints `listening NAME HOST:PORT` for each proxy when it is ready. SIGTERM and SIGINT end every
    flow with a RST and exit 0.

    \b
    bustedwall run configs/demo.yaml
    bustedwall run --listen 127.0.0.1:15432 --upstream db.internal:5432
    bustedwall run --listen 127.0.0.1:0 --upstream 127.0.0.1:80 --policy slow-link:delay=50ms
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    if (config is None) == (listen is None and upstream is None):
        raise click.UsageError("give either a CONFIG file, or --listen and --upstream")
    try:
        if config is not None:
            if policies:
                raise click.UsageError("--policy goes with --listen and --upstream; a CONFIG names its own")
            setup = load_config(config)
        elif listen is None or upstream is None:
            raise click.UsageError("--listen and --upstream go together")
        else:
            rules = _rules(policies)
            setup = Config(1.0, None, (ProxySetup(name, listen, upstream, rules),))
    except PolicyError as error:
        click.echo(str(error), err=True)
        sys.exit(Exit.FINDING)
    sys.exit(_serve(setup, journal or setup.journal, ready_file, verbose=verbose, quiet=quiet))


def _rules(policies: tuple[str, ...]) -> tuple[Rule, ...]:
    """Return the rules of all policies; raises UsageError if one is given twice."""
    rules: list[Rule] = []
    for policy in policies:
        found = load_use(policy)
        if {rule.name for rule in rules} & {rule.name for rule in found}:
            raise click.UsageError(f"--policy {policy}: this policy was given already, and a proxy takes each once")
        rules += found
    return tuple(rules)


def _serve(setup: Config, journal_path: Path | None, ready_file: Path | None, *, verbose: bool, quiet: bool) -> Exit:
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
        if journal_path is not None:
            journal = Journal(journal_path)
            readers.append(journal)
        wall = Wall(
            cast("Reactor", reactor),  # the module stands in for the reactor that it installed
            setup.proxies,
            Stream(readers).record,
            seed=secrets.randbelow(1 << 32),
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
                _write_whole(ready_file, json.dumps({"pid": os.getpid(), "proxies": addresses}) + "\n")
        except OSError as error:
            click.echo(f"bustedwall: {_about_file(error)}", err=True)
            exit_code = Exit.CANNOT_START
            wall.reactor.stop()
            return
        for name, address in addresses.items():
            click.echo(f"listening {name} {address}")

    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.callWhenRunning(announce)
    gc.freeze()  # what is loaded by now stays; the collector need not look at it again
    reactor.run()
    if journal is not None:
        journal.close()
    return exit_code


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
