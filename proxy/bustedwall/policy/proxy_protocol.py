"""The PROXY protocol of one proxy: whether it hears a header, and whether it tells one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.terms.proxy_header import Version
from bustedwall.terms.units import Duration

WITHIN = 5.0
"""Seconds for a header to come: two lost segments are sent again within 3 s, which is the least that is advised."""


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """What the runtime asks."""

    hears: bool = False
    """Every client sends a header first."""
    tells: Version | None = None
    """The upstream is sent one; None: it is not."""
    within: float = WITHIN
    """Seconds after which a client that has not sent its header is refused."""


SILENT = ProxyProtocol()
"""No header comes, and none is sent."""


class WrittenProxyProtocol(BaseModel):
    """Headers that tell whose connection this is: `in` from the client, `out` to the upstream."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"minProperties": 1},
    )

    hears: Annotated[bool, Field(alias="in", strict=True)] = False
    """Every client sends a header first, version 1 or 2, as a load balancer does; who does not is refused."""
    tells: Annotated[Version | None, Field(alias="out")] = None
    """The upstream is sent a header of this version before anything else."""
    within: Annotated[Duration | None, Field(gt=0)] = None
    """How long a client may take for its header, 5s unless it is said."""

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if not self.hears and self.tells is None:
            raise PydanticCustomError("proxy_protocol", "this asks for no header: 'in: true', 'out: v2', or both")
        if self.within is not None and not self.hears:
            raise PydanticCustomError("proxy_protocol", "'within' is for clients' headers: it goes with 'in: true'")
        return self

    def settings(self) -> ProxyProtocol:
        """Return what the runtime asks."""
        return ProxyProtocol(self.hears, self.tells, self.within or WITHIN)
