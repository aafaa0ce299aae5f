"""A run, as a client sees it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Self
from urllib.parse import quote

from bustedwall.client.effect import TELLING, Effect, effect
from bustedwall.client.link import TIMEOUT, ControlError, Json, Link, written
from bustedwall.client.proxy import Proxy, Value

How = Literal["reset", "close", "vanish"]

_GOES_BY = 10.0
"""Seconds that a wait for something takes at most, unless another time is said."""


class NotMetError(AssertionError):
    """What was waited for has not come in time."""


class Client:
    """Asks one run. Raises ControlError if it refuses, OSError if it cannot be reached."""

    def __init__(self, address: str | None = None, *, token: str | None = None, timeout: float = TIMEOUT) -> None:
        """`address` is BUSTEDWALL_CONTROL unless it is given, else 127.0.0.1:8474; `token` is BUSTEDWALL_TOKEN."""
        self._link = Link(address, token, timeout)

    @property
    def address(self) -> str:
        """Where the API is."""
        return self._link.address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._link.close()

    # ---- the process

    def version(self) -> str:
        """Return the version of bustedwall that runs."""
        return str(self._link.ask("GET", "/version")["version"])

    def ready(self) -> bool:
        """Tell whether the doors are open."""
        try:
            self._link.ask("GET", "/readyz")
        except ControlError as error:
            if error.status == 503:  # noqa: PLR2004 (the status for it)
                return False
            raise
        return True

    def state(self) -> Json:
        """Return what is in force, as a config that `bustedwall run` accepts."""
        return self._link.ask("GET", "/api/v1/state")

    def panic(self) -> Json:
        """Take all policies away, everywhere; return how many `rules`, `faults` and `flows` that were."""
        return self._link.ask("POST", "/api/v1/panic")

    def fire(self, signal: str) -> int:
        """Fire a signal of the policies; return how many rules have heard it."""
        return int(self._link.ask("POST", f"/api/v1/signals/{quote(signal, safe='')}")["rules"])

    # ---- proxies and policies

    def proxy(self, name: str) -> Proxy:
        """Return a proxy by its name; nothing is asked yet."""
        return Proxy(self._link, name)

    def proxies(self) -> list[Json]:
        """Return all proxies with their state and policies."""
        found: list[Json] = self._link.ask("GET", "/api/v1/proxies")["proxies"]
        return found

    def policies(self) -> list[Json]:
        """Return all policies that can be applied, with who uses them."""
        found: list[Json] = self._link.ask("GET", "/api/v1/policies")["policies"]
        return found

    def policy(self, name: str) -> Json:
        """Return a policy as `name`, `origin`, `used_by`, and `policy`, its file as data; raises ControlError."""
        found: Json = self._link.ask("GET", f"/api/v1/policies/{quote(name, safe='')}")
        return found

    def define(self, name: str, text: str) -> None:
        """Have a policy be known by its name; `text` is YAML or JSON."""
        self._link.ask("PUT", f"/api/v1/policies/{quote(name, safe='')}", {"text": text})

    def undefine(self, name: str) -> None:
        """Have a policy that was defined be known no more; proxies that use it keep it. Raises ControlError."""
        self._link.ask("DELETE", f"/api/v1/policies/{quote(name, safe='')}")

    def validate(self, text: str) -> list[Json]:
        """Return all that is wrong with a text, a policy or a config; nothing: it is right."""
        found: list[Json] = self._link.ask("POST", "/api/v1/validate", {"text": text})["mistakes"]
        return found

    # ---- flows

    def flows(self, proxy: str | None = None) -> Iterator[Json]:
        """Yield the open flows, of one proxy or of all, each as `{"proxy": NAME, "state": {…}}`."""
        after = None
        while True:
            page = self._link.ask("GET", "/api/v1/flows", query={"proxy": proxy, "after": after, "limit": 1000})
            yield from page["flows"]
            after = page["next"]
            if after is None:
                return

    def flow(self, proxy: str, number: int) -> Json:
        """Return one flow with `state`, `evidence` and `facts`; its state is None once it is closed."""
        return self._link.ask("GET", f"/api/v1/flows/{quote(proxy, safe='')}/{number}")

    def kill(
        self,
        how: How = "reset",
        *,
        proxy: str | None = None,
        flows: Sequence[int] | None = None,
        client: str | None = None,
    ) -> int:
        """End flows, all or a selection; return how many. `client` is an address or a network."""
        sent: Json = {"how": how, "proxy": proxy, "client": client}
        sent["flows"] = None if flows is None else list(flows)
        sent = {key: value for key, value in sent.items() if value is not None}
        return int(self._link.ask("POST", "/api/v1/flows/kill", sent)["killed"])

    # ---- facts

    def last(self) -> int:
        """Return the number of the newest fact."""
        return self._link.last()

    def facts(
        self,
        *,
        after: int | None = None,
        proxy: str | None = None,
        flow: int | None = None,
        fact: str | None = None,
    ) -> Iterator[Json]:
        """Yield facts that are not forgotten yet, each as a line of the journal with its `number`."""
        while True:
            query = {"after": after, "proxy": proxy, "flow": flow, "fact": fact, "limit": 1000}
            page = self._link.ask("GET", "/api/v1/facts", query=query)
            yield from page["facts"]
            after = page["next"]
            if after is None:
                return

    def follow(
        self,
        *,
        after: int | None = None,
        proxy: str | None = None,
        flow: int | None = None,
        fact: str | None = None,
    ) -> Iterator[Json]:
        """Yield facts as they come, until the run ends; `{"missed": N}` stands for N that were lost to slowness."""
        return self._link.follow({"after": after, "proxy": proxy, "flow": flow, "fact": fact})

    # ---- waits

    def wait_fired(self, rule: str, *, proxy: str | None = None, times: int = 1, within: float = _GOES_BY) -> Json:
        """Wait until a policy, or a rule `POLICY/RULE`, has fired so often since it was applied.

        Raises NotMetError if it has not within so many seconds.
        """
        return self._wait({"fired": {"rule": rule, "proxy": proxy, "times": times}}, within)

    def wait_flows(
        self,
        at_least: int | None = None,
        *,
        at_most: int | None = None,
        proxy: str | None = None,
        within: float = _GOES_BY,
    ) -> Json:
        """Wait until so many flows are open; raises NotMetError if they are not within so many seconds."""
        return self._wait({"flows": {"proxy": proxy, "at_least": at_least, "at_most": at_most}}, within)

    def wait_fact(
        self,
        fact: str,
        *,
        proxy: str | None = None,
        flow: int | None = None,
        times: int = 1,
        after: int | None = None,
        within: float = _GOES_BY,
        having: Mapping[str, Value | None] | None = None,
        **fields: Value | None,
    ) -> Json:
        """Wait until a fact has come whose fields are as `fields` and `having` say; return it.

        `fact` may name several, with commas between them. Those behind the number `after` count, too.
        Raises NotMetError if none has within so many seconds.
        """
        asked: Json = {"fact": fact, "proxy": proxy, "flow": flow, "times": times, "after": after}
        asked["having"] = dict(having or {}) | fields
        told: Json = self._wait({"fact": asked}, within)["fact"]
        return told

    def effect(self, rule: str, *, proxy: str | None = None, after: int | None = None, within: float = 0.0) -> Effect:
        """Return what a policy, or a rule `POLICY/RULE`, has done; wait up to so many seconds until it is effective.

        Since this client has applied it last; where it has not, all facts count that are not forgotten.
        `after`: what has begun behind this number counts, instead.
        """
        policy = rule.partition("/")[0]
        if after is None:
            after = self._link.applied(policy, proxy)
        over = time.monotonic() + within
        while True:
            facts = list(self.facts(after=after, proxy=proxy, fact=TELLING))
            told = effect(facts, rule, None if after is None else [(after, None)])
            left = over - time.monotonic()
            if told.effective or left <= 0:
                return told
            newest = facts[-1]["number"] if facts else after or 0
            with contextlib.suppress(NotMetError):
                self.wait_fact(TELLING, proxy=proxy, after=newest, within=left)

    def _wait(self, what: Mapping[str, Mapping[str, object]], within: float) -> Json:
        sent = {name: {key: value for key, value in part.items() if value is not None} for name, part in what.items()}
        told = self._link.ask("POST", "/api/v1/wait", sent | {"within": written(within)}, longer=within)
        if not told["met"]:
            raise NotMetError(f"not met within {within:g} s: {json.dumps(sent)}, there were {told['count']}")
        return told
