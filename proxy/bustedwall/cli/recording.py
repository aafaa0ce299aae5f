"""Where the facts of a run go: its journal, its log."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, globalLogBeginner

from bustedwall.record.form import Form
from bustedwall.record.journal import Journal
from bustedwall.record.log import Log
from bustedwall.record.stream import Stream
from bustedwall.terms.facts import Fact

if TYPE_CHECKING:
    from bustedwall.relay.poller import Reactor

_STDERR = 2


class Recording:
    """One stream of facts and its readers. Raises OSError if one of their files cannot be opened."""

    def __init__(
        self, reactor: Reactor, journal: Path | None, form: Form, *, verbose: bool = False, quiet: bool = False
    ) -> None:
        self._log = Log(_STDERR, form, daily=verbose, facts=not quiet)
        warnings = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
        globalLogBeginner.beginLoggingTo([FilteringLogObserver(self._log, [warnings])], redirectStandardIO=False)
        others = Stream([self._log])
        tell = partial(reactor.callFromThread, others.record, None, None)
        self._journal = None
        try:
            self._journal = None if journal is None else Journal(journal, tell)
        except OSError:
            self._log.close()
            raise
        self._stream = others if self._journal is None else Stream([self._log, self._journal])
        self.verbose = verbose or self._journal is not None
        """Whether anybody wants to know of every flow's daily life."""

    @property
    def counts(self) -> dict[str, int]:
        """Return how often each fact was recorded, by its name."""
        return dict(self._stream.counts)

    def record(self, proxy: str | None, flow: int | None, fact: Fact) -> None:
        """Hand a fact to everyone who reads."""
        self._stream.record(proxy, flow, fact)

    def begin(self) -> None:
        """Let the log speak: all is up."""
        self._log.begin()

    def reopen(self) -> None:
        """Open the journal anew, by its name."""
        if self._journal is not None:
            self._journal.reopen()

    def close(self) -> None:
        """Write what is left."""
        if self._journal is not None:
            self._journal.close()
        self._log.close()
