"""`shout`: a box in between writes all that one side says in capitals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared, Stage
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg


class Capitals(Stage):
    """Passes on everything at once; of bytes it makes capitals."""

    __slots__ = ()

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        """Return the item, or its bytes in capitals."""
        return (Bytes(item.data.upper()) if isinstance(item, Bytes) else item,)


class ShoutFault(LastingFault):
    """Write what one side says in capitals."""

    word: ClassVar[str] = "shout"
    value: ClassVar[str] = "for"
    lossless: ClassVar[bool] = False
    page: ClassVar[Page] = Page(
        summary="Write all that one side says in capitals.",
        examples=("shout: from server", "shout: {from: client, for: 10s}"),
        wire="As without it: as many bytes, some of them others.",
        client="Reads the server's small letters as capitals, if the server is meant.",
        server="Reads the client's small letters as capitals, if the client is meant.",
        healing="What comes from then on passes as it is.",
        faithful="exact for a box that rewrites ASCII text; no box is known that does",
        source="made up, as an example",
    )

    source: Annotated[Leg, Field(alias="from")]
    """Who shouts."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the stage in which capitals are made."""
        return Damage(stages={self.source: Capitals()})
