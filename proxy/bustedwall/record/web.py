"""Metrics over HTTP, for Prometheus. Nothing else is served, so there is nothing to be authorised for."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from twisted.internet.interfaces import IListeningPort, IReactorTCP
from twisted.web.resource import Resource
from twisted.web.server import Request

from bustedwall.record.site import Bounded, door

_PATH = b"/metrics"

MOST = 32
"""Connections at once; Prometheus keeps one."""


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
        return told(self._registry, request)


def told(registry: CollectorRegistry, request: Request) -> bytes:
    """Return the metrics in the format that a request asks for, which is said in the answer's head."""
    encode, kind = choose_encoder(request.getHeader("accept") or "")
    request.setHeader(b"content-type", kind.encode())
    return encode(registry)


def serve(reactor: IReactorTCP, host: str, port: int, registry: CollectorRegistry) -> IListeningPort:
    """Serve /metrics; raises CannotListenError, Twisted's."""
    return reactor.listenTCP(port, door(reactor, _Page(registry), Bounded, MOST), interface=host)
