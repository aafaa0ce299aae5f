"""How flows ended, folded from their facts."""

from __future__ import annotations

from enum import Enum

from bustedwall.terms.facts import (
    AddressFailed,
    Fact,
    FlowFailed,
    FlowOpened,
    LegClosed,
    PeerFinished,
    PeerLost,
    ResetSent,
)
from bustedwall.terms.leg import Leg


class Outcome(Enum):
    """Why a flow is no more; the first of what ends flows counts."""

    FINISHED = "finished"
    """Both sides have sent their FIN, and nothing else happened."""
    CLIENT_LOST = "client lost"
    """The client sent a RST, or its leg ended by an error of our kernel."""
    SERVER_LOST = "server lost"
    """The server did."""
    UNREACHABLE = "unreachable"
    """No address of the upstream could be connected."""
    RULE = "rule"
    """A rule ended a leg."""
    LIMIT = "limit"
    """A limit of the proxy bit."""
    ENDED = "ended"
    """We ended it, because the process or the proxy ended."""
    FAILED = "failed"
    """A bug of ours ended it."""


_SOFT = (None, Outcome.FINISHED, Outcome.UNREACHABLE)
"""What may still turn out otherwise."""

_LOST = {Leg.CLIENT: Outcome.CLIENT_LOST, Leg.SERVER: Outcome.SERVER_LOST}

_Flow = tuple[str, int]


class Outcomes:
    """Remembers of each open flow what has happened to it; of most that is nothing until they end."""

    def __init__(self) -> None:
        self._half: set[_Flow] = set()
        """One side has sent its FIN."""
        self._fates: dict[_Flow, Outcome] = {}

    def see(self, flow: _Flow, fact: Fact) -> None:
        """Take note of a fact of an open flow."""
        match fact:
            case PeerFinished():
                if flow in self._half:
                    self._fates.setdefault(flow, Outcome.FINISHED)
                self._half.add(flow)
            case AddressFailed():
                self._fates.setdefault(flow, Outcome.UNREACHABLE)
            case FlowOpened() if self._fates.get(flow) is Outcome.UNREACHABLE:
                del self._fates[flow]
            case PeerLost(leg):
                self._decide(flow, _LOST[leg])
            case ResetSent(_, cause) | LegClosed(_, _, cause):
                if "/" in cause:
                    self._decide(flow, Outcome.RULE)
                elif cause.startswith("limits."):
                    self._decide(flow, Outcome.LIMIT)
            case FlowFailed():
                self._fates[flow] = Outcome.FAILED

    def close(self, flow: _Flow) -> Outcome:
        """Return how a flow ended that is no more, and forget it."""
        self._half.discard(flow)
        return self._fates.pop(flow, Outcome.ENDED)

    def _decide(self, flow: _Flow, outcome: Outcome) -> None:
        if self._fates.get(flow) in _SOFT:
            self._fates[flow] = outcome
