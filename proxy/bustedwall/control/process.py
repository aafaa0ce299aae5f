"""What is asked of the process as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

import bustedwall
from bustedwall.control.endpoint import Answer, Call, Endpoint, encoded
from bustedwall.control.openapi import Document, document
from bustedwall.control.problem import RefusedError
from bustedwall.record.web import told

_DESCRIBED: dict[str, Any] = {"use_attribute_docstrings": True}


@dataclass(frozen=True, slots=True)
class Health:
    """How it is."""

    __pydantic_config__: ClassVar = _DESCRIBED

    status: str
    """`ok`."""


@dataclass(frozen=True, slots=True)
class Version:
    """What runs."""

    __pydantic_config__: ClassVar = _DESCRIBED

    version: str
    """Of bustedwall."""
    api: str
    """Of the paths below /api."""


class Process:
    """Tells of the process."""

    def __init__(self, registry: CollectorRegistry, ready: Callable[[], bool]) -> None:
        """`ready` tells whether clients can come to the proxies."""
        self._registry = registry
        self._ready = ready
        self._endpoints: Sequence[Endpoint] = ()
        self._openapi: bytes | None = None
        """None: nobody has asked for it."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return what can be asked."""
        return (
            Endpoint("GET", "/healthz", self.healthz, Health, free=True),
            Endpoint("GET", "/readyz", self.readyz, Health, free=True, refusals=(HTTPStatus.SERVICE_UNAVAILABLE,)),
            Endpoint("GET", "/version", self.version, Version),
            Endpoint("GET", "/metrics", self.metrics, kind="text/plain"),
            Endpoint("GET", "/openapi.json", self.openapi, dict[str, Any]),
        )

    def describe(self, endpoints: Sequence[Endpoint]) -> None:
        """Have these be told as all that there is."""
        self._endpoints = endpoints

    def healthz(self, call: Call) -> Answer:
        """Tell that the process turns."""
        return Answer(Health("ok"))

    def readyz(self, call: Call) -> Answer:
        """Tell that the doors are open; 503 from when the run begins to end."""
        if not self._ready():
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the run is about to end")
        return Answer(Health("ok"))

    def version(self, call: Call) -> Answer:
        """Tell what runs."""
        return Answer(Version(bustedwall.__version__, "v1"))

    def metrics(self, call: Call) -> Answer:
        """Tell the metrics, in the format of Prometheus that is asked for."""
        text = told(self._registry, call.request)
        return Answer(text, kind=call.request.responseHeaders.getRawHeaders("content-type", ["text/plain"])[0])

    def openapi(self, call: Call) -> Answer | Deferred[Answer]:
        """Describe the API."""
        if self._openapi is not None:
            return Answer(self._openapi)
        # It takes a tenth of a second: for who asks, and beside the traffic.
        made: Deferred[Document] = deferToThread(document, self._endpoints)
        return made.addCallback(self._keep)

    def _keep(self, made: Document) -> Answer:
        self._openapi = encoded(made)
        return Answer(self._openapi)
