"""Run a proxy with a fault that has a bug, for test_bugs.py. Arguments: the upstream, the journal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from twisted.internet import reactor

from bustedwall.cli.recording import Recording
from bustedwall.faults.fault import Damage, Fault, Shared, Stage
from bustedwall.policy.address import Address
from bustedwall.policy.rules import Arm, AtOpen, Rule
from bustedwall.policy.setup import ProxySetup
from bustedwall.record.form import Form
from bustedwall.relay.wall import Wall
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg


class Buggy(Stage):
    """Raises when it is shown `bad`, and some time after it was shown `later`."""

    def __init__(self) -> None:
        self._due: float | None = None

    def feed(self, item: Item, now: float) -> Iterable[Item]:
        if isinstance(item, Bytes) and b"bad" in item.data:
            raise ZeroDivisionError("a bug in feed")
        if isinstance(item, Bytes) and b"later" in item.data:
            self._due = now + 0.01
        return (item,)

    def release(self, now: float) -> Iterable[Item]:
        if self._due is not None and self._due <= now:
            raise ZeroDivisionError("a bug in release")
        return ()

    def due(self) -> float | None:
        return self._due


class BuggyFault(Fault):
    word = "buggy"
    value = "nothing"

    def arm(self, dice: Dice, shared: Shared) -> Damage:
        return Damage(stages={Leg.CLIENT: Buggy()})


def main(upstream: str, journal: str) -> None:
    rules = (Rule("buggy/rule", AtOpen(), (Arm(BuggyFault()),)),)
    setup = ProxySetup("buggy", Address("127.0.0.1", 0), Address.parse(upstream), rules)
    recording = Recording(reactor, Path(journal), Form.TEXT)
    recording.begin()
    wall = Wall(reactor, [setup], recording.record, seed=0, verbose=True)
    wall.startService()
    print(f"listening buggy {wall.proxies[0].address}", flush=True)  # noqa: T201
    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.run()
    recording.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
