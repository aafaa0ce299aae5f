"""`ignore`: SYNs are lost before the door."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door, DoorMode
from bustedwall.terms.needs import Ability, Needs


class IgnoreFault(LastingFault):
    """Lose every SYN, or the first ones."""

    word: ClassVar[str] = "ignore"
    value: ClassVar[str] = "for"
    at_door: ClassVar[bool] = True
    page: ClassVar[Page] = Page(
        summary="Lose every SYN, or the first few: the host is not there, or the handshake comes late.",
        examples=("ignore", "ignore: 10s", "ignore: {first: 2}"),
        wire="SYNs at 0, 1, 2, 3 s and so on; nothing answers. With `first: n` the one after the nth lost is answered, "
        "so that the handshake is late by about n seconds.",
        client="connect waits; ETIMEDOUT after tcp_syn_retries (about 2 minutes on Linux), or after the program's own "
        "limit. Connections that are open go on.",
        server="It is not asked.",
        healing="A client that still waits is let in by its next SYN, within some seconds.",
        faithful="exact. `first` counts the SYNs of all clients together; it looks every 20 ms, so of many that come "
        "at once more may be lost.",
        source="IP_MINTTL or IPV6_MINHOPCOUNT 255 on the listener; measured on Linux 6.18",
    )

    first: Annotated[int | None, Field(ge=1, strict=True)] = None
    """How many SYNs are lost before the door opens by itself; without it, all."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the state of the door."""
        return Damage(door=Door(DoorMode.IGNORE, self.first))

    def needs(self) -> Needs:
        """Return that SYNs have to be lost."""
        return frozenset({Ability.LOSE_SYN})
