"""A policy that is to go by itself, where it cannot be taken away when its time has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock

from bustedwall.control.live import Live
from bustedwall.policy.address import Address
from bustedwall.policy.missing import AS_WRITTEN
from bustedwall.policy.setup import Config, ProxySetup
from bustedwall.record.recent import Recent
from bustedwall.relay.wall import CannotStartError
from bustedwall.terms.facts import ControlChanged, Fact


class FakeWall:
    """Has one proxy, and refuses to change it for as long as it is told to."""

    def __init__(self) -> None:
        self.reactor = Clock()
        self.setups: tuple[ProxySetup, ...] = (ProxySetup("web", Address("127.0.0.1", 0), Address("x", 1), ()),)
        self.proxies = self.leaving = ()
        self.refuses = False

    def change(self, setups: Sequence[ProxySetup], drain: float) -> None:
        if self.refuses:
            raise CannotStartError(setups[0], OSError(99, "Cannot assign requested address"))
        self.setups = tuple(setups)


def test_it_is_tried_again_until_it_goes() -> None:
    wall, told = FakeWall(), list[Fact]()
    fake: Any = wall
    live = Live(
        fake,
        Recent(),
        config=lambda: Config(AS_WRITTEN, None, ()),
        running=lambda: True,
        record=lambda _, fact: told.append(fact),
        drain=0.0,
    )
    live.apply("web", "slow-link", {}, span=10.0, flow=None, who="me")
    wall.reactor.advance(9.9)
    assert live.ends_in("web", wall.setups[0].policies[0]) == 0.1
    wall.refuses = True
    wall.reactor.pump([0.1, 1.0, 1.0])
    assert [policy.name for policy in wall.setups[0].policies] == ["slow-link"]
    wall.refuses = False
    wall.reactor.advance(1.0)
    assert wall.setups[0].policies == ()
    assert told == [ControlChanged("policy_ended", "slow-link", "me")]
    assert not wall.reactor.getDelayedCalls()
