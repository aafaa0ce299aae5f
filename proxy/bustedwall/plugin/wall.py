"""A proxy of a test."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Self

from bustedwall.child.process import Process
from bustedwall.client import Client, ControlError, How, Json, NotMetError, Value
from bustedwall.client.turns import seen
from bustedwall.plugin.verdict import Asked

KEPT = 10_000
"""Facts that a run keeps, of all its proxies (docs/control.md)."""

LOOK = 0.02
"""Seconds between two looks at what flows carry, of which there is no fact."""


class Wall:
    """A proxy before an upstream, for one test. Any thread may use it; calls block until they are answered."""

    def __init__(self, process: Process, name: str, upstream: str, *, turns: bool = False) -> None:
        self.name = name
        self.process = process
        self._turns = turns
        self.asked: list[Asked] = []
        """The uses of policies that it has had."""
        self._defined: set[str] = set()
        with process.client() as client:
            self.began = client.last()
            """The number of the newest fact before there was this proxy."""
            proxy = client.proxy(name)
            proxy.put(upstream=upstream, turns=turns)
            self.address = proxy.address
            """Where clients connect: host and port."""

    @property
    def host(self) -> str:
        """The host of its address."""
        return self.address[0]

    @property
    def port(self) -> int:
        """The port of its address."""
        return self.address[1]

    # ---- policies

    def apply(self, policy: str, *, may_not_fire: bool = False, **values: Value) -> None:
        """Have it use a policy until the test ends."""
        self.use(policy, values, may_not_fire=may_not_fire)

    def use(self, policy: str, values: Mapping[str, Value], *, may_not_fire: bool) -> None:
        """Have it use a policy whose values are a mapping."""
        with self.process.client() as client:
            before = client.last()
            client.proxy(self.name).apply(policy, values)
        self._end_uses(before, policy)
        self._begin_use(policy, before, may_not_fire=may_not_fire)

    def remove(self, policy: str) -> None:
        """Take a policy away; what it did is healed."""
        with self.process.client() as client:
            client.proxy(self.name).remove(policy)
            self._end_uses(client.last(), policy)

    @contextmanager
    def policy(self, policy: str, /, *, may_not_fire: bool = False, **values: Value) -> Iterator[Self]:
        """Have it use a policy for as long as the block lasts; what it used of this name before comes back."""
        outer = [one for one in self.asked if one.policy == policy and one.lasts]
        with self.process.client() as client:
            before = client.last()
            with client.proxy(self.name).policy(policy, flow=None, **values):
                self._end_uses(before, policy)
                own = self._begin_use(policy, before, may_not_fire=may_not_fire)
                try:
                    yield self
                finally:
                    back = client.last()
            own.end(client.last())
            for one in outer:
                one.begin(back)

    def _begin_use(self, policy: str, number: int, *, may_not_fire: bool) -> Asked:
        use = Asked(self.name, policy, may_not_fire)
        use.begin(number)
        self.asked.append(use)
        return use

    def _end_uses(self, number: int, policy: str | None = None) -> None:
        """Take note that uses have ended, of one policy or of all."""
        for one in self.asked:
            if policy in (None, one.policy):
                one.end(number)

    def define(self, text: str) -> None:
        """Have a policy of the test's own be known by its name until the test ends; `text` is YAML.

        Raises ValueError where that is no policy at all, and ControlError where it is a wrong one.
        """
        import yaml  # noqa: PLC0415 (it takes time that only this one needs)

        written = yaml.safe_load(text)
        if not isinstance(written, dict) or "name" not in written:
            raise ValueError(f"expected a policy, a mapping with version, name, summary and rules, got {text[:100]!r}")
        name = str(written["name"])
        with self.process.client() as client:
            client.define(name, text)
        self._defined.add(name)

    def fire(self, signal: str) -> int:
        """Fire a signal of the policies; return how many rules have heard it. Nobody: an AssertionError."""
        with self.process.client() as client:
            heard = client.fire(signal)
        if not heard:
            raise NotMetError(f"no rule waits for the signal '{signal}'")
        return heard

    def kill(self, how: How = "reset") -> int:
        """End its open flows: `reset`, `close` or `vanish`; return how many."""
        with self.process.client() as client:
            return client.kill(how, proxy=self.name)

    # ---- looking and waiting

    @property
    def flows(self) -> list[Json]:
        """Its open flows, each with its number, its bytes and the faults that are on it."""
        with self.process.client() as client:
            return [one["state"] for one in client.flows(self.name)]

    def facts(self) -> list[Json]:
        """Return what has happened on it."""
        with self.process.client() as client:
            return list(client.facts(after=self.began, proxy=self.name))

    @property
    def turns_seen(self) -> list[Json]:
        """The turns of clients that the server has answered, in the order in which they were over, as facts.

        Raises RuntimeError where some may be forgotten by now.
        """
        if not self._turns:
            raise TypeError("turns are not told here: bustedwall.proxy(upstream, turns=True)")
        if self.forgotten():
            raise RuntimeError(
                f"more than {KEPT:,} facts have come, and the first are forgotten: ask for turns earlier"
            )
        return list(seen(self.facts()))

    def wait_for(
        self,
        *,
        fired: str | None = None,
        flows: int | None = None,
        fact: str | None = None,
        times: int = 1,
        within: float = 10.0,
        **having: Value | None,
    ) -> Json:
        """Wait until a rule has fired, so many flows are open, or a fact has come; an AssertionError if none has.

        What came earlier in this test counts, too. `having` are fields of the fact.
        """
        if [fired, flows, fact].count(None) != 2:  # noqa: PLR2004 (all but one of them)
            raise TypeError("wait for one of: fired, flows, fact")
        with self.process.client() as client:
            if fired is not None:
                return client.wait_fired(fired, proxy=self.name, times=times, within=within)
            if flows is not None:
                return client.wait_flows(flows, at_most=flows, proxy=self.name, within=within)
            assert fact is not None
            return client.wait_fact(fact, proxy=self.name, times=times, after=self.began, within=within, having=having)

    def assert_recovered(self, within: float = 10.0) -> None:
        """Wait until bytes of the server come through again, on any flow; an AssertionError if none do."""
        over = time.monotonic() + within
        with self.process.client() as client:
            before = self._carried(client)  # first: what closes behind this has its bytes in it
            after = client.last()
            while time.monotonic() < over:
                if any(count > before.get(flow, 0) for flow, count in self._carried(client).items()):
                    return
                closed = client.facts(after=after, proxy=self.name, fact="flow-closed")
                if any(fact["from_server"] > before.get(fact["flow"], 0) for fact in closed):
                    return
                time.sleep(LOOK)
        raise NotMetError(f"not recovered within {within:g} s: no byte of the server came through")

    def forgotten(self) -> bool:
        """Tell whether the first of its facts may be forgotten already."""
        with self.process.client() as client:
            return client.last() - self.began > KEPT

    # ---- the end

    def heal(self) -> None:
        """Take all policies away."""
        with self.process.client() as client:
            client.proxy(self.name).clear()
            self._end_uses(client.last())

    def delete(self) -> None:
        """Have it no more, nor the policies that it has defined, and end its flows."""
        with self.process.client() as client:
            undo = [partial(client.proxy(self.name).delete, drain=0)]
            undo += [partial(client.undefine, name) for name in self._defined]
            for one in undo:
                try:
                    one()
                except ControlError as error:
                    if error.status != 404:  # noqa: PLR2004 (it is gone)
                        raise

    def _carried(self, client: Client) -> dict[int, int]:
        return {one["state"]["flow"]: one["state"]["from_server"] for one in client.flows(self.name)}
