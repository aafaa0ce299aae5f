"""One direction of a flow: stages, then the gate.

    source leg ──> stage ──> stage ──> (queue) gate ──> the other leg
                   armed 1st  armed 2nd

The gate is where bytes are counted, watched and cut. An offset that somebody waits for is an *edge*:
the gate lets out exactly as many bytes as lead to it and pauses there until our kernel has accepted
them and the rule's immediate steps are done. What came out of the stages meanwhile waits in the queue.

Two rules that experiments forced. A new stage is entered at the exit end, so what is already inside
is never overtaken. And what waits in the queue, the rest of a cut chunk, has left the older stages:
it passes the new stage only; 160 of 3,000 random runs lost or reordered bytes otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum

from bustedwall.faults.fault import NO_LIMIT, Stage
from bustedwall.faults.holding import weight
from bustedwall.flow.waiter import Waiter
from bustedwall.terms.commands import Depth, Flush
from bustedwall.terms.endings import Ending
from bustedwall.terms.facts import Fact
from bustedwall.terms.items import Bytes, Item
from bustedwall.terms.leg import Leg
from bustedwall.terms.passage import OPEN_ROAD, SHUT_ROAD, WATCHED_ROAD, Passage

_NO_QUEUE: deque[Item] = deque()
"""Shared by all directions that nothing has entered: a deque is 600 bytes, and most flows are idle."""


class Pause(Enum):
    """Why a gate is shut for the moment; each ends with a `Flushed`."""

    EDGE = "edge"
    """The bytes up to an edge are on their way into our kernel."""
    ENDING = "ending"
    """An ending waits for the bytes before it."""
    COUNT = "count"
    """What the relay had taken on its own is on its way into our kernel; then it is known how much has passed."""


class Direction:
    """The items of one source leg, on their way to the other leg."""

    __slots__ = (
        "cause",
        "closed",
        "ending",
        "finished",
        "flushing",
        "load",
        "passed",
        "pause",
        "queue",
        "queued",
        "source",
        "stages",
        "turns",
        "until",
        "waiters",
    )

    def __init__(self, source: Leg, passed: int = 0) -> None:
        self.source = source
        self.stages: tuple[Stage, ...] = ()
        self.queue = _NO_QUEUE
        """What has left the stages and not yet the gate; empty unless the gate is paused."""
        self.queued = 0
        """What waits there costs."""
        self.load = 0
        """What all that is held costs, as it was reckoned last."""
        self.passed = passed
        """Bytes that have left the gate."""
        self.turns = 0
        """How often this side has begun to speak, since somebody listens."""
        self.waiters: tuple[Waiter, ...] = ()
        self.pause: Pause | None = None
        self.flushing: Depth | None = None
        """The answer that ends the pause; one to an older question does not."""
        self.ending: Ending | None = None
        """The ending that waits at the gate: no stage that comes later can hold it."""
        self.cause = ""
        """Whose ending it is."""
        self.until: float | None = None
        """When a pause for an ending is over, whether or not all was sent."""
        self.closed = False
        """Nothing more goes in or out; whatever else arrives is thrown away."""
        self.finished = False
        """The source's FIN has left the gate."""

    # ---- stages

    def feed(self, item: Item, now: float, at: int = 0) -> None:
        """Send an item through the stages from the one numbered `at`; what comes out is queued."""
        if self.queue is _NO_QUEUE:
            self.queue = deque()
        items: Iterable[Item] = (item,)
        for stage in self.stages[at:]:
            passed: list[Item] = []
            for each in items:
                passed += stage.feed(each, now)
            items = passed
        for each in items:
            self.queue.append(each)
            self.queued += weight(each)

    def take(self) -> Item:
        """Take the first item out of the queue."""
        item = self.queue.popleft()
        self.queued -= weight(item)
        return item

    def put_back(self, item: Item) -> None:
        """Put an item before all others in the queue."""
        if self.queue is _NO_QUEUE:
            self.queue = deque()
        self.queue.appendleft(item)
        self.queued += weight(item)

    @property
    def holds_up(self) -> bool:
        """Tell whether an item that comes now may have to wait."""
        return bool(self.stages or self.queue) or self.pause is not None

    @property
    def untouched(self) -> bool:
        """Tell whether bytes pass as if there were no gate, and nobody waits at it."""
        return not (self.holds_up or self.waiters or self.load or self.closed or self.finished)

    def weight(self) -> int:
        """Return what is held costs, in stages and at the gate."""
        return self.queued + sum([stage.weight() for stage in self.stages])

    def enter(self, stage: Stage, now: float) -> None:
        """Put a new stage at the exit end."""
        self.stages += (stage,)
        waiting = tuple(self.queue)
        if not waiting:
            return
        self.queue.clear()
        self.queued = 0
        for item in waiting:
            self.feed(item, now, len(self.stages) - 1)
        taken = _size(waiting) - _size(self.queue) - stage.held()
        for waiter in self.waiters:
            if waiter.watch is not None:
                waiter.watch.shift(self.passed, taken)

    def leave(self, stage: Stage, now: float) -> None:
        """Take a stage out; what it held goes on through the younger stages, in order."""
        at = self.stages.index(stage)
        held = list(stage.drain())
        self.stages = (*self.stages[:at], *self.stages[at + 1 :])
        for item in held:
            self.feed(item, now, at)

    def release(self, now: float) -> None:
        """Let the stages give up what is due."""
        for at, stage in enumerate(self.stages):
            for item in stage.release(now):
                self.feed(item, now, at + 1)

    def due(self) -> float | None:
        """Return when `release` or the end of a pause is next due, or None."""
        earliest = self.until
        for stage in self.stages:
            due = stage.due()
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    # ---- the gate

    def look(self, data: bytes) -> list[Fact]:
        """Look for what is waited for in bytes at the gate; return what to say of who will not find it there.

        Only the nearest match becomes an edge. What lies beyond an edge is looked at again when it is
        there: a fault that is armed meanwhile may have changed it.
        """
        nearest, found, blind = self.edge, [], []
        for waiter in self.waiters:
            watch = waiter.watch
            if watch is None or waiter.edge is not None:
                continue
            if watch.blind(self.passed, data):
                blind.append(watch.why(waiter.rule.name, self.source))
            match = watch.look(self.passed, data)
            if match is not None:
                edge, end = match
                found.append((edge, end, waiter, watch))
                nearest = edge if nearest is None else min(nearest, edge)
        for edge, end, waiter, watch in found:
            if edge == nearest:
                waiter.edge = edge
                watch.skip(end)
        return blind

    def speak(self) -> None:
        """Begin a turn of this side; who waits for it has its moment before the next byte."""
        self.turns += 1
        for waiter in self.waiters:
            if waiter.turn == self.turns:
                waiter.edge = self.passed

    @property
    def edge(self) -> int | None:
        """The nearest offset at which the gate has to stop."""
        nearest = None
        for waiter in self.waiters:
            if waiter.edge is not None and (nearest is None or waiter.edge < nearest):
                nearest = waiter.edge
        return nearest

    def cut(self, item: Bytes) -> bytes:
        """Return what of the bytes may leave now, perhaps nothing; the rest, beyond an edge, is put back."""
        edge = self.edge
        if edge is None or self.passed + len(item.data) <= edge:
            return item.data
        room = edge - self.passed
        self.put_back(Bytes(item.data[room:]) if room else item)
        return item.data[:room]

    def wait(self, why: Pause, depth: Depth) -> Flush:
        """Pause the gate; return the question whose answer ends the pause."""
        self.pause, self.flushing = why, depth
        return Flush(self.source.other, depth)

    def let_through(self, data: bytes) -> None:
        """Count bytes that have left the gate."""
        self.passed += len(data)
        for waiter in self.waiters:
            if waiter.watch is not None:
                waiter.watch.keep(data)

    def inject(self, data: bytes) -> None:
        """Count bytes of ours that pass now; what is waited for at the gate lies so much further on."""
        for waiter in self.waiters:
            if waiter.edge is not None:
                waiter.edge += len(data)
            if waiter.watch is not None:
                waiter.watch.shift(self.passed, -len(data))
        self.let_through(data)

    def at_edge(self) -> bool:
        """Tell whether the gate stands at an edge."""
        edge = self.edge
        return edge is not None and self.passed >= edge

    def reached(self) -> list[Waiter]:
        """Take out those whose offset has come."""
        here = [waiter for waiter in self.waiters if waiter.edge is not None and waiter.edge <= self.passed]
        for waiter in here:
            assert waiter.edge == self.passed, f"{self.passed} bytes passed where an edge was at {waiter.edge}"
        self.waiters = tuple(waiter for waiter in self.waiters if waiter not in here)
        return here

    def passage(self, most: int) -> Passage:
        """Return how the relay may read the source now, where it may hold so much at most."""
        if self.pause is not None:
            return SHUT_ROAD
        if self.closed:
            return OPEN_ROAD  # ended from our side: the relay reads and throws away
        room, look, edge = NO_LIMIT, bool(self.stages), None
        if look:
            room = most - self.load
            for stage in self.stages:
                room = min(room, stage.room())
        for waiter in self.waiters:
            if waiter.edge is None:
                look = True
            elif edge is None or waiter.edge < edge:
                edge = waiter.edge
        if look:
            return WATCHED_ROAD if room == NO_LIMIT else Passage(look=True, credit=max(0, room))
        return OPEN_ROAD if edge is None else Passage(look=False, credit=edge - self.passed)

    def close(self) -> int:
        """Let nothing more out; return how many bytes are lost that were held."""
        self.closed = True
        return self.clear() + sum(_size(stage.drain()) for stage in self.stages)

    def cut_off(self) -> int:
        """Let nothing more out, because there is nobody to get it; return how many bytes are lost."""
        self.pause = self.until = self.flushing = None
        return self.close()

    def clear(self) -> int:
        """Throw away what waits at the gate; return how many bytes that were."""
        if not self.queue:
            return 0  # and leave the shared one alone
        lost = _size(self.queue)
        self.queue.clear()
        self.queued = 0
        return lost

    def held(self) -> int:
        """Return how many bytes are held, in stages and at the gate."""
        return _size(self.queue) + sum(stage.held() for stage in self.stages)


def _size(items: Iterable[Item]) -> int:
    return sum(len(item.data) for item in items if isinstance(item, Bytes))
