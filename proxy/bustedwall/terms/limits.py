"""What the proxy itself may use and keep, so that it outlives whatever is done to it.

Each default has its reason here; docs/limits.md tells the same to users.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Limit(Enum):
    """The limits, as a config names them."""

    FLOWS = "flows"
    HELD = "held"
    FLOW_HELD = "flow_held"
    CONNECT = "connect"
    FAULT = "fault"
    ORPHAN = "orphan"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a proxy, in flows, bytes and seconds."""

    flows: int = 10_000
    """Clients that are connected at once, over all proxies, and of this one: with two descriptors each they fit into
    the 20,000 that many machines allow."""
    held: int = 64 << 20
    """Bytes that all flows together hold, in stages, at gates, and because a receiver takes no more; beyond it sources
    are not read: a small part of a small machine, and ten times what a suite of slow links needs."""
    flow_held: int = 16 << 20
    """Bytes that one flow holds, each way: 160 MB/s at 100 ms of latency."""
    connect: float = 130.0
    """The upstream must be connected within so long, name and all addresses: a little longer than the 127 s for which
    Linux sends SYNs (tcp_syn_retries 6), so that where one address is silent its own ETIMEDOUT comes first."""
    fault: float = 1800.0
    """A fault ends after so long, whatever its rule says. Longer than any outage that a test waits for; short enough
    that one that somebody forgot is gone before the next shift asks who broke staging."""
    orphan: float = 30.0
    """What is left of a flow is ended so long after a fault has ended one leg, or both sides have finished and a loss
    is in force: about as long as a client waits for an answer."""
    idle: float | None = None
    """A flow on which no byte has moved for so long is ended; None: never, because a path does not, either."""

    def value(self, limit: Limit) -> float:
        """Return what a limit is set to; it must be set."""
        value = getattr(self, limit.value)
        assert isinstance(value, int | float), f"no limit {limit.value} is set"
        return value


DEFAULT_LIMITS = Limits()
