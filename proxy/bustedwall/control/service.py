"""The API of a run: what it offers, and where it listens."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOENT
from typing import Any, Protocol, cast

from prometheus_client import CollectorRegistry
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorUNIX

from bustedwall.control.access import Access, Tokens
from bustedwall.control.app import factory
from bustedwall.control.changing import Changing
from bustedwall.control.endpoint import Endpoint
from bustedwall.control.live import Live
from bustedwall.control.process import Process
from bustedwall.control.reading import Reading
from bustedwall.control.watching import Watching
from bustedwall.policy.address import Address
from bustedwall.policy.control import ControlDoor
from bustedwall.policy.setup import Config
from bustedwall.record.recent import Recent
from bustedwall.relay.service import Cleared
from bustedwall.relay.wall import Wall
from bustedwall.terms.facts import Fact

_FOR_ITS_OWNER = 0o177


class _Offers(Protocol):
    def endpoints(self) -> tuple[Endpoint, ...]: ...


@dataclass(frozen=True, slots=True)
class RunControlled:
    """What of a run the API needs."""

    wall: Wall
    recent: Recent
    registry: CollectorRegistry
    config: Callable[[], Config]
    """Returns the config that was read last."""
    ready: Callable[[], bool]
    """Tells whether clients can come, and things can be changed."""
    record: Callable[[str | None, Fact], None]
    """Takes facts, of a proxy or of the run."""
    panic: Callable[[str], Cleared]
    """Takes all policies away; it is told who asks."""
    signal: Callable[[str], int]
    """Fires a signal; returns how many rules wait for it."""
    drain: float
    """Seconds for which the flows of a proxy that goes may go on."""


class Control:
    """Listens from the beginning; raises OSError if the address cannot be had."""

    def __init__(self, where: ControlDoor, tokens: Tokens, run: RunControlled) -> None:
        reactor = cast("IReactorTCP", run.wall.reactor)
        process = Process(run.registry, run.ready)
        self._live = Live(
            run.wall, run.recent, config=run.config, running=run.ready, record=run.record, drain=run.drain
        )
        self._watching = Watching(self._live, run.recent)
        offers: tuple[_Offers, ...] = (
            process,
            Reading(self._live, run.recent),
            Changing(self._live, panic=run.panic, signal=run.signal),
            self._watching,
        )
        endpoints = tuple(endpoint for offer in offers for endpoint in offer.endpoints())
        process.describe(endpoints)
        made = factory(reactor, Access(tokens, by_name=isinstance(where, Address)), endpoints)
        try:
            self._port = _listen(reactor, where, made)
        except CannotListenError as error:
            raise OSError(None, getattr(error.socketError, "strerror", None) or str(error), str(where)) from error
        at = self._port.getHost()
        self.where: ControlDoor = where
        """Where it listens, with the port that the kernel picked."""
        if isinstance(where, Address):
            assert isinstance(at, IPv4Address | IPv6Address)
            self.where = Address(where.host, at.port)

    def close(self) -> None:
        """Take no more clients, and remove the socket's file."""
        self._port.stopListening()
        self._live.close()
        self._watching.close()


def _listen(reactor: IReactorTCP, where: ControlDoor, made: Any) -> IListeningPort:  # noqa: ANN401 (see record/site)
    if isinstance(where, Address):
        return reactor.listenTCP(where.port, made, interface=where.host)
    if not where.path.parent.is_dir():
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(where.path))  # the lock's own error names no path
    before = os.umask(_FOR_ITS_OWNER)  # or others could come in until the mode is set
    try:
        assert IReactorUNIX.providedBy(reactor)
        # With a lock beside it, so that a file that a killed process left is not in the way, and one in use is.
        return reactor.listenUNIX(str(where.path), made, mode=0o600, wantPID=True)
    finally:
        os.umask(before)
