"""The proxy before a real server, and what its journal must prove of the policy that it was given."""

from __future__ import annotations

import json
import select
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real.servers import HANG, HOST, running

from bustedwall.faults.fault import Fault
from bustedwall.policy.load import load_use
from bustedwall.policy.rules import Arm, Rule

Fact = dict[str, Any]

LOSSES = {"drop", "blackhole"}
ENDINGS = {"reset", "close", "close_unread", "vanish"}
DOORS = {"ignore", "refuse", "backlog_full"}


@dataclass(frozen=True)
class Wall:
    """A bustedwall that listens, with the rules of its policy."""

    port: int
    rules: tuple[Rule, ...]
    journal: Path

    def facts(self, name: str = "") -> list[Fact]:
        """Return the facts of this name that it has told so far, or all of them, in order."""
        whole, _, _ = self.journal.read_text().rpartition("\n")  # the last line may be half written
        return [fact for fact in map(json.loads, whole.splitlines()) if name in ("", fact["fact"])]

    def until_fired(self, times: int = 1) -> None:
        """Wait until each rule has fired so many times: a client may end before that is told."""
        deadline = time.monotonic() + HANG
        while True:
            fired = Counter(fact["rule"] for fact in self.facts("rule-fired"))
            if all(fired[rule.name] >= times for rule in self.rules):
                return
            assert time.monotonic() < deadline, f"not every rule has fired: {self.journal.read_text()}"
            time.sleep(0.01)  # between two looks, not instead of one

    def until_struck(self) -> None:
        """Wait until each rule has been done to the client's leg: it is ended, or what is lost is being lost."""
        deadline = time.monotonic() + HANG
        while not all(map(self._struck, self.rules)):
            assert time.monotonic() < deadline, f"not every rule has struck: {self.journal.read_text()}"
            time.sleep(0.01)  # as above

    def _struck(self, rule: Rule) -> bool:
        if _first(rule).word not in ENDINGS:
            return rule.name in [fact["rule"] for fact in self.facts("fault-armed")]
        ended = self.facts("reset-sent") + self.facts("leg-closed")
        return (rule.name, "client") in [(fact["cause"], fact["leg"]) for fact in ended]

    def proved(self) -> bool:
        """Tell whether each rule has done what it is there for, as far as the kernel can prove it."""
        return all(self._proved(rule) for rule in self.rules)

    def _proved(self, rule: Rule) -> bool:
        word = _first(rule).word
        if word in LOSSES:
            proofs = [fact for fact in self.facts("loss-evidence") if f"{rule.name}: " in "".join(fact["causes"])]
            return any(map(has_lost, proofs))
        if word in ENDINGS:
            proofs = [fact for fact in self.facts("ending-evidence") if fact["cause"] == rule.name]
            return any(fact["verdict"] == "effective" for fact in proofs)
        if word in DOORS:
            return bool(self.facts("door-set")) and not self.facts("flow-accepted")
        return rule.name in [fact["rule"] for fact in self.facts("fault-armed")]


def _first(rule: Rule) -> Fault:
    return next(step.fault for step in rule.steps if isinstance(step, Arm))


def has_lost(evidence: Fact) -> bool:
    """Tell whether counters prove a loss: nothing came in, and what left had to be sent again.

    The verdict is stricter. After an outage it takes any duplicate SACK for a leak; but on a busy machine
    TCP also sends again what has just arrived, and the peer says so in the same way.
    """
    met = evidence["sent_again"] and not evidence["arrived"] and not evidence["acknowledged"]
    return evidence["verdict"] == "effective" or bool(evidence["first_sent"] and met)


@contextmanager
def wall(folder: Path, upstream: int, policy: str | None, *options: str) -> Iterator[Wall]:
    """Run bustedwall before a port; its rules must come to fire and have their effect, and it show no error."""
    rules = load_use(policy) if policy else ()
    log, journal = folder / "bustedwall.log", folder / "journal"
    command = [sys.executable, "-m", "bustedwall", "run", "--listen", f"{HOST}:0", "--upstream", f"{HOST}:{upstream}"]
    command += ["--drain", "0s", "--journal", str(journal), *options, *(["--policy", policy] if policy else [])]
    with running(command, log) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], HANG)
        line = process.stdout.readline() if ready else ""
        assert line.startswith(f"listening proxy {HOST}:"), f"{line!r} {log.read_text()}"
        started = Wall(int(line.rpartition(":")[2]), rules, journal)
        yield started
        started.until_fired()
    assert process.returncode == 0, f"bustedwall ended with {process.returncode}: {log.read_text()}"
    assert "Traceback" not in log.read_text(), log.read_text()
    # What is lost for ever is only counted when its flow ends, at the latest with the proxy.
    assert started.proved(), f"nothing proves that {policy} had an effect: {journal.read_text()}"
