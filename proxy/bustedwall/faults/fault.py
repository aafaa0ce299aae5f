"""The shapes that a fault is made of.

A `Fault` is a user's settings, frozen and validated. Arming it on one flow gives a `Damage`: plain
data that says what is wrong from now on. Healing is derived from that data, never written by hand,
so no fault can forget to undo itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bustedwall.faults.entries import Entries
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door
from bustedwall.terms.endings import Ending
from bustedwall.terms.items import Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import Losses
from bustedwall.terms.needs import NOTHING, Needs
from bustedwall.terms.spells import Spells
from bustedwall.terms.units import Duration

Kept = TypeVar("Kept")


class Stage:
    """Sees the items of one direction on their way from the source leg to the other.

    The base stage passes all on. A stage may hold items, never reorder them; what it holds it
    releases when it is due, or when it is drained because its fault has ended.
    """

    __slots__ = ()

    def armed(self, step: str) -> None:
        """Hear for which step it is there, as `RULE: FAULT`, before anything else."""

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Take one item; return what leaves the stage at once."""
        return (item,)

    def release(self, now: float) -> Iterable[Item]:
        """Return the held items that are due."""
        return ()

    def drain(self) -> Iterable[Item]:
        """Return all held items in order; used again, it is as new. Only damage with spells uses one again."""
        return ()

    def due(self) -> float | None:
        """Return when `release` has something to return, or None."""
        return None

    def room(self) -> int:
        """Return how many more bytes the stage will take; at 0 the source is no longer read."""
        return NO_LIMIT

    def held(self) -> int:
        """Return how many bytes the stage holds now."""
        return 0

    def weight(self) -> int:
        """Return what these bytes cost, their items included; quick, it is asked after each event."""
        return 0


NO_LIMIT = 1 << 62

WAYS = ("from", "to")


class Undialled(Enum):
    """For how long the upstream is not dialled."""

    HEALED = "healed"
    """As long as the damage is there."""
    DATA = "data"
    """Until the client has spoken, at most."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What an armed fault does to one flow, or to the door, as data."""

    stages: Mapping[Leg, Stage] = field(default_factory=dict)
    """By source leg: what that direction's items pass through, until the fault ends."""
    losses: Mapping[Leg, Losses] = field(default_factory=dict)
    """By leg: what the kernel is to lose, until the fault ends."""
    endings: Mapping[Leg, Ending] = field(default_factory=dict)
    """By leg: how it is ended, once, now; in this order."""
    injected: Mapping[Leg, bytes] = field(default_factory=dict)
    """By leg: what is sent to it, once, now, behind what has passed."""
    undialled: Undialled | None = None
    """For how long nobody is dialled, of a flow whose client has just been accepted; None: nothing holds it up."""
    door: Door | None = None
    """How the proxy's door is, until the fault ends."""
    table: Entries | None = None
    """Entries of which each flow has one; then the door is so while none is left."""
    loses_writes: bool = False
    """Its stages mark bytes whose first transmission is to be lost."""
    spells: Spells | None = None
    """When the stages and the losses are there; None: all the time. Such a stage is drained after each bad spell."""

    @property
    def provable(self) -> bool:
        """Tell whether the kernel's counters show what it does to a flow."""
        return bool(self.losses or self.endings or self.loses_writes)

    @property
    def lasts(self) -> bool:
        """Tell whether there is anything to take back."""
        return bool(self.stages or self.losses or self.undialled or self.door)


class Shared:
    """What all flows of a proxy share at one step of one rule, such as a bucket; made by the first that asks."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Any = None

    def get(self, make: Callable[[], Kept]) -> Kept:
        """Return the shared value; the first call makes it."""
        if self._value is None:
            self._value = make()
        value: Kept = self._value
        return value


@dataclass(frozen=True, slots=True)
class Page:
    """What a user is told of a fault; plain sentences, in Markdown."""

    summary: str
    """One line."""
    examples: tuple[str, ...]
    """Steps as users write them, such as `reset: client`; the first is the usual one."""
    wire: str
    """Which segments are sent, and which are not."""
    client: str
    """What the client's calls return."""
    server: str
    """What the server's calls return."""
    healing: str
    """What happens when it ends; empty where nothing is left to end."""
    faithful: str
    """`exact`, or `approximate` and why."""
    source: str
    """RFC section, kernel function or measurement."""


class Fault(BaseModel):
    """One kind of damage, as its user set it.

    A subclass with a `word` is found by the registry. `value` names the key that the short form's
    leading word fills: with `value = "delay"`, `latency: 100ms from server` means
    `latency: {delay: 100ms, from: server}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    word: ClassVar[str]
    value: ClassVar[str]
    page: ClassVar[Page]
    lossless: ClassVar[bool] = True
    """Whether its stages pass on every byte and ending once and in order, sooner or later."""
    at_door: ClassVar[bool] = False
    """True: it is done to the proxy's door, not to a flow; its damage has a `door` and nothing else."""
    at_accept: ClassVar[bool] = False
    """True: it is for flows whose upstream is not yet dialled; its damage says for how long."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the damage for one flow; stages in it are new and belong to that flow.

        `dice` are those of this step of this firing on this flow; all chance comes from them.
        """
        raise AssertionError(f"{type(self).__name__} does not say what it does")

    def needs(self) -> Needs:
        """Return what these settings need of the kernel."""
        return NOTHING

    def approximation(self) -> Fault | None:
        """Return the nearest fault that needs nothing, for a kernel that cannot do this one; None: there is none."""
        return None

    @classmethod
    def settings(cls, value: object) -> object:
        """Return what a step has behind its word as a mapping, if it can be one; raises as `long_form`."""
        if isinstance(value, bool | int | float):
            return {cls.value: value}  # a count, or a mistake that is told where it is read
        return cls.long_form(value) if isinstance(value, str) else value

    @classmethod
    def long_form(cls, short: str) -> dict[str, str]:
        """Expand `[VALUE] [from|to LEG]` to a mapping; raises PydanticCustomError if it is neither.

        Whether keys and values fit is left to the fault's own validation.
        """
        *head, last = short.split() or [""]
        if any(word in WAYS for word in head[:-1]):
            what = "a short form ends with its leg; with options it is a mapping, as in {form}"
            raise PydanticCustomError("short_form", what, {"form": f"{{{cls.value}: …, from: …, …}}"})
        if last in WAYS:
            raise PydanticCustomError(
                "short_form", "'{short}' does not say which leg: client or server", {"short": short}
            )
        if not head or head[-1] not in WAYS:
            return {cls.value: short.strip()} if last else {}
        *value, way = head
        return ({cls.value: " ".join(value)} if value else {}) | {way: last}

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        """Write the step as users do, without its colon; what is left at its default is not mentioned.

        The short form where it can say all, otherwise a mapping: `reset {leg: client, flush: true}`.
        """
        keys = {
            key: _shown(setting)
            for key, setting in self.model_dump(mode="json", by_alias=True, exclude_defaults=True).items()
        }
        first = [key for key in (self.value, *WAYS) if key in keys]
        if len(first) == len(keys) and not any(each.startswith('"') for each in keys.values()):
            return " ".join([self.word, *(f"{key} {keys[key]}" if key in WAYS else keys[key] for key in first)])
        order = sorted(keys, key=lambda key: (key not in first, key == "for"))
        return f"{self.word} {{{', '.join(f'{key}: {keys[key]}' for key in order)}}}"


_NO_PLAIN = re.compile(r"^[\s:?&*!|>%@`-]|[\s:]$|[^\S ]|  |: | #|[\[\]{},\"']|[\x00-\x1f\x7f]")
"""What would make a text something else in a flow mapping, if it stood there without quotes."""


def _shown(setting: object) -> str:
    """Write what a setting is in JSON as it stands in a flow mapping of YAML."""
    match setting:
        case bool():
            return str(setting).lower()
        case dict():
            return f"{{{', '.join(f'{key}: {_shown(value)}' for key, value in setting.items())}}}"
        case list():
            return f"[{', '.join(map(_shown, setting))}]"
        case str() if _NO_PLAIN.search(setting):
            return json.dumps(setting, ensure_ascii=False)
        case _:
            return str(setting)


class LastingFault(Fault):
    """A fault that goes on until it is healed, or for a while."""

    span: Annotated[Duration | None, Field(alias="for", gt=0)] = None
    """How long the fault lasts; without it, until `heal` or the end of the flow; at the door, until `heal`."""
