"""`duplicate`: bytes that come twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared, Stage
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Size

MOST = 1 << 20


class Duplicator(Stage):
    """Repeats the next bytes, once they have all been."""

    __slots__ = ("_copy", "_left")

    def __init__(self, size: int) -> None:
        self._left = size
        self._copy = b""

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Pass the item on; behind the last byte that is to be repeated, repeat all."""
        if not self._left:
            return (item,)
        if not isinstance(item, Bytes):
            self._left = 0
            return (Bytes(self._copy), item) if self._copy else (item,)
        taken = item.data[: self._left]
        self._copy += taken
        self._left -= len(taken)
        if self._left:
            return (item,)
        again, self._copy = self._copy, b""
        rest = item.data[len(taken) :]
        return (Bytes(taken, item.lost), Bytes(again), *((Bytes(rest, item.lost),) if rest else ()))


class DuplicateFault(LastingFault):
    """Send the next bytes of one side twice."""

    word: ClassVar[str] = "duplicate"
    value: ClassVar[str] = "size"
    lossless: ClassVar[bool] = False
    page: ClassVar[Page] = Page(
        summary="Send the next so many bytes of one side twice.",
        examples=("duplicate: 10B from server", "duplicate: {size: 1KiB, from: client}"),
        wire="The bytes, then the same bytes as new data. This is no retransmission: sequence numbers go on.",
        client="It reads them twice: a second status line, a message that it has had.",
        server="It gets a request twice: is it done twice?",
        healing="From then on bytes pass as they are.",
        faithful="exact: TCP itself never does this; a client that repeats its request on the same connection, or a "
        "program with a bug, does",
        source="the byte stream of RFC 9293 §3.4 as a broken relay hands it on",
    )

    size: Annotated[Size, Field(ge=1, le=MOST)]
    """How many bytes come twice, once, from when the fault began; up to 1MiB."""
    source: Annotated[Leg, Field(alias="from")]
    """Whose bytes come twice."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return a stage that repeats bytes of one direction."""
        return Damage(stages={self.source: Duplicator(self.size)})
