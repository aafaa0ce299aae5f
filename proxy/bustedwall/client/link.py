"""One connection to the control API: asks, and tells refusals as errors."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

Json = dict[str, Any]

DEFAULT = "127.0.0.1:8474"
TIMEOUT = 30.0
"""Seconds that an answer may take; a wait takes as much longer as it waits."""

_IDLE = 5.0
"""Seconds after which a connection is not used again: the API leaves one that is silent for 10 s."""

_SILENCE = 45.0
"""Seconds without a fact or a sign of life, which comes every 15 s, after which a stream is over."""


class ControlError(Exception):
    """The API refused something, and has changed nothing."""

    def __init__(self, status: int, detail: str, errors: Sequence[Json] = ()) -> None:
        super().__init__("; ".join([f"{detail} ({status})", *filter(None, (_mistake(one, detail) for one in errors))]))
        self.status = status
        """HTTP's."""
        self.detail = detail
        """What is wrong, as one sentence."""
        self.errors = tuple(errors)
        """Each mistake with its `path`, `message` and `hint`, where there are several, and `line` and `column`."""

    @property
    def unable(self) -> bool:
        """Tell whether nothing is wrong but that this machine's kernel does not give us what it takes."""
        return bool(self.errors) and all(one["privilege"] for one in self.errors)


def _mistake(told: Json, detail: str) -> str:
    """Return a mistake as one sentence, without what has been said already."""
    message = "" if told["message"] in detail else f"{told['path']}: {told['message']}".removeprefix(": ")
    return ", ".join(filter(None, (message, told["hint"])))


class Link:
    """Asks one run, over one connection at a time."""

    def __init__(self, address: str | None, token: str | None, timeout: float) -> None:
        self.address = address or os.environ.get("BUSTEDWALL_CONTROL") or DEFAULT
        self._token = token if token is not None else _token(os.environ)
        self._timeout = timeout
        self._connection: HTTPConnection | None = None
        self._used = 0.0
        """When the connection was used last, by the clock that nobody sets."""
        self._applied: dict[tuple[str, str], int] = {}
        """The newest fact before a policy was applied last, by proxy and policy."""

    def note_applied(self, policy: str, proxy: str, number: int) -> None:
        """Take note that a policy was applied when this was the number of the newest fact."""
        self._applied[proxy, policy] = number

    def applied(self, policy: str, proxy: str | None) -> int | None:
        """Return that number for a proxy, or the first of any; None: it was not applied over this link."""
        found = [number for (where, name), number in self._applied.items() if name == policy and proxy in (None, where)]
        return min(found, default=None)

    def last(self) -> int:
        """Return the number of the newest fact."""
        return int(self.ask("GET", "/api/v1/facts", query={"limit": 1})["last"])

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        longer: float = 0.0,
    ) -> Json:
        """Ask something; return the answer, `{}` where there is nothing to say.

        `longer`: so many seconds more than usual may it take.
        """
        sent = None if body is None else json.dumps(body)
        headers = self._headers() | ({} if body is None else {"Content-Type": "application/json"})
        connection = self._open(self._timeout + longer)
        try:
            connection.request(method, f"{path}{_query(query or {})}", sent, headers)
            answer = connection.getresponse()
            text = answer.read()
        except HTTPException as error:
            self.close()
            raise ConnectionError(f"{self.address}: no answer: {error!r}") from error
        except OSError:
            self.close()
            raise
        self._used = time.monotonic()
        if not 200 <= answer.status < 300:  # noqa: PLR2004 (HTTP's)
            raise _refusal(answer.status, text)
        told: Json = json.loads(text) if text else {}
        return told

    def _open(self, timeout: float) -> HTTPConnection:
        if time.monotonic() - self._used > _IDLE:
            self.close()
        if self._connection is None:
            self._connection = self._connect(timeout)
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection

    def _headers(self) -> dict[str, str]:
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    def _connect(self, timeout: float | None) -> HTTPConnection:
        if self.address.startswith("unix:"):
            return _UnixConnection(self.address.removeprefix("unix:"), timeout)
        where = urlsplit(self.address if "://" in self.address else f"http://{self.address}")
        if where.hostname is None:
            raise ValueError(f"expected HOST:PORT, http://HOST:PORT or unix:PATH, got '{self.address}'")
        return HTTPConnection(where.hostname, where.port or 80, timeout=timeout)

    def follow(self, query: Mapping[str, object]) -> Iterator[Json]:
        """Yield facts as they come, over a connection of its own."""
        connection = self._connect(_SILENCE)
        try:
            headers = self._headers() | {"Accept": "text/event-stream"}
            connection.request("GET", f"/api/v1/facts{_query(query)}", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:  # noqa: PLR2004 (HTTP's)
                raise _refusal(answer.status, answer.read())
            yield from _events(answer)
        finally:
            connection.close()


def written(seconds: float) -> str:
    """Return a span as the API takes it."""
    return f"{seconds:.6f}s"


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _token(environ: Mapping[str, str]) -> str | None:
    if "BUSTEDWALL_TOKEN" in environ:
        return environ["BUSTEDWALL_TOKEN"].strip()
    if "BUSTEDWALL_TOKEN_FILE" in environ:
        with open(environ["BUSTEDWALL_TOKEN_FILE"], encoding="ascii") as file:  # noqa: PTH123 (pathlib takes 20 ms)
            return file.read().strip()
    return None


def _refusal(status: int, text: bytes) -> ControlError:
    try:
        told = json.loads(text)
        return ControlError(status, told["detail"], told.get("errors", ()))
    except (ValueError, KeyError, TypeError):
        return ControlError(status, text.decode(errors="replace")[:200] or "no reason was given")


def _query(query: Mapping[str, object]) -> str:
    said = {key: value for key, value in query.items() if value is not None}
    return f"?{urlencode(said)}" if said else ""


def _events(answer: HTTPResponse) -> Iterator[Json]:
    while line := answer.readline():
        key, _, value = line.decode().strip().partition(": ")
        if key == "data":
            yield json.loads(value)
