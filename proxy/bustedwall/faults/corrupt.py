"""`corrupt`: bits flipped on the way, with the checksum made good again."""

from __future__ import annotations

from collections.abc import Iterable
from math import log
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared, Stage
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Fraction


class Corruptor(Stage):
    """Flips a bit in some bytes; which, is drawn by their offset and so does not depend on chunks."""

    __slots__ = ("_dice", "_next", "_offset", "_share")

    def __init__(self, share: float, dice: Dice) -> None:
        self._share = share
        self._dice = dice
        self._offset = 0
        self._next = self._after(-1)

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Pass the item on, damaged where its turn has come."""
        if not isinstance(item, Bytes):
            return (item,)
        begin, end = self._offset, self._offset + len(item.data)
        self._offset = end
        if self._next >= end:
            return (item,)
        data = bytearray(item.data)
        while self._next < end:
            data[self._next - begin] ^= 1 << self._dice.below(8, "bit", self._next)
            self._next = self._after(self._next)
        return (Bytes(bytes(data), item.lost),)

    def _after(self, offset: int) -> int:
        """Return the next offset to damage: gaps between chances of a share are geometric."""
        if self._share >= 1:
            return offset + 1
        gap = log(1 - self._dice.fraction("gap", offset)) / log(1 - self._share)
        return offset + 1 + int(gap)


class CorruptFault(LastingFault):
    """Flip a bit in a share of the bytes that one side sends."""

    word: ClassVar[str] = "corrupt"
    value: ClassVar[str] = "share"
    lossless: ClassVar[bool] = False
    page: ClassVar[Page] = Page(
        summary="Flip a bit in a share of the bytes that one side sends.",
        examples=("corrupt: 1% from server", "corrupt: 100% from client"),
        wire="Segments with correct checksums and wrong bytes.",
        client="recv returns as many bytes as were sent; some differ in one bit. TLS ends with a bad record MAC.",
        server="The same, where the client's bytes are damaged.",
        healing="From then on bytes pass as they are.",
        faithful="exact: as a router with a bad memory or a broken middlebox does; the wire's own errors are found by "
        "checksums and show as loss",
        source="Stone and Partridge, When the CRC and TCP checksum disagree, SIGCOMM 2000; RFC 9293 §3.1",
    )

    share: Annotated[Fraction, Field(gt=0)]
    """Which share of the bytes is damaged, drawn by their offset: `0.1%`, `5%`."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes are damaged."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a stage that damages one direction."""
        return Damage(stages={self.source: Corruptor(self.share, dice)})
