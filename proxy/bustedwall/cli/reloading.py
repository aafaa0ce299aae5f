"""A reload: what the run was started with is read again, and all of it is in force, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import fields
from threading import Thread

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bustedwall.policy.problem import PolicyError
from bustedwall.policy.setup import Config
from bustedwall.relay.wall import CannotStartError, Wall
from bustedwall.terms.facts import Fact, Reloaded, ReloadFailed

_IN_RULES = ("proxies", "terms", "defined", "dry_run", "upstreams")
"""What of a config a reload can change; the rest is read at the start."""

_ENDING = "the run is about to end"

log = Logger()


class Reloading:
    """Reads in a thread, so that no flow waits for it, and changes the proxies in the reactor's."""

    def __init__(
        self,
        wall: Wall,
        config: Config,
        load: Callable[[], Config],
        drain: float,
        record: Callable[[Fact], None],
        announce: Callable[[Collection[str]], None],
        ended: Callable[[str], None],
    ) -> None:
        self.done = 0
        """How many reloads are in force, or were."""
        self.failed = 0
        self.current = config
        """As it was read last."""
        self._wall = wall
        self._config = config
        """As it was read at the start."""
        self._load = load
        self._drain = drain
        self._record = record
        self._announce = announce
        """Tells of doors that are new, by the names of their proxies."""
        self._ended = ended
        """Called with how it went when no reload is under way any more."""
        self._status = ""
        self._reading = False
        self._again = False
        self._stopped = False

    def begin(self) -> None:
        """Read again; while that is under way it is noted, and done once more after it."""
        if self._stopped:
            self._fail(_ENDING, _ENDING, 0)
            return
        if self._reading:
            self._again = True
            return
        self._reading = True
        read: Deferred[Config] = Deferred()
        read.addCallbacks(self._change, self._refuse).addBoth(self._end)
        # A daemon: a file server that hangs, or a pipe that nobody writes, must not keep the process from ending.
        Thread(target=self._read, args=(read,), name="bustedwall-reload", daemon=True).start()

    def _read(self, read: Deferred[Config]) -> None:
        try:
            config = self._load()
        except Exception as error:  # noqa: BLE001 (what it is, is told by who asked)
            self._wall.reactor.callFromThread(read.errback, error)
        else:
            self._wall.reactor.callFromThread(read.callback, config)

    def stop(self) -> None:
        """Change nothing any more: the proxies are on their way out."""
        self._stopped = True
        if self._reading:
            self._fail(_ENDING, _ENDING, 0)

    def _change(self, config: Config) -> None:
        if self._stopped:
            return
        try:
            changes = self._wall.change(config.proxies, self._drain)
        except CannotStartError as error:
            self._fail(str(error), str(error), 1)
            return
        self.current = config
        self.done += 1
        self._status = "reloaded"
        keys = [field.name for field in fields(Config) if field.name not in _IN_RULES]
        fixed = tuple(key for key in keys if getattr(config, key) != getattr(self._config, key))
        self._announce(changes.opened)
        self._record(Reloaded(changes.added, changes.removed, changes.changed, fixed))

    def _refuse(self, failure: Failure) -> None:
        if self._stopped:
            return
        error = failure.value
        if isinstance(error, PolicyError):
            first = error.problems[0]
            self._fail(f"{first.where()}: {first.sentence()}", str(error), len(error.problems))
        else:
            log.failure("a bug of bustedwall: the config could not be read again", failure)
            self._fail("a bug, see the log", str(error), 1)

    def _fail(self, why: str, told: str, mistakes: int) -> None:
        self.failed += 1
        self._status = f"the last reload failed: {why}"
        self._record(ReloadFailed(why, mistakes, self.failed))
        log.error("the reload failed and has changed nothing:\n{told}", told=told)

    def _end(self, result: object) -> None:
        self._reading = False
        if isinstance(result, Failure):
            log.failure("a bug of bustedwall: the config could not be changed", result)
        if self._stopped:
            return
        if self._again:
            self._again = False
            self.begin()
        else:
            self._ended(self._status)
