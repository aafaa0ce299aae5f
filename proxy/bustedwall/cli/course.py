"""What a run does between its start and its end: it says that all is up, reloads, tells its state, drains."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import bustedwall
from bustedwall.cli.exits import Exit
from bustedwall.cli.ready_file import ReadyFile
from bustedwall.cli.standard import say

if TYPE_CHECKING:
    from bustedwall.cli.command_file import CommandFile
    from bustedwall.cli.recording import Recording
    from bustedwall.cli.reloading import Reloading
    from bustedwall.cli.systemd import Notifier
    from bustedwall.control.service import Control
    from bustedwall.relay.wall import Wall

STATE_SCHEMA = 1
"""The version of the state's document; it changes when a reader of old ones would misread new ones."""


class Course:
    """What the process does between its start and its end."""

    def __init__(
        self,
        wall: Wall,
        recording: Recording,
        reloading: Reloading,
        notifier: Notifier,
        seed: int,
        drain: float,
        ready: ReadyFile,
    ) -> None:
        self.exit = Exit.OK
        self.control: Control | None = None
        """The HTTP API, if there is one."""
        self.commands: CommandFile | None = None
        """The command file, if there is one."""
        self.wall = wall
        self.recording = recording
        self.reloading = reloading
        self._notifier = notifier
        self.seed = seed
        self._drain = drain
        self._ready_file = ready
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
        told: dict[str, object] = {"pid": os.getpid(), "seed": self.seed, "proxies": addresses}
        if self.control is not None:
            told["control"] = str(self.control.where)
        try:
            self._ready_file.write(told)
        except OSError as error:
            say(f"bustedwall: {about_file(error)}", err=True)
            self.exit = Exit.CANNOT_START
            self._stop()
            return
        self.recording.begin()
        self._up = True
        if self.recording.url is not None:
            say(f"metrics {self.recording.url}")
        if self.control is not None:
            say(f"listening control {self.control.where}")
        say_where(self.wall, addresses)
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
            self._ready_file.remove()
            if self.commands is not None:
                self.commands.release()
            self.reloading.stop()
            flows = sum(len(proxy.flows) for proxy in (*self.wall.proxies, *self.wall.leaving))
            self._notifier.stopping(f"{flows} flows may go on", self._drain)
            self.wall.drain(self._drain).addCallback(lambda _: self.wall.reactor.stop())

    def _stop(self) -> None:
        self._ending = True
        self.wall.reactor.stop()


def say_where(wall: Wall, names: Collection[str]) -> None:
    """Print where these proxies listen."""
    for proxy in wall.proxies:
        if proxy.proxy_name in names:
            say(f"listening {proxy.proxy_name} {proxy.address}")


def about_file(error: OSError) -> str:
    """Return what is wrong with a file, and with which."""
    return f"{error.filename or 'a file'}: {error.strerror}"
