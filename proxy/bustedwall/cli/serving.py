"""A run as a process: what it opens, what it says, how it ends."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import click

from bustedwall.cli.exits import Exit
from bustedwall.policy.load import Config
from bustedwall.terms.facts import Fact, RunStarted

if TYPE_CHECKING:
    from bustedwall.relay.poller import Reactor


def serve(setup: Config, ready_file: Path | None, *, verbose: bool, quiet: bool) -> Exit:
    """Run the proxies until the reactor is stopped; `setup` has a seed."""
    from twisted.internet import reactor  # noqa: PLC0415 (importing it chooses the reactor of the process)

    from bustedwall.record.journal import Journal  # noqa: PLC0415 (late, for a quick --help)
    from bustedwall.record.log import TextLog  # noqa: PLC0415
    from bustedwall.record.stream import Reader, Stream  # noqa: PLC0415
    from bustedwall.relay.wall import CannotListenError, Wall  # noqa: PLC0415

    log_to_stderr()
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


def log_to_stderr() -> None:
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
