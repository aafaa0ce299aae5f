"""The proxies of one test, from the first to the verdict."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from hashlib import blake2b

import pytest

from bustedwall.child.process import Process
from bustedwall.client import ControlError, Json, NotMetError
from bustedwall.client.effect import EVIDENCE, PROVEN
from bustedwall.plugin.marks import Case
from bustedwall.plugin.timeline import timeline
from bustedwall.plugin.verdict import complaints, waiting
from bustedwall.plugin.wall import KEPT, Wall

_NAME = 40
"""Characters of a test's name that are in its proxies'."""


class Walls:
    """The fixture `bustedwall`: makes proxies for one test."""

    def __init__(self, process: Callable[[], Process], test: str, case: Case | None) -> None:
        self._process = process
        self._case = case
        # The same in each run, because draws are named by it; of this test alone, because flows are counted by it.
        plain = re.sub(r"[^A-Za-z0-9]+", "-", test.rpartition("::")[2])[:_NAME].strip("-")
        self._name = f"{plain}-{blake2b(test.encode(), digest_size=3).hexdigest()}"
        self.made: list[Wall] = []
        """In their order."""

    def proxy(self, upstream: str | tuple[str, int], *, turns: bool = False) -> Wall:
        """Return a new proxy before `HOST:PORT`, with the policy of the test's mark; it is gone when the test ends.

        `turns`: it tells which turns of clients the server has seen.
        """
        where = upstream if isinstance(upstream, str) else _written(*upstream)
        wall = Wall(self._process(), f"{self._name}.{len(self.made) + 1}", where, turns=turns)
        self.made.append(wall)
        if self._case is not None:
            self._use(wall, self._case)
        return wall

    def _use(self, wall: Wall, case: Case) -> None:
        try:
            wall.use(case.policy, case.values, may_not_fire=case.may_not_fire)
        except ControlError as error:
            if case.of_family and error.unable:
                pytest.skip(str(error))
            raise

    def complaints(self) -> list[str]:
        """Heal all; return what is to be said of policies that had no effect."""
        asked = [one for wall in self.made for one in wall.asked]
        for wall in self.made:
            wall.heal()
        over = time.monotonic() + PROVEN
        facts = self._facts()
        while waiting(asked, facts) and (left := over - time.monotonic()) > 0:
            with contextlib.suppress(NotMetError), self.made[0].process.client() as client:
                client.wait_fact(EVIDENCE, after=facts[-1]["number"], within=left)
            facts = self._facts()
        said = list(complaints(asked, facts))
        if said and any(wall.forgotten() for wall in self.made):
            said.append(f"more than {KEPT:,} facts have come, and the first are forgotten: this may be why")
        return said

    def story(self) -> str:
        """Return what has happened, for whoever reads why the test has failed."""
        try:
            said = [line for wall in self.made for line in (f"{wall.name}:", *timeline(wall.facts()))]
        except (OSError, ControlError) as error:
            return f"the proxies cannot be asked any more: {error}\n{self.made[0].process.said()}"
        return "\n".join(said)

    def end(self) -> None:
        """Have none of them any more."""
        for wall in self.made:
            wall.delete()

    def _facts(self) -> list[Json]:
        return sorted((fact for wall in self.made for fact in wall.facts()), key=lambda fact: int(fact["number"]))


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
