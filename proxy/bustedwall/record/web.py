"""Metrics over HTTP, for Prometheus.

twisted.web keeps what a client sends, and waits for one that sends nothing. Here both have an end,
and only so many may come at once. Nothing else is served, so there is nothing to be authorised for.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTCP
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.http import Request as AnyRequest
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

_PATH = b"/metrics"

MOST = 32
"""Connections at once; Prometheus keeps one, and who comes when there are so many finds the door shut."""

SILENCE = 10
"""Seconds after which a client that asks nothing, or does not read its answer, is left."""

_NO_BODY = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Bodiless(Request):
    """Refuses a body at its announcement: nobody has a use for one, and it would be kept."""

    refused = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802 (Twisted's name)
        """Let a client that announces a body know, and leave."""
        self.content = BytesIO()
        if length != 0:
            self.refused = True
            assert self.channel.transport is not None
            self.channel.transport.write(_NO_BODY)
            self.channel.loseConnection()

    def process(self) -> None:
        """Answer, unless that was done."""
        if not self.refused:
            super().process()


class _Page(Resource):
    isLeaf = True  # noqa: N815 (Twisted's name)

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:  # noqa: N802 (Twisted's name)
        """Return the metrics, in the format that is asked for."""
        if request.path != _PATH:
            request.setResponseCode(404)
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return b"there is /metrics, and nothing else\n"
        encode, kind = choose_encoder(request.getHeader("accept") or "")
        request.setHeader(b"content-type", kind.encode())
        return encode(self._registry)


class _Site(Site):
    def log(self, request: AnyRequest) -> None:
        """Write no line per request."""


class _Few(WrappingFactory):
    def buildProtocol(  # type: ignore[override]  # noqa: N802 (Twisted's name; a factory may return None)
        self, addr: IAddress | None
    ) -> ProtocolWrapper | None:
        """Take a client in, if there are not too many."""
        return None if len(self.protocols) >= MOST else super().buildProtocol(addr)


def serve(reactor: IReactorTCP, host: str, port: int, registry: CollectorRegistry) -> IListeningPort:
    """Serve /metrics; raises CannotListenError, Twisted's."""
    site = _Site(_Page(registry), requestFactory=_Bodiless, timeout=SILENCE, reactor=reactor)
    few: Any = _Few(site)  # it makes wrappers of the site's protocols, which is more than ServerFactory can say
    return reactor.listenTCP(port, few, interface=host)
