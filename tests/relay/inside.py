"""Proxies in the test's own process and reactor; their peers block, so they live in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.relay.peers import HANG
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from twisted.internet.task import deferLater

from bustedwall.policy.address import Address
from bustedwall.policy.load import ProxySetup
from bustedwall.policy.rules import Rule
from bustedwall.relay.service import DataPlane, Proxy
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


class FakeResolver:
    """Answers every name with these addresses, at once or when it is told to."""

    def __init__(self, *addresses: IAddress, at_once: bool = True) -> None:
        self._addresses = addresses
        self._at_once = at_once
        self._waiting: list[IResolutionReceiver] = []
        self.asked: list[tuple[str, int]] = []

    def resolveHostName(  # noqa: N802 (Twisted's name)
        self, receiver: IResolutionReceiver, name: str, port: int = 0, *_: object, **__: object
    ) -> IHostResolution | None:
        self.asked.append((name, port))
        self._waiting.append(receiver)
        if self._at_once:
            self.answer()
        return None

    def answer(self) -> None:
        """Answer all questions so far."""
        while self._waiting:
            receiver = self._waiting.pop(0)
            for address in self._addresses:
                receiver.addressResolved(address)
            receiver.resolutionComplete()


@contextmanager
def relaying(
    upstream: Address,
    resolver: FakeResolver | None = None,
    version: int = 4,
    rules: tuple[Rule, ...] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[tuple[Proxy, Records]]:
    """Run a proxy, without rules unless some are given; everything is given back in the end."""
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    records = Records()
    before = reactor.nameResolver
    if resolver is not None:
        reactor.installNameResolver(resolver)
    plane = DataPlane(reactor)
    host = {4: "127.0.0.1", 6: "::1"}[version]
    setup = ProxySetup("proxy", Address(host, 0), upstream, rules, limits=limits)
    proxy = Proxy(plane, setup, dice=Dice.seeded(0), record=records, verbose=True)
    try:
        proxy.startService()
        yield proxy, records
    finally:
        proxy.stopService()
        plane.close()
        reactor.installNameResolver(before)


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
