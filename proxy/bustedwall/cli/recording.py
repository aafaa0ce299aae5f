"""Where the facts of a run go: its journal, its log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, globalLogBeginner

from bustedwall.record.form import Form
from bustedwall.record.journal import Journal
from bustedwall.record.log import Log
from bustedwall.record.stream import Reader, Stream
from bustedwall.terms.census import Census
from bustedwall.terms.facts import Fact

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from bustedwall.cli.measuring import Measuring, Where
    from bustedwall.relay.poller import Reactor

_STDERR = 2


class Recording:
    """One stream of facts and its readers. Raises OSError if one of their files cannot be opened."""

    def __init__(
        self,
        reactor: Reactor,
        journal: Path | None,
        form: Form,
        metrics: Where | None = None,
        *,
        control: Reader | None = None,
        verbose: bool = False,
        quiet: bool = False,
    ) -> None:
        """`control`: what the HTTP API reads, if there is one; it has the metrics, too."""
        self._log = Log(_STDERR, form, daily=verbose, facts=not quiet)
        warnings = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
        globalLogBeginner.beginLoggingTo([FilteringLogObserver(self._log, [warnings])], redirectStandardIO=False)
        self._journal: Journal | None = None
        self._measuring: Measuring | None = None
        readers: list[Reader] = [self._log]
        if metrics is not None or control is not None:
            self._measuring = _measuring(reactor, metrics, self._dropped, self._log)
            readers.append(self._measuring.metrics)
        readers += [] if control is None else [control]
        others = Stream(readers)
        tell = partial(reactor.callFromThread, others.record, None, None)
        try:
            self._journal = None if journal is None else Journal(journal, tell)
        except OSError:
            self._log.close()
            raise
        self._stream = others if self._journal is None else Stream([*readers, self._journal])
        self.verbose = verbose or self._journal is not None or self._measuring is not None
        """Whether anybody wants to know of every flow's daily life."""

    @property
    def counts(self) -> dict[str, int]:
        """Return how often each fact was recorded, by its name."""
        return dict(self._stream.counts)

    def record(self, proxy: str | None, flow: int | None, fact: Fact) -> None:
        """Hand a fact to everyone who reads."""
        self._stream.record(proxy, flow, fact)

    def measure(self, census: Callable[[], Iterable[Census]]) -> None:
        """Let metrics be had, if they were asked for; `census` counts open flows. Raises OSError."""
        if self._measuring is not None:
            self._measuring.begin(census)

    @property
    def url(self) -> str | None:
        """Where metrics are served, if they are."""
        return None if self._measuring is None else self._measuring.url

    @property
    def registry(self) -> CollectorRegistry:
        """Return the metrics, for the HTTP API."""
        assert self._measuring is not None
        return self._measuring.metrics.registry

    def begin(self) -> None:
        """Let the log speak: all is up."""
        self._log.begin()

    def reopen(self) -> None:
        """Open the journal anew, by its name."""
        if self._journal is not None:
            self._journal.reopen()

    def close(self) -> None:
        """Write what is left."""
        if self._measuring is not None:
            self._measuring.close()
        if self._journal is not None:
            self._journal.close()
        self._log.close()

    def _dropped(self) -> int:
        return 0 if self._journal is None else self._journal.dropped


def _measuring(reactor: Reactor, where: Where | None, facts_dropped: Callable[[], int], log: Log) -> Measuring:
    from bustedwall.cli.measuring import Measuring  # noqa: PLC0415 (a fifth of a second, for who asks for it)

    return Measuring(reactor, where, facts_dropped, lambda: log.dropped)
