"""What the API answers; docs/control.md tells of it, and OpenAPI is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from bustedwall.control.problem import Mistake
from bustedwall.relay.state import FlowState, ProxyState

_DESCRIBED: dict[str, Any] = {"use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A policy in force."""

    __pydantic_config__: ClassVar = _DESCRIBED

    policy: str
    values: dict[str, Any]
    """Of its parameters, as they were given."""
    flow: int | None
    """The only flow that it touches; null: those that its rules match."""
    ends_in: float | None
    """Seconds until it goes by itself; null: it does not."""
    rules: tuple[str, ...]
    """Its rules, as facts name them."""


@dataclass(frozen=True, slots=True)
class ProxyTold:
    """A proxy and what it does."""

    __pydantic_config__: ClassVar = _DESCRIBED

    name: str
    state: ProxyState
    policies: tuple[PolicyState, ...]


@dataclass(frozen=True, slots=True)
class ProxiesTold:
    """All proxies."""

    proxies: tuple[ProxyTold, ...]


@dataclass(frozen=True, slots=True)
class FlowTold:
    """One flow of a page."""

    __pydantic_config__: ClassVar = _DESCRIBED

    proxy: str
    state: FlowState


@dataclass(frozen=True, slots=True)
class FlowsTold:
    """A page of flows."""

    __pydantic_config__: ClassVar = _DESCRIBED

    flows: tuple[FlowTold, ...]
    """In the order of the proxies, then of their numbers."""
    next: str | None
    """What to give as `after` for the next page; null: this is the last."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the kernel counts for one leg."""

    __pydantic_config__: ClassVar = _DESCRIBED

    state: str
    """TCP's."""
    rto: float
    """Seconds after which the kernel sends again what is not acknowledged."""
    retransmitted: int
    """Segments sent again so far."""
    acknowledged: int
    """Bytes that the peer has acknowledged; SYN and FIN count as one each."""
    unsent: int
    """Bytes that wait in the kernel's queue."""
    in_flight: int
    """Bytes that were sent and are not acknowledged."""


@dataclass(frozen=True, slots=True)
class FlowDetail:
    """One flow, with what is known of it."""

    __pydantic_config__: ClassVar = _DESCRIBED

    proxy: str
    flow: int
    state: FlowState | None
    """Null: it is closed."""
    evidence: dict[str, Evidence]
    """By leg, of those whose socket is open."""
    facts: tuple[dict[str, Any], ...]
    """Those of this flow that are not forgotten yet, as in the journal."""


@dataclass(frozen=True, slots=True)
class PolicyListed:
    """A policy that can be applied."""

    __pydantic_config__: ClassVar = _DESCRIBED

    name: str
    origin: Literal["library", "own"]
    """`own`: of a config, a file, a command line or of this API."""
    used_by: tuple[str, ...]
    """Proxies that have it."""


@dataclass(frozen=True, slots=True)
class PoliciesTold:
    """All policies."""

    policies: tuple[PolicyListed, ...]


@dataclass(frozen=True, slots=True)
class PolicyDetail:
    """A policy, whole."""

    __pydantic_config__: ClassVar = _DESCRIBED

    name: str
    origin: Literal["library", "own"]
    """As in the list."""
    used_by: tuple[str, ...]
    """Proxies that have it."""
    policy: dict[str, Any]
    """The file as data, as it was written: summary, parameters, rules, and what else it has."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was taken away."""

    __pydantic_config__: ClassVar = _DESCRIBED

    rules: int
    faults: int
    """How many were in force."""
    flows: int
    """On so many flows."""


@dataclass(frozen=True, slots=True)
class SignalTold:
    """Who has heard a signal."""

    __pydantic_config__: ClassVar = _DESCRIBED

    signal: str
    rules: int
    """How many rules wait for it; 0: nobody has heard it."""


@dataclass(frozen=True, slots=True)
class KillTold:
    """How many flows were ended."""

    killed: int


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a text."""

    __pydantic_config__: ClassVar = _DESCRIBED

    valid: bool
    mistakes: tuple[Mistake, ...]
    """Each with its line and column."""


@dataclass(frozen=True, slots=True)
class FactsTold:
    """A page of facts."""

    __pydantic_config__: ClassVar = _DESCRIBED

    facts: tuple[dict[str, Any], ...]
    """In their order, each as a line of the journal, with its `number`."""
    missed: int
    """How many behind `after` are forgotten already."""
    last: int
    """The number of the newest that there is."""
    next: int | None
    """What to give as `after` for the next page; null: there are no more yet."""


@dataclass(frozen=True, slots=True)
class WaitTold:
    """How a wait went."""

    __pydantic_config__: ClassVar = _DESCRIBED

    met: bool
    """False: the time was over."""
    count: int
    """How many there were in the end."""
    waited: float
    """Seconds."""
    last: int
    """The number of the newest fact then; facts behind it have come later."""
    fact: dict[str, Any] | None
    """The last that counted, with its `number`; null: none has come while it waited."""
