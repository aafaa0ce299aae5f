"""`refuse`: nobody listens at the door."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door, DoorMode


class RefuseFault(LastingFault):
    """Answer every SYN with a RST."""

    word: ClassVar[str] = "refuse"
    value: ClassVar[str] = "for"
    at_door: ClassVar[bool] = True
    page: ClassVar[Page] = Page(
        summary="Answer every new connection with a RST, as when the service is down.",
        examples=("refuse", "refuse: 5s"),
        wire="SYN, RST|ACK. The port stays ours: it is bound and does not listen.",
        client="connect fails with ECONNREFUSED, at once. Connections that are open go on; those that wait to be "
        "accepted are reset.",
        server="It is not asked.",
        healing="The door listens again, at the same port.",
        faithful="exact",
        source="RFC 9293 §3.10.7.1 (CLOSED); measured on Linux 6.18",
    )

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the state of the door."""
        return Damage(door=Door(DoorMode.REFUSE))
