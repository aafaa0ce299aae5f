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
        summary="Accept nobody: one client is connected to silence, the SYNs of the others are lost.",
        examples=("backlog_full", "backlog_full: 10s"),
        wire="One client completes its handshake, in our kernel; nobody accepts it. After that SYNs are dropped. A "
        "handshake that was under way at that moment is not completed: our kernel repeats its SYN|ACK and does not ACK "
        "the data of that client, which believes that it is connected.",
        client="The one: connect and send succeed, recv waits. The others: connect waits, as with `ignore`.",
        server="It is not asked.",
        healing="The client that waits in the backlog is accepted, and what it has sent goes on; the others are let in "
        "by their next SYN.",
        faithful="exact, with tcp_abort_on_overflow=0, the default",
        source="listen(2) with a backlog of 0; tcp_conn_request() in Linux; measured on Linux 6.18",
    )

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the state of the door."""
        return Damage(door=Door(DoorMode.FULL))
