"""Where a proxy's flows go, and from which address; a name is asked for while flows want to know."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from bustedwall.kernel.sockets import outgoing
from bustedwall.policy.address import Address
from bustedwall.relay.alarm import Alarm
from bustedwall.relay.names import Names, Target, literal

MOST_TARGETS = 16
"""Addresses of a name that are tried; each is a connect, and a fact where it fails."""

PATIENCE = 30.0
"""Seconds for a name: what resolv.conf grants by default, two tries of 5 s with each of three servers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Where to connect."""

    targets: Sequence[Target] = ()
    why: str = ""
    """Why there is no target."""
    left_out: int = 0
    """How many addresses more the name has."""


class Asker(Protocol):
    """Who wants to know where to connect."""

    def answered(self, answer: Answer) -> None:
        """Take the answer; called once at most, and hardly ever after the asker has withdrawn."""


class NoSuchSourceError(OSError):
    """The address that flows are to come from is not one of this machine."""


def check_source(source: str | None) -> None:
    """Raise NoSuchSourceError if flows cannot come from an address."""
    if source is None:
        return
    target = literal(source, 0)
    if target is None:
        raise NoSuchSourceError(errno.ENODEV, "No such interface")
    try:
        outgoing(target[0], target[1]).close()
    except OSError as error:
        raise NoSuchSourceError(error.errno, error.strerror) from None


class Upstream:
    """Where a proxy's flows go.

    Flows that come while a name is asked for share the answer; the next one has it asked anew. So a
    resolver that hangs has one question of this upstream, and the flows wait, but not for ever.
    """

    def __init__(
        self, names: Names, clock: Alarm, address: Address, source: str | None, mss: int | None = None
    ) -> None:
        self.address = address
        self.source = None if source is None else literal(source, 0)
        """Where our end of the connection is."""
        self.mss = mss
        """The longest segment of the connection; None: as the path allows."""
        self._names = names
        self._clock = clock
        self.alarm: float | None = None
        target = literal(address.host, address.port)
        self._literal = None if target is None else Answer((target,))
        self._askers: dict[Asker, None] = {}
        self._asked = 0
        """The number of the question that is open; an answer to an older one is too late."""
        self._since: float | None = None
        """When it was asked; None: none is open."""

    def ask(self, asker: Asker) -> Answer | None:
        """Return where to connect; None where the asker has been told, or will be."""
        if self._literal is not None:
            return self._literal
        self._askers[asker] = None
        now = self._clock.now()
        if self._since is None or now >= self._since + PATIENCE:
            self._asked += 1
            self._since = now
            self._names.ask(self.address.host, self.address.port, partial(self._found, self._asked))
        if self._askers:
            self._clock.set(self, self._since + PATIENCE)
        return None

    def withdraw(self, asker: Asker) -> None:
        """Tell an asker nothing any more. The question stays open, for those that come."""
        if asker in self._askers:
            del self._askers[asker]
            if not self._askers:
                self._clock.set(self, None)

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Wait for the resolver no longer."""
        self._since = None
        self._tell(Answer(why=f"the resolver has not answered for {PATIENCE:g} s"))

    def on_failure(self) -> None:
        """Go on after a bug, which has been logged: an asker that has failed was ended."""

    def _found(self, asked: int, targets: Sequence[Target], why: str) -> None:
        if asked == self._asked and self._since is not None:
            self._since = None
            left_out = max(0, len(targets) - MOST_TARGETS)
            self._tell(Answer(targets[:MOST_TARGETS], "" if targets else why, left_out))

    def _tell(self, answer: Answer) -> None:
        self._clock.set(self, None)
        askers, self._askers = self._askers, {}
        for asker in askers:
            asker.answered(answer)
