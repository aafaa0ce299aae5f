"""Facts of a proxy's door."""

from __future__ import annotations

from dataclasses import dataclass

from bustedwall.terms.door import DoorMode
from bustedwall.terms.facts.fact import Fact
from bustedwall.terms.proxy_header import Refusal


@dataclass(frozen=True, slots=True)
class ProxyListening(Fact):
    """A proxy's door is open."""

    name = "proxy-listening"
    address: str
    """Where clients connect, with the port that the kernel picked."""
    upstream: str
    """The upstream, as it was written."""


@dataclass(frozen=True, slots=True)
class AcceptPaused(Fact):
    """The kernel would not give us another descriptor; the door rests for a moment."""

    name = "accept-paused"
    error: str
    """The errno's name, mostly EMFILE."""


@dataclass(frozen=True, slots=True)
class ProxyHeaderRefused(Fact):
    """A client that was to send a PROXY header first did not, and was ended by a RST; it was no flow yet."""

    name = "proxy-header-refused"
    client: str
    """The address and port that connected."""
    reason: Refusal
    """What was wrong."""


@dataclass(frozen=True, slots=True)
class DoorSet(Fact):
    """What clients meet at the door from now on."""

    name = "door-set"
    mode: DoorMode
    """How the door is from now on."""
    lost: int
    """Segments that were lost at the door since it was set last: SYNs, last ACKs."""
    answered: int = 0
    """How many SYNs were answered by ICMP since then."""
    error: str | None = None
    """The errno's name where the kernel refused; then the door is as it was."""
