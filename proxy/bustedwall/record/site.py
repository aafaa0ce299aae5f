"""A door for HTTP with bounds.

twisted.web keeps what a client sends, and waits for one that sends nothing. Here both have an end,
and only so many may come at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import Any, cast

from twisted.internet.interfaces import IAddress, IReactorTCP
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.http import Request as AnyRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

SILENCE = 10
"""Seconds after which a client that asks nothing, or does not read its answer, is left."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a body is not taken."""

    status: HTTPStatus
    kind: str = "text/plain"
    told: bytes = b""


class Bounded(Request):
    """Looks at what a request announces before any of its body is taken."""

    refused = False

    def objection(self, length: int | None) -> Objection | None:
        """Return why a body is not taken, `length` of None: it is sent in chunks; this one takes none at all."""
        return None if length == 0 else Objection(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def gotLength(self, length: int | None) -> None:  # noqa: N802 (Twisted's name)
        """Let a client whose body is not wanted know, and leave."""
        self.content = BytesIO()  # Twisted's own would be a file where much is announced
        objection = self.objection(length)
        if objection is not None:
            self.refused = True
            assert self.channel.transport is not None
            told, status = objection.told, objection.status
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
            head += f"Content-Type: {objection.kind}\r\nContent-Length: {len(told)}\r\n\r\n"
            self.channel.transport.write(head.encode() + told)
            self.channel.loseConnection()

    def process(self) -> None:
        """Answer, unless that was done."""
        if not self.refused:
            guest = self.channel.transport
            if isinstance(guest, Guest):
                guest.asked += 1
                self.notifyFinish().addBoth(guest.served)
            super().process()


class Guest(ProtocolWrapper):
    """One connection."""

    asked = 0
    """How many of its requests are being answered."""

    sent_away = False

    def served(self, _: object) -> None:
        """Take note that a request has been answered, or that nobody waits for it any more."""
        self.asked -= 1


class Few(WrappingFactory):
    """Takes so many connections; of those that ask nothing the oldest makes room for who comes."""

    protocol = Guest

    def __init__(self, site: Site, most: int) -> None:
        super().__init__(site)
        self._most = most

    def buildProtocol(  # type: ignore[override]  # noqa: N802 (Twisted's name; a factory may return None)
        self, addr: IAddress | None
    ) -> ProtocolWrapper | None:
        """Take a client in, if there is room or can be made."""
        guests = [guest for guest in cast("dict[Guest, int]", self.protocols) if not guest.sent_away]
        if len(guests) >= self._most:
            idle = next((guest for guest in guests if not guest.asked), None)
            if idle is None:
                return None
            idle.sent_away = True  # Twisted tells of its end later
            idle.abortConnection()
        return super().buildProtocol(addr)


class _Quiet(Site):
    def log(self, request: AnyRequest) -> None:
        """Write no line per request."""


def door(reactor: IReactorTCP, root: IResource, request: type[Bounded], most: int) -> Any:  # noqa: ANN401
    """Return the factory of a door.

    Its type is Twisted's to say: it makes wrappers of a site's protocols, which is more than ServerFactory can say.
    """
    return Few(_Quiet(root, requestFactory=request, timeout=SILENCE, reactor=reactor), most)
