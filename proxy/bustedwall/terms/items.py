"""What travels in one direction of a flow: bytes, then at most one ending.

FIN and RST are items, not callbacks, so that a stage which delays bytes delays the ending behind
them by the same queue; an ending that overtakes its bytes is the classic bug of fault proxies.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bytes:
    """A run of bytes from the source leg."""

    data: bytes
    """At least one byte."""
    lost: str = ""
    """The step for which their first transmission is to be lost, as `RULE: FAULT`; empty: it is not."""


@dataclass(frozen=True, slots=True)
class Fin:
    """The source will send nothing more (its FIN arrived); it may still read."""


@dataclass(frozen=True, slots=True)
class Rst:
    """The source is gone: its connection ended by RST, or by an error of our own kernel."""


Item = Bytes | Fin | Rst

FIN = Fin()
RST = Rst()
