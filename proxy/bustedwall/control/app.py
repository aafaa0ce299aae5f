"""The routes: each request is checked, done and answered; what is refused is told as a problem."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from klein import Klein
from pydantic import ValidationError
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTCP
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException

from bustedwall.control.access import READING, Access, Head, Role
from bustedwall.control.endpoint import LONGEST_NAME, NUMBERED, Answer, Call, Endpoint, encoded
from bustedwall.control.problem import KIND, RefusedError, of_policy, of_shape
from bustedwall.policy.address import Address
from bustedwall.policy.model import NAME
from bustedwall.policy.problem import PolicyError
from bustedwall.record.site import Bounded, Objection, door

MOST = 96
"""Connections at once; each that watches facts or waits is one."""

log = Logger()


def factory(reactor: IReactorTCP, access: Access, endpoints: Sequence[Endpoint]) -> Any:  # noqa: ANN401 (see record/site)
    """Return what listens."""
    app = Klein()
    for endpoint in endpoints:
        path = endpoint.path.replace("{", "<").replace("}", ">")
        app.route(path, methods=[endpoint.method], strict_slashes=False, endpoint=endpoint.operation)(
            _route(access, endpoint)
        )
    app.handle_errors(HTTPException)(cast("Any", _not_found))  # klein's type has room for an app's self
    request = type("ControlRequest", (_Request,), {"access": access})
    return door(reactor, app.resource(), request, MOST)


class _Request(Bounded):
    access: Access

    def objection(self, length: int | None) -> Objection | None:
        """Refuse a body of somebody who may not send one; one that is not announced at all is asked about later."""
        if length == 0:
            return None
        head = head_of(self, length)
        try:
            self.access.role(head)
            self.access.body(head)
        except RefusedError as refused:
            return Objection(refused.status, KIND, encoded(refused.details()))
        return None


def head_of(request: Request, length: int | None) -> Head:
    """Return what a request says of who asks."""

    def said(name: str) -> str | None:
        return cast("str | None", request.getHeader(name))

    return Head(
        said("host"),
        said("origin"),
        said("authorization"),
        said("content-type"),
        length,
    )


def _route(access: Access, endpoint: Endpoint) -> Callable[..., Deferred[bytes]]:
    def serve(request: Request, **names: str) -> Deferred[bytes]:
        done = maybeDeferred(_act, access, endpoint, request, names)
        return done.addCallback(partial(_answer, request)).addErrback(partial(_refuse, request))

    return serve


def _act(access: Access, endpoint: Endpoint, request: Request, names: dict[str, str]) -> Answer | Deferred[Answer]:
    role = access.role(head_of(request, 0), free=endpoint.free)
    if role is not Role.OWNER and endpoint.method not in READING and endpoint.changes:
        raise RefusedError(HTTPStatus.FORBIDDEN, "this token is for reading only")
    for kind, name in names.items():
        if kind != NUMBERED and (len(name) > LONGEST_NAME or not re.fullmatch(NAME, name)):
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"{kind}: a name has letters, digits and '_.-' only")
    query = None if endpoint.query is None else _query(endpoint.query.model_validate, request)
    if endpoint.query is None and request.args:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "this takes no query")
    body = None
    if endpoint.sends is not None:
        body = _body(endpoint.sends.model_validate, request)
    elif _read(request):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "this takes no body")
    return endpoint.act(Call(request, who(request), names, body, query))


def _query(validate: Callable[[Any], Any], request: Request) -> Any:  # noqa: ANN401 (a model)
    said: dict[str, str] = {}
    for name, values in request.args.items():
        if len(values) > 1:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a word of the query is given twice")
        said[name.decode(errors="replace")] = values[0].decode(errors="replace")
    try:
        return validate(said)
    except ValidationError as error:
        raise of_shape(error, "the query") from None


def _body(validate: Callable[[Any], Any], request: Request) -> Any:  # noqa: ANN401 (a model)
    if not request.getHeader("content-type"):
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body is JSON: 'Content-Type: application/json'")
    try:
        sent = json.loads(_read(request), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
    try:
        return validate(sent)
    except ValidationError as error:
        raise of_shape(error, "the body") from None


def _read(request: Request) -> bytes:
    assert request.content is not None
    return cast("bytes", request.content.read())


def _no_number(word: str) -> float:
    raise ValueError(word)


def _answer(request: Request, answer: Answer) -> bytes:
    request.setResponseCode(answer.status.value)
    told = encoded(answer.value)
    if answer.status is not HTTPStatus.NO_CONTENT:
        request.setHeader("content-type", answer.kind)
        request.setHeader("content-length", str(len(told)))
    request.setHeader("cache-control", "no-store")
    request.setHeader("x-content-type-options", "nosniff")
    return told


def _refuse(request: Request, failure: Failure) -> bytes:
    if failure.check(CancelledError):
        return b""  # the client has left, and nobody reads it
    error = failure.value
    if isinstance(error, PolicyError):
        error = of_policy(error)
    if not isinstance(error, RefusedError):
        log.failure("a bug of bustedwall: a request could not be answered", failure)
        error = RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a bug of bustedwall; its log has more")
    if error.status is HTTPStatus.UNAUTHORIZED:
        request.setHeader("www-authenticate", "Bearer")
    return _answer(request, Answer(error.details(), error.status, KIND))


def _not_found(request: Request, failure: Failure) -> bytes:
    """Tell of a path or a method that there is not."""
    error = failure.value
    assert isinstance(error, HTTPException)
    for name, value in error.get_headers():
        if name.lower() == "allow":
            request.setHeader("allow", value)
    status = HTTPStatus(error.code or HTTPStatus.NOT_FOUND)
    if error.code and error.code < HTTPStatus.BAD_REQUEST:  # a redirection, of a path with too many slashes
        status = HTTPStatus.NOT_FOUND
    what = "there is nothing at this path; /openapi.json says what there is"
    problem = RefusedError(status, what if status is HTTPStatus.NOT_FOUND else status.phrase)
    return _answer(request, Answer(problem.details(), status, KIND))


_CREDENTIALS = struct.Struct("=3i")
"""Of `struct ucred`: process, user, group; unix(7)."""


def who(request: Request) -> str:
    """Return who asks: an address, or the user and the process at the other end of a Unix socket."""
    client = request.getClientAddress()
    if hasattr(client, "host"):
        return str(Address(client.host, client.port))
    end: socket.socket = cast("Any", request).channel.transport.socket
    pid, uid, _ = _CREDENTIALS.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return f"user {uid}, process {pid}"
