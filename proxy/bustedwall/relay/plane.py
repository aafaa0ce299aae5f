"""What the proxies of one reactor share."""

from __future__ import annotations

from collections.abc import Callable

from bustedwall.relay.alarm import Alarm
from bustedwall.relay.doors import Doors
from bustedwall.relay.names import Names
from bustedwall.relay.poller import Poller, Reactor
from bustedwall.relay.reservoir import Reservoir
from bustedwall.relay.seats import Seats
from bustedwall.relay.tidying import Tidying
from bustedwall.relay.vigil import Vigil
from bustedwall.terms.facts import Fact
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits


class DataPlane:
    """What the proxies of one reactor share: epoll, timer, seats, what is held, the resolver, who listens where."""

    def __init__(
        self,
        reactor: Reactor,
        limits: Limits = DEFAULT_LIMITS,
        names: Names | None = None,
        record: Callable[[Fact], None] = lambda _: None,
    ) -> None:
        """`record` takes facts that are of no proxy."""
        self.poller = Poller(reactor)
        self.alarm = Alarm(self.poller)
        self.seats = Seats(limits.flows)
        self.held = Reservoir(self.poller, limits.held, record)
        self.names = names or Names(reactor)
        self.doors = Doors()
        self._tidying = Tidying(self.alarm)
        self._vigil = Vigil(self.alarm, self.held.blocked, record)

    def close(self) -> None:
        """Leave the reactor; all proxies must have been stopped."""
        self._vigil.close()
        self._tidying.close()
        self.alarm.close()
        self.poller.close()
