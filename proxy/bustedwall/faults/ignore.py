"""`ignore`: SYNs are lost before the door."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bustedwall.faults.fault import Damage, LastingFault, Page, Shared
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import Door, DoorMode, Ignored, Knock
from bustedwall.terms.needs import Ability, Needs
from bustedwall.terms.networks import Networks

_MOST = 64
"""Ranges of clients: each is up to 18 instructions, and the kernel takes 4096, or 20 kB of memory (optmem_max)."""


class IgnoreFault(LastingFault):
    """Lose every SYN, or the first ones, or those of some clients; or what ends the handshake."""

    word: ClassVar[str] = "ignore"
    value: ClassVar[str] = "for"
    at_door: ClassVar[bool] = True
    page: ClassVar[Page] = Page(
        summary="Lose SYNs, or what ends the handshake: the host is not there, or the handshake comes late, or never.",
        examples=(
            "ignore",
            "ignore: 10s",
            "ignore: {first: 2}",
            "ignore: {clients: 10.0.0.0/8}",
            "ignore: {clients: [10.0.0.0/8, '2001:db8::/32'], for: 10s}",
            "ignore: {what: last_ack}",
            "ignore: {what: last_ack, clients: 10.0.0.7}",
        ),
        wire="SYNs at 0, 1, 2, 3 s and so on; nothing answers. With `first: n` the one after the nth lost is answered, "
        "so that the handshake is late by about n seconds. With `clients` this meets theirs only, and the others come "
        "in. `last_ack` answers the SYN, and loses the ACK of that answer, and all that has this ACK in it, data and "
        "FIN too: our kernel stays in SYN_RECV and repeats its SYN-ACK after 1, 3, 7 s and so on (tcp_synack_retries), "
        "and the client repeats its data.",
        client="connect waits; ETIMEDOUT after tcp_syn_retries (about 2 minutes on Linux), or after the program's own "
        "limit. Connections that are open go on. With `last_ack` connect succeeds, and send until its buffer is full; "
        "recv waits, and what was sent is given up with ETIMEDOUT after tcp_retries2.",
        server="It is not asked.",
        healing="A client that still waits is let in by its next SYN, within some seconds; after `last_ack` by the "
        "next ACK that it sends, of a SYN-ACK or with its data. Where our kernel has given up repeating by then, after "
        "about a minute, it answers the client's next data with a RST.",
        faithful="exact. `first` counts the SYNs of all clients together; it looks every 20 ms, so of many that come "
        "at once more may be lost. On a real path only the bare ACK is lost, and the client's first data ends the "
        "handshake; here it waits until the fault has ended.",
        source="IP_MINTTL or IPV6_MINHOPCOUNT 255 on the listener; `clients` and `last_ack`: a classic BPF filter on "
        "it, net/core/filter.c; RFC 9293 §3.10.7.4 for SYN_RECV; measured on Linux 6.18",
    )

    first: Annotated[int | None, Field(ge=1, strict=True)] = None
    """How many SYNs are lost before the door opens by itself; without it, all. It stands alone."""
    what: Knock = Knock.SYN
    """What is lost: `syn`, or `last_ack`, what would end the handshake."""
    clients: Networks = ()
    """Whose: an address or a list of up to 64, `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`; without it,
    everybody's."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.first is not None and self._some:
            raise PydanticCustomError("first", "'first' counts the SYNs of all clients, and stands alone")
        if len(self.clients) > _MOST:
            what = "a filter has room for {most} ranges of clients, these are {count}"
            raise PydanticCustomError("clients", what, {"most": _MOST, "count": len(self.clients)})
        return self

    @property
    def _some(self) -> bool:
        """Tell whether a filter has to choose."""
        return self.what is not Knock.SYN or bool(self.clients)

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        """Return the state of the door."""
        if self._some:
            ignored = frozenset({Ignored(self.what, self.clients)})
            return Damage(door=Door(DoorMode.IGNORE_SOME, ignored=ignored))
        return Damage(door=Door(DoorMode.IGNORE, self.first))

    def needs(self) -> Needs:
        """Return that SYNs have to be lost, or some of what comes."""
        return frozenset({Ability.LOSE_SOME if self._some else Ability.LOSE_SYN})
