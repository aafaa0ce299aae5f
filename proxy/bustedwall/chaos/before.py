"""How a run was when the experiment began, and how it becomes so again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from bustedwall.client import Client, ControlError, Json, Proxy

VERDICT = 2.0
"""Seconds that the verdict of a loss may take once it is healed: two retransmissions, and some room."""

Step = tuple[str, Callable[[], object]]
"""What is undone, and how."""

Asked = Callable[[], AbstractContextManager[Client]]


@dataclass(frozen=True, slots=True)
class Before:
    """A run as it was."""

    asked: Asked
    """Asks the run that the experiment named."""
    at: float
    """By the clock that nobody sets."""
    last: int
    """The number of the newest fact then."""
    proxies: tuple[Json, ...]

    @classmethod
    def seen(cls, asked: Asked) -> Before:
        """Look how it is now."""
        with asked() as client:
            return cls(asked, time.monotonic(), client.last(), tuple(client.proxies()))

    def steps(self, client: Client) -> Iterator[Step]:
        """Yield what makes doors and policies be as they were; flows that have ended do not return."""
        now = {one["name"]: one for one in client.proxies()}
        for was in self.proxies:
            name = was["name"]
            if name in now:
                yield from self._policies(client, name, _in_force(was), _in_force(now[name]))
                yield from _door(client.proxy(name), was=was["state"]["enabled"], now=now[name]["state"]["enabled"])

    def facts(self, client: Client) -> Json:
        """Return the facts since then, and how many of them are forgotten."""
        facts = list(client.facts(after=self.last))
        missed = facts[0]["number"] - self.last - 1 if facts else 0
        return {"facts": facts, "missed": missed}

    def _policies(self, client: Client, name: str, was: _Policies, now: _Policies) -> Iterator[Step]:
        for policy, flow in now.keys() - was.keys():
            yield f"{name}: {policy} is taken away", partial(self._take, client, name, policy, flow)
        for (policy, flow), one in was.items():
            left = None if one["ends_in"] is None else one["ends_in"] - (time.monotonic() - self.at)
            there = now.get((policy, flow))
            gone = flow is not None or (left is not None and left <= 0)  # with its flow, or by itself
            if (there is None and not gone) or (there is not None and there["values"] != one["values"]):
                apply = client.proxy(name).apply
                yield f"{name}: {policy} is back", partial(apply, policy, one["values"], span=left, flow=flow)

    def _take(self, client: Client, name: str, policy: str, flow: int | None) -> None:
        try:
            client.proxy(name).remove(policy, flow=flow)
        except ControlError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # it has just gone by itself
                raise
        if client.effect(policy, proxy=name, after=self.last).waiting:
            client.effect(policy, proxy=name, after=self.last, within=VERDICT)


_Policies = dict[tuple[str, int | None], Json]

_before: Before | None = None
"""Of the experiment that this process runs."""


def remember(before: Before | None) -> None:
    """Keep how it was; None: forget it."""
    global _before  # noqa: PLW0603 (the Toolkit calls functions of modules, and one experiment in a process)
    _before = before


def remembered() -> Before | None:
    """Return how it was when the experiment began; None where no control has looked, or all is undone."""
    return _before


def number() -> int | None:
    """Return the number of the newest fact when the experiment began, where that is known."""
    return None if _before is None else _before.last


def _in_force(proxy: Json) -> _Policies:
    return {(one["policy"], one["flow"]): one for one in proxy["policies"]}


def _door(proxy: Proxy, *, was: bool, now: bool) -> Iterator[Step]:
    if was and not now:
        yield f"{proxy.name}: its door is open again", proxy.enable
    if now and not was:
        yield f"{proxy.name}: its door is shut again", proxy.disable
