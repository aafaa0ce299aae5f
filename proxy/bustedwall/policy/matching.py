"""Which flows a rule touches: `match`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.policy.rules import ALL_FLOWS, After, Age, Match
from bustedwall.terms.networks import Networks
from bustedwall.terms.units import Duration, Fraction

Ordinal = Annotated[int, Field(strict=True, ge=1)]


class WrittenFlows(BaseModel):
    """Which of the proxy's flows, counted from 1; exactly one key."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"minProperties": 1, "maxProperties": 1},
    )

    nth: Ordinal | None = None
    """This one only."""
    first: Ordinal | None = None
    """So many from the first on."""
    every: Ordinal | None = None
    """Every nth: with 5 the 5th, the 10th …"""
    share: Annotated[Fraction, Field(gt=0)] | None = None
    """Such a share of them, drawn once per flow."""
    above: Ordinal | None = None
    """Those that come while so many others are open, or more: with 5 the sixth, and not who comes when one has gone."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [key for key, value in self if value is not None]
        if len(given) != 1:
            what = "flows has exactly one of nth, first, every, share and above; this one has {count}"
            raise PydanticCustomError("flows", what, {"count": ", ".join(given) or "none"})
        return self


class WrittenAfter(BaseModel):
    """That another rule of this policy has struck the same client before."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    rule: Annotated[str, Field(min_length=1)]
    """The other rule's name."""
    within: Annotated[Duration, Field(gt=0)]
    """How long ago that may be when the flow is accepted. A client is an address, whatever its port."""


class WrittenMatch(BaseModel):
    """Which flows a rule touches: those that meet all that is given."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    flows: WrittenFlows | None = None
    """By their number."""
    address: Networks = ()
    """The client's address, or a list of them: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`."""
    not_address: Networks = ()
    """Clients that are left alone, whatever `address` says: an address, or a list."""
    state: Age | None = None
    """Accepted after (`new`) or before (`open`) the policy was applied."""

    after: WrittenAfter | None = None
    """Clients that another rule has struck before."""

    def match(self, policy: str) -> Match:
        """Return what the runtime asks, of a rule of this policy."""
        which = self.flows or WrittenFlows.model_construct()
        match = Match(
            which.nth,
            which.first,
            which.every,
            which.share,
            self.address,
            self.state,
            self.not_address,
            which.above,
            None if self.after is None else After(f"{policy}/{self.after.rule}", self.after.within),
        )
        return ALL_FLOWS if match == ALL_FLOWS else match
