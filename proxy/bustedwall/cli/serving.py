"""A run as a process: what it opens, what it says, how it ends."""

from __future__ import annotations

import gc
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from bustedwall.cli.exits import Exit
from bustedwall.cli.standard import say
from bustedwall.kernel.descriptors import seats
from bustedwall.policy.load import Config
from bustedwall.policy.model import SEEDS
from bustedwall.record.form import Form
from bustedwall.terms.facts import RunStarted

if TYPE_CHECKING:
    from bustedwall.cli.recording import Recording
    from bustedwall.cli.reloading import Reloading
    from bustedwall.relay.poller import Reactor
    from bustedwall.relay.wall import Wall


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of the process, and not of its proxies."""

    drain: float
    """Seconds for which open flows may go on when the process is to end."""
    form: Form
    """How stderr is written."""
    ready_file: Path | None = None
    verbose: bool = False
    quiet: bool = False


def serve(config: Config, load: Callable[[], Config], options: Options) -> Exit:
    """Run the proxies until a signal ends them; `load` reads the config again."""
    from twisted.internet import reactor  # noqa: PLC0415 (importing it chooses the reactor of the process)

    from bustedwall.cli.recording import Recording  # noqa: PLC0415 (late, for a quick --help)
    from bustedwall.cli.reloading import Reloading  # noqa: PLC0415
    from bustedwall.cli.signals import Signals  # noqa: PLC0415
    from bustedwall.relay.wall import CannotListenError, Wall  # noqa: PLC0415

    data_plane = cast("Reactor", reactor)  # the module stands in for the reactor that it installed
    signals = Signals(data_plane)
    try:
        recording = Recording(data_plane, config.journal, options.form, verbose=options.verbose, quiet=options.quiet)
    except OSError as error:
        _cannot_start(_about_file(error))
    seed = secrets.randbelow(SEEDS) if config.seed is None else config.seed
    recording.record(None, None, RunStarted(seed))
    wall = Wall(
        data_plane,
        config.proxies,
        recording.record,
        seed=seed,
        flows=seats(config.limits.flows),
        verbose=recording.verbose,
    )
    tell, announce = partial(recording.record, None, None), partial(_say_where, wall)
    reloading = Reloading(wall, config, load, options.drain, tell, announce)
    run = _Run(wall, recording, reloading, seed, options)
    signals.on_end(run.drain, wall.end_flows)
    signals.on(signal.SIGHUP, run.reload)
    try:
        wall.startService()
    except CannotListenError as error:
        recording.close()
        _cannot_start(str(error))
    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.callWhenRunning(run.announce)
    gc.freeze()  # what is loaded by now stays; the collector need not look at it again
    reactor.run(installSignalHandlers=False)  # type: ignore[call-arg]  # all reactors take it, their interface does not
    recording.close()
    return run.exit


class _Run:
    """What the process does between its start and its end."""

    def __init__(self, wall: Wall, recording: Recording, reloading: Reloading, seed: int, options: Options) -> None:
        self.exit = Exit.OK
        self._wall = wall
        self._recording = recording
        self._reloading = reloading
        self._seed = seed
        self._options = options
        self._ending = False

    def announce(self) -> None:
        """Say that all is up."""
        addresses = {proxy.proxy_name: str(proxy.address) for proxy in self._wall.proxies}
        if self._options.ready_file is not None:
            told = {"pid": os.getpid(), "seed": self._seed, "proxies": addresses}
            try:
                _write_whole(self._options.ready_file, json.dumps(told) + "\n")
            except OSError as error:
                say(f"bustedwall: {_about_file(error)}", err=True)
                self.exit = Exit.CANNOT_START
                self._stop()
                return
        self._recording.begin()
        _say_where(self._wall, addresses)

    def reload(self) -> None:
        """Read again what the run was started with, and open the journal anew."""
        self._recording.reopen()
        self._reloading.begin()

    def drain(self) -> None:
        """Shut all doors, and end when the last flow has ended, or may go on no longer."""
        if not self._ending:
            self._ending = True
            self._reloading.stop()
            self._wall.drain(self._options.drain).addCallback(lambda _: self._wall.reactor.stop())

    def _stop(self) -> None:
        self._ending = True
        self._wall.reactor.stop()


def _say_where(wall: Wall, names: Collection[str]) -> None:
    """Print where these proxies listen."""
    for proxy in wall.proxies:
        if proxy.proxy_name in names:
            say(f"listening {proxy.proxy_name} {proxy.address}")


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that no reader ever sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _about_file(error: OSError) -> str:
    return f"{error.filename or 'a file'}: {error.strerror}"


def _cannot_start(why: str) -> NoReturn:
    say(f"bustedwall: {why}", err=True)
    sys.exit(Exit.CANNOT_START)
