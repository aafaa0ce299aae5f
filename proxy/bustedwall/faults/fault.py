"""The shapes that a fault is made of.

A `Fault` is a user's settings, frozen and validated. Arming it on one flow gives a `Damage`: plain
data that says what is wrong from now on. Healing is derived from that data, never written by hand,
so no fault can forget to undo itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bustedwall.terms.commands import Command
from bustedwall.terms.items import Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Losses
from bustedwall.terms.units import Duration


class Stage:
    """Sees the items of one direction on their way from the source leg to the other.

    The base stage passes all on. A stage may hold items, never reorder them; what it holds it
    releases when it is due, or when it is drained because its fault has ended.
    """

    __slots__ = ()

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Take one item; return what leaves the stage at once."""
        return (item,)

    def release(self, now: float) -> Iterable[Item]:
        """Return the held items that are due."""
        return ()

    def drain(self) -> Iterable[Item]:
        """Return all held items in order; the stage is not used again."""
        return ()

    def due(self) -> float | None:
        """Return when `release` has something to return, or None."""
        return None

    def room(self) -> int:
        """Return how many more bytes the stage will take; at 0 the source is no longer read."""
        return NO_LIMIT


NO_LIMIT = 1 << 62

WAYS = ("from", "to")


@dataclass(frozen=True, slots=True)
class Damage:
    """What an armed fault does to one flow, as data."""

    stages: Mapping[Leg, Stage] = field(default_factory=dict)
    """By source leg: what that direction's items pass through, until the fault ends."""
    losses: Mapping[Leg, Losses] = field(default_factory=dict)
    """By leg: what the kernel is to lose, until the fault ends."""
    inject: Mapping[Leg, Item] = field(default_factory=dict)
    """By source leg: an ending that goes out behind the bytes already read from it."""
    at_once: tuple[Command, ...] = ()
    """Commands that are given once, now."""

    @property
    def lasts(self) -> bool:
        """Tell whether there is anything to take back."""
        return bool(self.stages or self.losses)


class Fault(BaseModel):
    """One kind of damage, as its user set it.

    A subclass with a `word` is found by the registry. `value` names the key that the short form's
    leading word fills: with `value = "delay"`, `latency: 100ms from server` means
    `latency: {delay: 100ms, from: server}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: ClassVar[str]
    value: ClassVar[str]

    def arm(self) -> Damage:
        """Return the damage for one flow; stages in it are new and belong to that flow."""
        raise AssertionError(f"{type(self).__name__} does not say what it does")

    @classmethod
    def long_form(cls, short: str) -> dict[str, str]:
        """Expand `[VALUE] [from|to LEG]` to a mapping; raises PydanticCustomError if it is neither.

        Whether keys and values fit is left to the fault's own validation.
        """
        *head, last = short.split() or [""]
        if last in WAYS:
            raise PydanticCustomError(
                "short_form", "'{short}' does not say which leg: client or server", {"short": short}
            )
        if not head or head[-1] not in WAYS:
            return {cls.value: short.strip()} if last else {}
        *value, way = head
        return ({cls.value: " ".join(value)} if value else {}) | {way: last}

    def __str__(self) -> str:
        """Write the fault as a user would; options left at their default are not mentioned."""
        keys = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        value = keys.pop(type(self).value, None)
        ways = [f"{way} {keys.pop(way)}" for way in WAYS if way in keys]
        options = [f"{key} {_written(option)}" for key, option in keys.items()]
        return " ".join([self.word, *([] if value is None else [_written(value)]), *ways, *options])


def _written(value: object) -> str:
    """Write a setting as users do; a number is seconds."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}s" if value >= 1 else f"{value * 1000:g}ms"
    return str(value)


class LastingFault(Fault):
    """A fault that goes on until it is healed, or for a while."""

    span: Annotated[Duration | None, Field(alias="for", gt=0)] = None
    """How long the fault lasts; without it, until `heal` or the end of the flow."""
