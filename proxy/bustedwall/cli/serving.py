"""A run as a process: what it opens, what it says, how it ends."""

from __future__ import annotations

import gc
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import bustedwall
from bustedwall.cli.course import Course, about_file, say_where
from bustedwall.cli.exits import Exit
from bustedwall.cli.ready_file import ReadyFile
from bustedwall.cli.standard import say
from bustedwall.cli.tokens import TokenError, tokens
from bustedwall.flow.recorded import Recorded
from bustedwall.kernel.descriptors import seats
from bustedwall.kernel.passed import PassedSockets
from bustedwall.policy.config_model import SEEDS
from bustedwall.policy.control import ControlDoor
from bustedwall.policy.export import export
from bustedwall.policy.setup import Config
from bustedwall.record.form import Form
from bustedwall.terms.facts import RunStarted, SetupTold

if TYPE_CHECKING:
    from bustedwall.cli.measuring import Where
    from bustedwall.cli.orders import Orders
    from bustedwall.cli.recording import Recording
    from bustedwall.control.service import Control
    from bustedwall.record.recent import Recent
    from bustedwall.relay.poller import Reactor
    from bustedwall.relay.service import Record


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
    ready, recording = _open_files(data_plane, config, options, recent)
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
    reloading = Reloading(wall, config, load, options.drain, record, partial(say_where, wall), notifier.ready)
    run = Course(wall, recording, reloading, notifier, seed, options.drain, ready)
    telling = Telling(data_plane, wall, options.state_file, run.head, record)
    orders = Orders(wall, record, reload=run.reload, tell=telling.begin)
    signals.on_end(run.drain, wall.end_flows)
    signals.on(signal.SIGHUP, run.reload)
    signals.on(signal.SIGUSR1, telling.begin)
    signals.on(signal.SIGUSR2, orders.panic)
    with ExitStack() as closing:
        closing.callback(recording.close)
        try:
            if options.command_file is not None:
                run.commands = CommandFile(data_plane, options.command_file, orders.obey)
                closing.callback(run.commands.close)
            recording.measure(lambda: census((*wall.proxies, *wall.leaving)))
            if config.control is not None and recent is not None:
                run.control = _control(config.control, options, run, orders, recent)
                closing.callback(run.control.close)
            wall.startService()
        except (CannotStartError, TokenError, OSError) as error:
            closing.close()
            _cannot_start(about_file(error) if isinstance(error, OSError) else str(error))
        reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
        reactor.callWhenRunning(run.announce)
        _turn(data_plane)
    signals.leave()
    return run.exit if replayed is None or run.exit is not Exit.OK else replayed.end()


def _open_files(
    reactor: Reactor, config: Config, options: Options, recent: Recent | None
) -> tuple[ReadyFile, Recording]:
    from bustedwall.cli.recording import Recording  # noqa: PLC0415 (late, for a quick --help)

    try:
        ready = ReadyFile(options.ready_file)
        recording = Recording(
            reactor,
            config.journal,
            options.form,
            options.metrics,
            control=recent,
            verbose=options.verbose,
            quiet=options.quiet,
        )
    except OSError as error:
        _cannot_start(about_file(error))
    return ready, recording


def _tell_beginning(recording: Recording, config: Config, seed: int) -> None:
    recording.record(None, None, RunStarted(seed))
    recording.record(None, None, SetupTold(bustedwall.__version__, json.dumps(export(config, config.proxies))))


def _control(where: ControlDoor, options: Options, run: Course, orders: Orders, recent: Recent) -> Control:
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


def _cannot_start(why: str) -> NoReturn:
    say(f"bustedwall: {why}", err=True)
    sys.exit(Exit.CANNOT_START)
