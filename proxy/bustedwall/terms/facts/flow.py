"""Facts of a flow's life, whether or not a rule touches it."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.leg import Leg


@dataclass(frozen=True, slots=True)
class FlowAccepted(Fact):
    """A client connected; the upstream is not yet dialled."""

    name = "flow-accepted"
    client: str
    """The client's address and port, as its PROXY header tells them where one is heard."""
    via: str | None = None
    """The address and port that connected, where a PROXY header tells the client's."""


@dataclass(frozen=True, slots=True)
class AddressFailed(Fact):
    """One address of the upstream could not be connected; the next one is tried."""

    name = "address-failed"
    address: str
    """The address and port that were tried."""
    error: str
    """The errno's name, in words why it was not tried or the name not resolved, or the limit: `limits.connect`."""


@dataclass(frozen=True, slots=True)
class AddressesLeftOut(Fact):
    """No address of the upstream that was tried could be connected, and it has more than are tried."""

    name = "addresses-left-out"
    upstream: str
    """The upstream, as it was written."""
    count: int
    """How many addresses were not tried."""


@dataclass(frozen=True, slots=True)
class FlowOpened(Fact):
    """Both legs are up."""

    name = "flow-opened"
    upstream: str
    """The address and port that answered."""


@dataclass(frozen=True, slots=True)
class PeerFinished(Fact):
    """The far end of a leg sent its FIN."""

    name = "peer-finished"
    leg: Leg
    """Whose FIN it was."""


@dataclass(frozen=True, slots=True)
class PeerLost(Fact):
    """A leg ended by RST, or by an error of our own kernel such as ETIMEDOUT."""

    name = "peer-lost"
    leg: Leg
    """Whose connection it was."""
    error: str
    """The errno's name. EPIPE: the RST came after the FIN."""


@dataclass(frozen=True, slots=True)
class LegBlocked(Fact):
    """For ten seconds the kernel has taken nothing of what waits for a leg: its peer does not read, or hears nothing.

    It is told once each time that this is so; the other leg is not read meanwhile.
    """

    name = "leg-blocked"
    leg: Leg
    """Whose connection it is."""
    seconds: float
    """Seconds for which nothing was taken."""
    waiting: int
    """Bytes that wait for it here; what its kernel has taken and could not send comes on top."""


@dataclass(frozen=True, slots=True)
class TurnSent(Fact):
    """A turn of the client is over: the server has begun to speak, or the flow has ended.

    A proxy with `turns` tells it. What counts is what was handed to the server's leg, behind all faults.
    """

    name = "turn-sent"
    turn: int
    """The number of the turn among those of the client on this flow; the first is 1."""
    bytes: int
    """How many bytes it had."""
    digest: str
    """The same for the same bytes: BLAKE2b of 8 bytes, in hexadecimal."""
    answered: bool
    """Whether the server has said something since the last of its bytes, and so has seen it; what it says while
    our segments to it are lost does not count. False: nobody here knows how much of it the server has read."""


@dataclass(frozen=True, slots=True)
class FlowClosed(Fact):
    """Both legs are gone."""

    name = "flow-closed"
    from_client: int
    """Bytes from the client that our kernel accepted for the server."""
    from_server: int
    """Bytes from the server that our kernel accepted for the client."""
    discarded: int
    """Bytes that were read and went nowhere, because their leg had ended."""
    seconds: float
    """Seconds from its acceptance until now."""


@dataclass(frozen=True, slots=True)
class FlowFailed(Fact):
    """A bug of ours ended the flow; the log has the traceback."""

    name = "flow-failed"
    error: str
    """Where to look."""
