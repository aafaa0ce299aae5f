"""`backlog_full`: the service is too busy to accept."""

from __future__ import annotations

from typing import ClassVar

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door, DoorMode


class BacklogFullFault(LastingFault):
    """Accept nobody, with a backlog for one."""

    word: ClassVar[str] = "backlog_full"
    value: ClassVar[str] = "for"
    at_door: ClassVar[bool] = True
    page: ClassVar[Page] = Page(
        summary="Accept nobody: the first clients are connected to silence, the SYNs of the others are lost.",
        examples=("backlog_full", "backlog_full: 10s"),
        wire="The first one or two clients complete their handshake, in our kernel; nobody accepts them. After that "
        "SYNs "
        "are dropped.",
        client="The first: connect and send succeed, recv waits. The others: connect waits, as with `ignore`.",
        server="It is not asked.",
        healing="Those who wait in the backlog are accepted, and what they have sent goes on; the others are let in by "
        "their next SYN.",
        faithful="exact, with tcp_abort_on_overflow=0, the default",
        source="listen(2) with a backlog of 0; tcp_conn_request() in Linux; measured, middleboxes G19",
    )

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the state of the door."""
        return Damage(door=Door(DoorMode.FULL))
