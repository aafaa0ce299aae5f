"""What a run runs: its proxies, each with its door, its upstream and its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bustedwall.policy.address import Address, Listen
from bustedwall.policy.applied import Applied, notices_of, rules_of
from bustedwall.policy.capture import Capture
from bustedwall.policy.control import ControlDoor
from bustedwall.policy.missing import Terms
from bustedwall.policy.proxy_protocol import SILENT, ProxyProtocol
from bustedwall.policy.rules import Rule
from bustedwall.policy.template import Template
from bustedwall.policy.upstreams import Allowed
from bustedwall.terms.facts import StepUnmet
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True)
class ProxySetup:
    """One proxy of a config: its door, its upstream, its rules."""

    name: str
    listen: Listen
    upstream: Address
    rules: tuple[Rule, ...]
    notices: tuple[StepUnmet, ...] = ()
    """Which steps are not done as they were written, because this machine cannot."""
    proxy_protocol: ProxyProtocol = SILENT
    limits: Limits = DEFAULT_LIMITS
    source: str | None = None
    """The address from which the upstream is connected; None: the kernel chooses."""
    mss: int | None = None
    """The longest segment of a connection, both legs and both ways; None: as the path allows."""
    dry_run: bool = False
    """Rules decide and are recorded, and nothing is done."""
    capture: Capture | None = None
    """Where flows are captured to; None: they are not."""
    policies: tuple[Applied, ...] = ()
    """What the rules were made of."""
    enabled: bool = True
    """False: it has no door."""
    turns: bool = False
    """Each turn of a client that the server was sent is a fact."""

    def with_policies(self, policies: tuple[Applied, ...]) -> ProxySetup:
        """Return the same with other policies, and their rules."""
        return replace(self, policies=policies, rules=rules_of(policies), notices=notices_of(policies))


@dataclass(frozen=True, slots=True)
class Config:
    """A config file, loaded."""

    terms: Terms
    """Under which its policies were loaded."""
    journal: Path | None
    """As it was written: a relative path is relative to the working directory."""
    proxies: tuple[ProxySetup, ...]
    seed: int | None = None
    """None: it is not said."""
    limits: Limits = DEFAULT_LIMITS
    """Of all proxies together."""
    control: ControlDoor | None = None
    """Where the HTTP API listens; None: there is none."""
    upstreams: tuple[Allowed, ...] | None = None
    """Where proxies that come or change by the API may lead; None: anywhere."""
    defined: Mapping[str, Template] = field(default_factory=dict)
    """By name, the policies that it defines itself, used or not."""
    dry_run: bool = False
    """Rules of proxies that come later decide and are recorded, and nothing is done."""

    @property
    def time_scale(self) -> float:
        """Return by what defaults of policies are divided."""
        return self.terms.time_scale
