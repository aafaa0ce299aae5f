"""One act, played: a server, a client, and what was seen of both and of what was between them."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from bustedwall.cli.demo.acts import ANSWER, CLIENT_LIMIT, REQUEST, Act
from bustedwall.cli.demo.programs import PATIENCE, Program, Server, sent_again
from bustedwall.cli.demo.wire import evidence, wire
from bustedwall.policy.address import Address
from bustedwall.terms.facts import Fact, FaultArmed

_LOOK = 0.01


@dataclass(frozen=True, slots=True)
class Outcome:
    """An act, and what came of it."""

    cause: str
    act: Act
    cells: dict[str, tuple[str, ...]]
    """What was seen, as `Act.cells` has what must be."""
    seconds: float

    @property
    def wrong(self) -> list[str]:
        """Which cells are not what they must be."""
        expected = self.act.cells
        found = [name for name, seen in self.cells.items() if tuple(map(_uncounted, seen)) != expected[name]]
        return found + (["seconds"] if self.seconds < self.act.at_least else [])

    def as_json(self) -> dict[str, object]:
        """Return all of it as data."""
        return {
            "cause": self.cause,
            "policy": self.act.policy,
            "shows": self.act.shows,
            "ok": not self.wrong,
            "seconds": round(self.seconds, 3),
            "at_least": self.act.at_least,
            "seen": self.cells,
            "expected": self.act.cells,
        }


class Stage:
    """Where an act is played."""

    def __init__(self, cause: str, act: Act) -> None:
        self.cause = cause
        self.act = act
        self.facts: list[Fact] = []
        """What is recorded of its proxy; another thread adds to it."""
        self.server = Server(ANSWER, self._struck, act.server)

    def play(self, door: Address, clear: Callable[[], object]) -> Outcome:
        """Play it through this door; `clear` ends what is in force, so that its evidence comes."""
        began = time.monotonic()
        client = Program(REQUEST, self._struck)
        with socket.create_connection((door.host, door.port), timeout=PATIENCE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CLIENT_LIMIT)
            client.play(sock, self.act.client)
            took = time.monotonic() - began
            again = sent_again(sock)
            self.server.wait()
        clear()
        while len(evidence(tuple(self.facts))) < len(self.act.evidence) and time.monotonic() < began + PATIENCE:
            time.sleep(_LOOK)
        self.server.finish()
        told = tuple(self.facts)
        seen = (client.seen, self.server.seen, wire(told, again), evidence(told))
        return Outcome(self.cause, self.act, dict(zip(self.act.cells, map(tuple, seen), strict=True)), took)

    def _struck(self, rule: str) -> bool:
        return any(isinstance(fact, FaultArmed) and fact.rule.endswith(f"/{rule}") for fact in tuple(self.facts))


def _uncounted(words: str) -> str:
    """Write `n` for counts of segments, which differ from run to run; 0 stays 0."""
    return re.sub(r"\b[1-9][0-9]*(?= (?:arrived|sent))", "n", words)
