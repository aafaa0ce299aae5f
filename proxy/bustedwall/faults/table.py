"""`table`: a table of connections that can be full."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from bustedwall.faults.entries import Entries
from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door, DoorMode
from bustedwall.terms.needs import NOTHING, Ability, Needs
from bustedwall.terms.units import Duration


class Full(Enum):
    """What becomes of who comes when no entry is left."""

    IGNORE = "ignore"
    REFUSE = "refuse"

    @property
    def mode(self) -> DoorMode:
        """The state of the door."""
        return DoorMode.IGNORE if self is Full.IGNORE else DoorMode.REFUSE


def _count(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value


Count = Annotated[
    int,
    BeforeValidator(_count),
    Field(strict=True, ge=1, le=1 << 20),
    WithJsonSchema(
        {"type": ["integer", "string"], "pattern": "^[0-9]+$", "title": "a whole number from 1", "examples": ["128"]}
    ),
]


class TableFault(LastingFault):
    """Let in as many flows as a table has entries; each keeps its own for a while after its end."""

    word: ClassVar[str] = "table"
    value: ClassVar[str] = "entries"
    at_door: ClassVar[bool] = True
    page: ClassVar[Page] = Page(
        summary="Let in as many connections as a table has entries: a full conntrack table, or no port left for NAT.",
        examples=(
            "table: 1000",
            "table: {entries: 128, linger: 240s}",
            "table: {entries: 10, full: refuse, for: 30s}",
        ),
        wire="While the table is full SYNs are lost, or answered by a RST, and open connections go on as if nothing "
        "were. Where one has ended, and its entry has gone, the next SYN is answered.",
        client="connect waits, and succeeds within seconds after an entry has gone; ETIMEDOUT after tcp_syn_retries "
        "(about 2 minutes on Linux), or after the program's own limit. With `full: refuse` ECONNREFUSED.",
        server="It sees no more connections than there are entries.",
        healing="Everybody is let in.",
        faithful="exact for those who come one after the other. Of some that come within a millisecond our kernel may "
        "have answered a few before the table was full: they are let in. What a connection is, the door counts: a "
        "real table has entries for half-open ones, too.",
        source="net.netfilter.nf_conntrack_max, `nf_conntrack: table full, dropping packet`; IP_MINTTL or "
        "IPV6_MINHOPCOUNT 255 on the listener",
    )

    entries: Count
    """How many connections there can be, those that linger included."""
    linger: Annotated[Duration, Field(le=86400)] = 0.0
    """For how long an entry stays when its connection has ended, up to 24h: 120s is conntrack's TIME_WAIT."""
    full: Full = Full.IGNORE
    """What becomes of who comes when none is left: `ignore`, the SYN is lost; `refuse`, a RST."""

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the entries, and the state of the door when there is none left."""
        return Damage(door=Door(self.full.mode), table=Entries(self.entries, self.linger))

    def needs(self) -> Needs:
        """Return that SYNs have to be lost, if they are."""
        return frozenset({Ability.LOSE_SYN}) if self.full is Full.IGNORE else NOTHING
