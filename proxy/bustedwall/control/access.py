"""Who may ask what: decided from a request's head, before any of its body is taken."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus

from bustedwall.control.problem import RefusedError

SHORTEST = 16
"""Characters of a token: `openssl rand -hex 16` gives 32."""

_TOKEN = re.compile(r"[!-~]+")

_HOST = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]{1,5})?")


class Role(Enum):
    """What a client may do."""

    READER = "reader"
    """Look."""
    OWNER = "owner"
    """Look and change."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What clients have to know; with neither, whoever can come is an owner."""

    full: str | None = None
    """Of owners."""
    read: str | None = None
    """Of readers."""

    @property
    def any(self) -> bool:
        """Tell whether one is asked for."""
        return self.full is not None or self.read is not None

    def role(self, authorization: str | None) -> Role | None:
        """Return what the head `Authorization` makes of a client; None: nothing."""
        kind, _, said = (authorization or "").partition(" ")
        found = None
        for token, role in ((self.read, Role.READER), (self.full, Role.OWNER)):
            # Both are compared, and digests have one length: the time that it takes tells nothing.
            if token is not None and compare_digest(_digest(token), _digest(said.strip())):
                found = role
        return found if kind.lower() == "bearer" else None


def checked_token(text: str) -> str:
    """Return what a file or a variable holds as a token; raises ValueError with a sentence for users."""
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError("a token is of visible ASCII characters without spaces")
    if len(token) < SHORTEST:
        raise ValueError(f"a token has at least {SHORTEST} characters, as `openssl rand -hex 16` gives")
    return token


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's head says of who asks."""

    host: str | None
    origin: str | None
    authorization: str | None
    content_type: str | None
    length: int | None
    """Bytes of the body; None: it comes in chunks, and nobody knows."""


MOST = 256 << 10
"""Bytes of a body: a policy of thousands of lines."""

READING = ("GET", "HEAD")


class Access:
    """Decides on requests."""

    def __init__(self, tokens: Tokens, *, by_name: bool) -> None:
        """`by_name`: clients come to an address; False: to a Unix socket, where no browser can come."""
        self._tokens = tokens
        self._by_name = by_name

    def role(self, head: Head, *, free: bool = False) -> Role:
        """Return what a request may; raises RefusedError. `free`: it asks only whether anybody is there."""
        # A page of another site has its name in `Origin`; where it has made a name of its own lead
        # here, the name is in `Host`.
        if head.origin is not None and head.origin.partition("://")[2] != head.host:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"pages of {head.origin[:100]} may not ask here")
        if free:
            return Role.READER
        if self._tokens.any:
            role = self._tokens.role(head.authorization)
            if role is None:
                raise RefusedError(HTTPStatus.UNAUTHORIZED, "it takes a token, as in 'Authorization: Bearer TOKEN'")
            return role
        if self._by_name and not _is_loopback(head.host):
            raise RefusedError(HTTPStatus.FORBIDDEN, "the head 'Host' names no loopback address")
        return Role.OWNER

    def body(self, head: Head) -> None:
        """Raise RefusedError if the body is not taken that is announced."""
        if head.length is None:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "say how long the body is: 'Content-Length'")
        if head.length > MOST:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MOST} bytes")
        # A form of a page can send other kinds to anybody without asking first.
        if head.length and (head.content_type or "").partition(";")[0].strip().lower() != "application/json":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body is JSON: 'Content-Type: application/json'")


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()


def _is_loopback(host: str | None) -> bool:
    match = _HOST.fullmatch(host or "")
    if match is None:
        return False
    name = match["v6"] or match["name"]
    try:
        return name.lower() == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
