"""Who has come: what a proxy's rules ask of a flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Visitor(Protocol):
    """A flow, as `match` sees it; none of it changes."""

    @property
    def number(self) -> int:
        """Which of the proxy's flows it is, from 1."""

    @property
    def address(self) -> str:
        """The client's, without its port."""

    @property
    def began(self) -> float:
        """When it was accepted."""

    @property
    def others(self) -> int:
        """How many others were open then."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A flow that has just come."""

    number: int
    address: str
    began: float
    others: int = 0
