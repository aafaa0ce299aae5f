"""A run as a process: what it opens, what it says, how it ends."""

from __future__ import annotations

import gc
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import bustedwall
from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import say
from bustedwall.cli.tokens import TokenError, tokens
from bustedwall.flow.recorded import Recorded
from bustedwall.kernel.descriptors import seats
from bustedwall.kernel.passed import PassedSockets
from bustedwall.policy.control import ControlDoor
from bustedwall.policy.export import export
from bustedwall.policy.model import SEEDS
from bustedwall.policy.setup import Config
from bustedwall.record.files import write_whole
from bustedwall.record.form import Form
from bustedwall.terms.facts import RunStarted, SetupTold

if TYPE_CHECKING:
    from bustedwall.cli.measuring import Where
    from bustedwall.cli.orders import Orders
    from bustedwall.cli.recording import Recording
    from bustedwall.cli.reloading import Reloading
    from bustedwall.cli.systemd import Notifier
    from bustedwall.control.service import Control
    from bustedwall.record.recent import Recent
    from bustedwall.relay.poller import Reactor
    from bustedwall.relay.service import Record
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
    token_file: Path | None = None
    """What owners of the HTTP API have to know."""
    read_token_file: Path | None = None
    """What its readers have to know."""
    verbose: bool = False
    quiet: bool = False


class Replayed(Protocol):
    """A run that is played again."""

    @property
    def recorded(self) -> Mapping[str, Recorded]:
        """By proxy, what was decided."""

    def see(self, record: Record) -> Record:
        """Return what records, and looks at what comes."""

    def end(self) -> Exit:
        """Tell how it went."""


def serve(config: Config, load: Callable[[], Config], options: Options, replayed: Replayed | None = None) -> Exit:
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
    from bustedwall.record.recent import Recent  # noqa: PLC0415
    from bustedwall.relay.census import census  # noqa: PLC0415
    from bustedwall.relay.wall import CannotStartError, Wall  # noqa: PLC0415

    data_plane = cast("Reactor", reactor)  # the module stands in for the reactor that it installed
    signals = Signals(data_plane)
    recent = None if config.control is None else Recent()
    try:
        recording = Recording(
            data_plane,
            config.journal,
            options.form,
            options.metrics,
            control=recent,
            verbose=options.verbose,
            quiet=options.quiet,
        )
    except OSError as error:
        _cannot_start(_about_file(error))
    seed = secrets.randbelow(SEEDS) if config.seed is None else config.seed
    _tell_beginning(recording, replace(config, seed=seed), seed)
    wall = Wall(
        data_plane,
        config.proxies,
        recording.record if replayed is None else replayed.see(recording.record),
        seed=seed,
        limits=replace(config.limits, flows=seats(config.limits.flows)),
        passed=passed,
        verbose=recording.verbose or replayed is not None,
        recorded=None if replayed is None else replayed.recorded,
    )
    record = partial(recording.record, None, None)
    notifier = Notifier()
    reloading = Reloading(wall, config, load, options.drain, record, partial(_say_where, wall), notifier.ready)
    run = _Run(wall, recording, reloading, notifier, seed, options)
    telling = Telling(data_plane, wall, options.state_file, run.head, record)
    orders = Orders(wall, record, reload=run.reload, tell=telling.begin)
    signals.on_end(run.drain, wall.end_flows)
    acts: dict[signal.Signals, Callable[[], object]] = {
        signal.SIGHUP: run.reload,
        signal.SIGUSR1: telling.begin,
        signal.SIGUSR2: orders.panic,
    }
    for number, act in acts.items():
        signals.on(number, act)
    with ExitStack() as closing:
        closing.callback(recording.close)
        try:
            if options.command_file is not None:
                closing.callback(CommandFile(data_plane, options.command_file, orders.obey).close)
            recording.measure(lambda: census((*wall.proxies, *wall.leaving)))
            if config.control is not None and recent is not None:
                run.control = _control(config.control, options, run, orders, recent)
                closing.callback(run.control.close)
            wall.startService()
        except (CannotStartError, TokenError, OSError) as error:
            closing.close()
            _cannot_start(_about_file(error) if isinstance(error, OSError) else str(error))
        reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
        reactor.callWhenRunning(run.announce)
        _turn(data_plane)
    signals.leave()
    return run.exit if replayed is None or run.exit is not Exit.OK else replayed.end()


def _tell_beginning(recording: Recording, config: Config, seed: int) -> None:
    recording.record(None, None, RunStarted(seed))
    recording.record(None, None, SetupTold(bustedwall.__version__, json.dumps(export(config, config.proxies))))


def _control(where: ControlDoor, options: Options, run: _Run, orders: Orders, recent: Recent) -> Control:
    known = tokens(where, options.token_file, options.read_token_file, os.environ)
    from bustedwall.control.service import Control, RunControlled  # noqa: PLC0415 (half a second, for who asks for it)

    return Control(
        where,
        known,
        RunControlled(
            run.wall,
            recent,
            run.recording.registry,
            config=lambda: replace(run.reloading.current, seed=run.seed),
            ready=lambda: run.ready,
            record=lambda proxy, fact: run.recording.record(proxy, None, fact),
            panic=orders.panic,
            signal=orders.signal,
            drain=options.drain,
        ),
    )


def _turn(reactor: Reactor) -> None:
    gc.freeze()  # what is loaded by now stays; the collector need not look at it again
    gc.enable()  # who starts us may have left it out until now
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
        self.control: Control | None = None
        """The HTTP API, if there is one."""
        self.wall = wall
        self.recording = recording
        self.reloading = reloading
        self._notifier = notifier
        self.seed = seed
        self._options = options
        self._began = wall.reactor.seconds()
        self._up = self._ending = False

    def head(self) -> dict[str, Any]:
        """Return the state of the process itself."""
        return {
            "schema": STATE_SCHEMA,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "version": bustedwall.__version__,
            "pid": os.getpid(),
            "seed": self.seed,
            "state": "draining" if self._ending else "running",
            "uptime": round(self.wall.reactor.seconds() - self._began, 3),
            "reloads": self.reloading.done,
            "reloads_failed": self.reloading.failed,
            "facts": self.recording.counts,
        }

    @property
    def ready(self) -> bool:
        """Tell whether clients can come to the proxies."""
        return self._up and not self._ending

    def announce(self) -> None:
        """Say that all is up."""
        addresses = {proxy.proxy_name: str(proxy.address) for proxy in self.wall.proxies}
        if self._options.ready_file is not None:
            told: dict[str, object] = {"pid": os.getpid(), "seed": self.seed, "proxies": addresses}
            if self.control is not None:
                told["control"] = str(self.control.where)
            try:
                write_whole(self._options.ready_file, f"{json.dumps(told)}\n".encode())
            except OSError as error:
                say(f"bustedwall: {_about_file(error)}", err=True)
                self.exit = Exit.CANNOT_START
                self._stop()
                return
        self.recording.begin()
        self._up = True
        if self.recording.url is not None:
            say(f"metrics {self.recording.url}")
        if self.control is not None:
            say(f"listening control {self.control.where}")
        _say_where(self.wall, addresses)
        self._notifier.ready(f"{len(addresses)} listening")
        self._notifier.watch(self.wall.reactor)

    def reload(self) -> None:
        """Read again what the run was started with, and open the journal anew."""
        self.recording.reopen()
        if not self._ending:
            self._notifier.reloading()
        self.reloading.begin()

    def drain(self) -> None:
        """Shut all doors, and end when the last flow has ended, or may go on no longer."""
        if not self._ending:
            self._ending = True
            self.reloading.stop()
            flows = sum(len(proxy.flows) for proxy in (*self.wall.proxies, *self.wall.leaving))
            self._notifier.stopping(f"{flows} flows may go on", self._options.drain)
            self.wall.drain(self._options.drain).addCallback(lambda _: self.wall.reactor.stop())

    def _stop(self) -> None:
        self._ending = True
        self.wall.reactor.stop()


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
