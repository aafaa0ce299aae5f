"""The flows of a proxy whose door is shut, on their way out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from bustedwall.terms.facts import DrainBegan, DrainEnded

if TYPE_CHECKING:
    from bustedwall.relay.tcpflow import TcpFlow


class Drain:
    """Waits for the last flow, up to a limit; then ends the rest by a RST on both legs.

    Where there is no flow there is nothing to tell, and it is over at once.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        flows: Collection[TcpFlow],
        seconds: float,
        record: Callable[[DrainBegan | DrainEnded], None],
    ) -> None:
        self.over: Deferred[None] = Deferred()
        """Fires when there is no flow any more."""
        self._flows = flows
        self._record = record
        self._began_with = len(flows)
        self._ended = 0
        self._limit = reactor.callLater(seconds, self.end_now)
        if flows:
            record(DrainBegan(len(flows), seconds))
        self.flow_closed()

    def flow_closed(self) -> None:
        """Look whether that was the last flow."""
        if self._flows or self.over.called:
            return
        if self._limit.active():
            self._limit.cancel()
        if self._began_with:
            self._record(DrainEnded(self._began_with - self._ended, self._ended))
        self.over.callback(None)

    def end_now(self) -> None:
        """End all flows that there still are."""
        left = tuple(self._flows)
        self._ended = len(left)
        for flow in left:
            flow.abort()
        assert self.over.called, "a flow that was ended is still there"
