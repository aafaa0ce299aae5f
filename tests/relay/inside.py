"""Proxies in the test's own process and reactor; their peers block, so they live in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.relay.peers import HANG
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bustedwall.policy.address import Address
from bustedwall.policy.rules import Rule
from bustedwall.policy.setup import ProxySetup
from bustedwall.relay.names import Tell, literal
from bustedwall.relay.plane import DataPlane
from bustedwall.relay.service import Proxy
from bustedwall.terms.dice import Dice
from bustedwall.terms.facts import Fact
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits


class Records:
    """Keeps facts, by flow."""

    def __init__(self) -> None:
        self.facts: list[tuple[int | None, Fact]] = []
        self.watch: Callable[[Fact], None] = lambda _: None
        """Called at the moment when a fact is recorded."""

    def __call__(self, proxy: str, flow: int | None, fact: Fact) -> None:
        self.facts.append((flow, fact))
        self.watch(fact)

    def of(self, flow: int) -> list[Fact]:
        """Return the facts of one flow."""
        return [fact for number, fact in self.facts if number == flow]

    def count(self, kind: type[Fact]) -> int:
        """Return how many facts of a kind there are."""
        return sum(isinstance(fact, kind) for _, fact in self.facts)


class FakeNames:
    """Answers every name with these addresses, at once or when it is told to."""

    def __init__(self, *addresses: tuple[str, int], at_once: bool = True) -> None:
        self.addresses = addresses
        self._at_once = at_once
        self._waiting: list[Tell] = []
        self.asked: list[tuple[str, int]] = []

    def ask(self, host: str, port: int, tell: Tell) -> None:
        self.asked.append((host, port))
        self._waiting.append(tell)
        if self._at_once:
            self.answer()

    def answer(self) -> None:
        """Answer all questions so far."""
        waiting, self._waiting = self._waiting, []
        targets = [target for host, port in self.addresses if (target := literal(host, port))]
        for tell in waiting:
            tell(targets, "host name not found")


@contextmanager
def relaying(
    upstream: Address,
    names: FakeNames | None = None,
    version: int = 4,
    rules: tuple[Rule, ...] = (),
    source: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[tuple[Proxy, Records]]:
    """Run a proxy, without rules unless some are given; everything is given back in the end."""
    host = {4: "127.0.0.1", 6: "::1"}[version]
    setup = ProxySetup("proxy", Address(host, 0), upstream, rules, source=source, limits=limits)
    with relaying_all([setup], names) as (one,):
        yield one


@contextmanager
def relaying_all(setups: Sequence[ProxySetup], names: FakeNames | None = None) -> Iterator[list[tuple[Proxy, Records]]]:
    """Run several proxies side by side."""
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    records = [Records() for _ in setups]
    plane = DataPlane(reactor, setups[0].limits, names, partial(records[0], "", None))
    found = [
        (Proxy(plane, setup, dice=Dice.seeded(0), record=own, verbose=True), own)
        for setup, own in zip(setups, records, strict=True)
    ]
    try:
        for proxy, _ in found:
            proxy.startService()
        yield found
    finally:
        for proxy, _ in found:
            proxy.stopService()
        plane.close()


async def so(condition: Callable[[], object], what: str) -> None:
    """Wait, in the reactor, until the condition is true."""
    from twisted.internet import reactor  # noqa: PLC0415 (as above)

    deadline = reactor.seconds() + HANG
    while not condition():
        assert reactor.seconds() < deadline, f"still not so after {HANG} s: {what}"
        pause: Deferred[None] = deferLater(reactor, 0.002)
        await pause


def descriptors() -> list[str]:
    """Return what this process has open."""
    links = []
    for fd in list(Path("/proc/self/fd").iterdir()):
        try:
            links.append(str(fd.readlink()))
        except FileNotFoundError:
            continue  # the one that listed them
    return sorted(links)
