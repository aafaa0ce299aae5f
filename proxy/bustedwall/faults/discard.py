"""`discard`: bytes missing from the middle of a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared, Stage
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Size


class Discarder(Stage):
    """Takes the next bytes out of the stream."""

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        self._left = size

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Pass on what is not to be taken out."""
        if not self._left or not isinstance(item, Bytes):
            return (item,)
        rest = item.data[self._left :]
        self._left = max(0, self._left - len(item.data))
        return (Bytes(rest, item.lost),) if rest else ()


class DiscardFault(LastingFault):
    """Take the next bytes that one side sends out of the stream."""

    word: ClassVar[str] = "discard"
    value: ClassVar[str] = "size"
    lossless: ClassVar[bool] = False
    page: ClassVar[Page] = Page(
        summary="Take the next so many bytes out of the stream; what follows closes up.",
        examples=("discard: 10B from server", "discard: {size: 1KiB, from: client}"),
        wire="The bytes were ACKed and are never sent on. Nothing else shows: sequence numbers of the other leg have "
        "no gap.",
        client="The message is shorter than it was, and its end comes from the next: a length that does not fit, a "
        "frame that begins in the middle.",
        server="The same, where the client's bytes are taken.",
        healing="From then on bytes pass; what was taken is gone.",
        faithful="exact: TCP itself never does this; a proxy, a tunnel or a program with a bug does",
        source="the byte stream of RFC 9293 §3.4 as a broken relay hands it on",
    )

    size: Annotated[Size, Field(ge=1)]
    """How many bytes are taken, once, from when the fault began."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes are taken."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a stage that takes bytes out of one direction."""
        return Damage(stages={self.source: Discarder(self.size)})
