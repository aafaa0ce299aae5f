"""A run as a process: what it opens, what it says, how it ends."""

from __future__ import annotations

import gc
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import bustedwall
from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import say
from bustedwall.kernel.descriptors import seats
from bustedwall.kernel.passed import PassedSockets
from bustedwall.policy.load import Config
from bustedwall.policy.model import SEEDS
from bustedwall.record.files import write_whole
from bustedwall.record.form import Form
from bustedwall.terms.facts import RunStarted

if TYPE_CHECKING:
    from bustedwall.cli.measuring import Where
    from bustedwall.cli.recording import Recording
    from bustedwall.cli.reloading import Reloading
    from bustedwall.cli.systemd import Notifier
    from bustedwall.relay.poller import Reactor
    from bustedwall.relay.wall import Wall


STATE_SCHEMA = 1
"""The version of the state's document; it changes when a reader of old ones would misread new ones."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of the process, and not of its proxies."""

    drain: float
    """Seconds for which open flows may go on when the process is to end."""
    form: Form
    """How stderr is written."""
    ready_file: Path | None = None
    state_file: Path | None = None
    """Where the state goes that SIGUSR1 asks for; None: to stdout."""
    command_file: Path | None = None
    """A named pipe that takes commands."""
    metrics: Where | None = None
    """Where metrics are to be had."""
    verbose: bool = False
    quiet: bool = False


def serve(config: Config, load: Callable[[], Config], options: Options) -> Exit:
    """Run the proxies until a signal ends them; `load` reads the config again."""
    passed = PassedSockets.of(os.environ)  # first: what we open ourselves may get the numbers of what is missing
    from twisted.internet import reactor  # noqa: PLC0415 (importing it chooses the reactor of the process)

    # Twisted's timers go by the wall clock; when that is set back by an hour, they are an hour late.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]  # of this one reactor

    from bustedwall.cli.command_file import CommandFile  # noqa: PLC0415 (late, for a quick --help)
    from bustedwall.cli.orders import Orders  # noqa: PLC0415
    from bustedwall.cli.recording import Recording  # noqa: PLC0415
    from bustedwall.cli.reloading import Reloading  # noqa: PLC0415
    from bustedwall.cli.signals import Signals  # noqa: PLC0415
    from bustedwall.cli.systemd import Notifier  # noqa: PLC0415
    from bustedwall.cli.telling import Telling  # noqa: PLC0415
    from bustedwall.relay.census import census  # noqa: PLC0415
    from bustedwall.relay.wall import CannotStartError, Wall  # noqa: PLC0415

    data_plane = cast("Reactor", reactor)  # the module stands in for the reactor that it installed
    signals = Signals(data_plane)
    try:
        recording = Recording(
            data_plane,
            config.journal,
            options.form,
            options.metrics,
            verbose=options.verbose,
            quiet=options.quiet,
        )
    except OSError as error:
        _cannot_start(_about_file(error))
    seed = secrets.randbelow(SEEDS) if config.seed is None else config.seed
    recording.record(None, None, RunStarted(seed))
    wall = Wall(
        data_plane,
        config.proxies,
        recording.record,
        seed=seed,
        limits=replace(config.limits, flows=seats(config.limits.flows)),
        passed=passed,
        verbose=recording.verbose,
    )
    record = partial(recording.record, None, None)
    notifier = Notifier()
    reloading = Reloading(wall, config, load, options.drain, record, partial(_say_where, wall), notifier.ready)
    run = _Run(wall, recording, reloading, notifier, seed, options)
    telling = Telling(data_plane, wall, options.state_file, run.head, record)
    orders = Orders(wall, record, reload=run.reload, tell=telling.begin)
    signals.on_end(run.drain, wall.end_flows)
    signals.on(signal.SIGHUP, run.reload)
    signals.on(signal.SIGUSR1, telling.begin)
    signals.on(signal.SIGUSR2, orders.panic)
    command_file = None
    try:
        if options.command_file is not None:
            command_file = CommandFile(data_plane, options.command_file, orders.obey)
        recording.measure(lambda: census((*wall.proxies, *wall.leaving)))
        wall.startService()
    except (CannotStartError, OSError) as error:
        if command_file is not None:
            command_file.close()
        recording.close()
        _cannot_start(_about_file(error) if isinstance(error, OSError) else str(error))
    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.callWhenRunning(run.announce)
    _turn(data_plane)
    if command_file is not None:
        command_file.close()
    recording.close()
    signals.leave()
    return run.exit


def _turn(reactor: Reactor) -> None:
    gc.freeze()  # what is loaded by now stays; the collector need not look at it again
    reactor.run(installSignalHandlers=False)  # type: ignore[call-arg]  # all reactors take it, their interface does not


class _Run:
    """What the process does between its start and its end."""

    def __init__(
        self,
        wall: Wall,
        recording: Recording,
        reloading: Reloading,
        notifier: Notifier,
        seed: int,
        options: Options,
    ) -> None:
        self.exit = Exit.OK
        self._wall = wall
        self._recording = recording
        self._reloading = reloading
        self._notifier = notifier
        self._seed = seed
        self._options = options
        self._began = wall.reactor.seconds()
        self._ending = False

    def head(self) -> dict[str, Any]:
        """Return the state of the process itself."""
        return {
            "schema": STATE_SCHEMA,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "version": bustedwall.__version__,
            "pid": os.getpid(),
            "seed": self._seed,
            "state": "draining" if self._ending else "running",
            "uptime": round(self._wall.reactor.seconds() - self._began, 3),
            "reloads": self._reloading.done,
            "reloads_failed": self._reloading.failed,
            "facts": self._recording.counts,
        }

    def announce(self) -> None:
        """Say that all is up."""
        addresses = {proxy.proxy_name: str(proxy.address) for proxy in self._wall.proxies}
        if self._options.ready_file is not None:
            told = {"pid": os.getpid(), "seed": self._seed, "proxies": addresses}
            try:
                write_whole(self._options.ready_file, f"{json.dumps(told)}\n".encode())
            except OSError as error:
                say(f"bustedwall: {_about_file(error)}", err=True)
                self.exit = Exit.CANNOT_START
                self._stop()
                return
        self._recording.begin()
        if self._recording.url is not None:
            say(f"metrics {self._recording.url}")
        _say_where(self._wall, addresses)
        self._notifier.ready(f"{len(addresses)} listening")
        self._notifier.watch(self._wall.reactor)

    def reload(self) -> None:
        """Read again what the run was started with, and open the journal anew."""
        self._recording.reopen()
        if not self._ending:
            self._notifier.reloading()
        self._reloading.begin()

    def drain(self) -> None:
        """Shut all doors, and end when the last flow has ended, or may go on no longer."""
        if not self._ending:
            self._ending = True
            self._reloading.stop()
            flows = sum(len(proxy.flows) for proxy in (*self._wall.proxies, *self._wall.leaving))
            self._notifier.stopping(f"{flows} flows may go on", self._options.drain)
            self._wall.drain(self._options.drain).addCallback(lambda _: self._wall.reactor.stop())

    def _stop(self) -> None:
        self._ending = True
        self._wall.reactor.stop()


def _say_where(wall: Wall, names: Collection[str]) -> None:
    """Print where these proxies listen."""
    for proxy in wall.proxies:
        if proxy.proxy_name in names:
            say(f"listening {proxy.proxy_name} {proxy.address}")


def _about_file(error: OSError) -> str:
    return f"{error.filename or 'a file'}: {error.strerror}"


def _cannot_start(why: str) -> NoReturn:
    say(f"bustedwall: {why}", err=True)
    sys.exit(Exit.CANNOT_START)
