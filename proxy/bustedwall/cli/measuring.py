"""The metrics of a run, and where they are to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import CannotListenError

from bustedwall.policy.address import Address
from bustedwall.record.lag import Lag
from bustedwall.record.metrics import Metrics
from bustedwall.record.textfile import TextFile
from bustedwall.record.web import serve
from bustedwall.terms.census import Census

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTCP

    from bustedwall.relay.poller import Reactor

Where = Address | Path
"""An address at which they are served, or a file that is written again and again."""


class Measuring:
    """Folds facts from the beginning, and tells what came of it once it has begun."""

    def __init__(
        self, reactor: Reactor, where: Where | None, facts_dropped: Callable[[], int], lines_dropped: Callable[[], int]
    ) -> None:
        """`where` of None: only by the HTTP API."""
        self._reactor = reactor
        self._where = where
        self._lag = Lag(reactor)
        self._census: Callable[[], Iterable[Census]] = tuple
        self._file: TextFile | None = None
        self.metrics = Metrics(self._count, facts_dropped, lines_dropped, self._lag)
        self.url: str | None = None
        """Where they are served, if they are."""

    def begin(self, census: Callable[[], Iterable[Census]]) -> None:
        """Count by `census` from now on, and let the metrics be had. Raises OSError."""
        self._census = census
        self._lag.begin()
        if self._where is None:
            return
        if isinstance(self._where, Path):
            self._file = TextFile(self._reactor, self._where, self.metrics.registry)
            return
        try:
            port = serve(cast("IReactorTCP", self._reactor), self._where.host, self._where.port, self.metrics.registry)
        except CannotListenError as error:
            raise OSError(error.socketError.errno, error.socketError.strerror, str(self._where)) from error
        at = port.getHost()
        assert isinstance(at, IPv4Address | IPv6Address)
        self.url = f"http://{Address(self._where.host, at.port)}/metrics"

    def _count(self) -> Iterable[Census]:
        return self._census()

    def close(self) -> None:
        """Write the last of it; the reactor has ended."""
        self._lag.stop()
        if self._file is not None:
            self._file.close()
