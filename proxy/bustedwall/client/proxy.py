"""One proxy of a run, as a client changes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self
from urllib.parse import quote

from bustedwall.client.link import ControlError, Json, Link, written

Value = str | int | float | bool
Use = str | Mapping[str, Mapping[str, Value]]
"""A policy by its name, or `{name: {parameter: value}}`."""


class Proxy:
    """One proxy of a run."""

    def __init__(self, link: Link, name: str) -> None:
        self.name = name
        self._link = link
        self._path = f"/api/v1/proxies/{quote(name, safe='')}"

    def get(self) -> Json:
        """Return its `state` and its `policies`."""
        return self._link.ask("GET", self._path)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; raises ControlError if there is none, ValueError if its door is shut."""
        told = self.get()["state"]["address"]
        if told is None:
            raise ValueError(f"proxy '{self.name}' has no door")
        host, _, port = told.rpartition(":")
        return host.strip("[]"), int(port)

    def put(self, *, upstream: str, listen: str = "127.0.0.1:0", policies: Sequence[Use] = (), **more: object) -> Json:
        """Have it, new or as it is from now on; `more` are other keys of a config's proxy."""
        sent = {"upstream": upstream, "listen": listen, "policies": list(policies), **more}
        return self._link.ask("PUT", self._path, sent)

    def delete(self, *, drain: float | None = None) -> None:
        """Have it no more; its flows may go on for so many seconds."""
        self._link.ask("DELETE", self._path, query=_drain(drain))

    def enable(self) -> Json:
        """Open its door, where it was."""
        return self._link.ask("POST", f"{self._path}/enable")

    def disable(self, *, drain: float | None = None) -> Json:
        """Shut its door; its flows may go on for so many seconds."""
        return self._link.ask("POST", f"{self._path}/disable", query=_drain(drain))

    def clear(self) -> Json:
        """Take all of its policies away."""
        return self._link.ask("POST", f"{self._path}/clear")

    def use(self, policies: Sequence[Use]) -> Json:
        """Have it use these policies and no others."""
        return self._link.ask("PUT", f"{self._path}/policies", {"policies": list(policies)})

    def apply(
        self,
        policy: str,
        values: Mapping[str, Value] | None = None,
        *,
        span: float | None = None,
        flow: int | None = None,
    ) -> Json:
        """Have it use a policy, too; for so many seconds, or on one flow alone."""
        sent: Json = {"values": dict(values or {})}
        if span is not None:
            sent["for"] = written(span)
        if flow is not None:
            sent["flow"] = flow
        before = self._link.last()
        told = self._link.ask("PUT", self._use(policy), sent)
        self._link.note_applied(policy, self.name, before)
        return told

    def remove(self, policy: str, *, flow: int | None = None) -> None:
        """Take a policy away."""
        self._link.ask("DELETE", self._use(policy), query={"flow": flow})

    @contextmanager
    def policy(self, policy: str, /, *, flow: int | None = None, **values: Value) -> Iterator[Self]:
        """Have it use a policy for as long as the block lasts; what it used of this name before comes back."""
        before = [one for one in self.get()["policies"] if (one["policy"], one["flow"]) == (policy, flow)]
        self.apply(policy, values, flow=flow)
        try:
            yield self
        finally:
            if before:
                self.apply(policy, before[0]["values"], span=before[0]["ends_in"], flow=flow)
            else:
                self._forget(policy, flow)

    def _forget(self, policy: str, flow: int | None) -> None:
        try:
            self.remove(policy, flow=flow)
        except ControlError as error:
            if error.status != 404:  # noqa: PLR2004 (somebody else has taken it away, or its flow has ended)
                raise

    def _use(self, policy: str) -> str:
        return f"{self._path}/policies/{quote(policy, safe='')}"


def _drain(seconds: float | None) -> dict[str, object]:
    return {} if seconds is None else {"drain": written(seconds)}
