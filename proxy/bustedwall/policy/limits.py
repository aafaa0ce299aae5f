"""`limits`: what a config sets of the proxy's own limits, and the rules that enforce some of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bustedwall.faults.reset import ResetFault
from bustedwall.policy.matching import Ordinal
from bustedwall.policy.rules import Arm, AtIdle, Rule
from bustedwall.terms.limits import Limit, Limits
from bustedwall.terms.units import Duration, Size

_LONGEST = 365 * 24 * 3600.0

Span = Annotated[Duration | None, Field(gt=0, le=_LONGEST)]


class WrittenProxyLimits(BaseModel):
    """Limits of one proxy; what is not set is as the config has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    flows: Ordinal | None = None
    """So many clients are connected at once, over all proxies or of one; the next ones wait. Default: 10000."""
    flow_held: Annotated[Size | None, Field(ge=64 << 10)] = None
    """Bytes that one flow holds, each way; beyond it the sender's window closes. Default: 16MiB."""
    connect: Span = None
    """The upstream must be connected within so long, or the client gets a RST. Default: 130s."""
    fault: Span = None
    """A fault ends after so long, whatever its rule says. Default: 30m."""
    orphan: Span = None
    """What is left of a flow is ended so long after a fault has ended one leg. Default: 30s."""
    idle: Span = None
    """A flow on which no byte has moved for so long is ended by a RST on both legs. Default: never."""

    def over(self, base: Limits) -> Limits:
        """Return other limits with those set that are set here."""
        return replace(base, **self.model_dump(exclude_none=True))


class WrittenLimits(WrittenProxyLimits):
    """Limits of a config; what is not set is as by default."""

    held: Annotated[Size | None, Field(ge=1 << 20)] = None
    """Bytes that all flows of all proxies hold together; beyond it they are read more slowly. Default: 64MiB."""


NO_PROXY_LIMITS = WrittenProxyLimits()
NO_LIMITS = WrittenLimits()
"""Nothing is set."""


def own_rules(limits: Limits) -> tuple[Rule, ...]:
    """Return the rules by which limits are enforced on every flow; their names are no user's, who has a '/' in his."""
    if limits.idle is None:
        return ()
    reset = ResetFault.model_validate({"leg": "both"})
    return (Rule("limits.idle", AtIdle(limits.idle), (Arm(reset),), limit=Limit.IDLE),)
