"""One direction of a flow: stages, then the gate.

    source leg ──> stage ──> stage ──> (queue) gate ──> the other leg
                   armed 1st  armed 2nd

The gate is where bytes are counted and cut. An offset that a rule waits for is an *edge*: the gate
lets out exactly as many bytes as lead to it and pauses there until our kernel has accepted them and
the rule's immediate steps are done. What came out of the stages meanwhile waits in the queue.

Two rules that experiments forced. A new stage is entered at the exit end, so what is already inside
is never overtaken. And what waits in the queue, the rest of a cut chunk, has left the older stages:
it passes the new stage only; 160 of 3,000 random runs lost or reordered bytes otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum

from bustedwall.faults.fault import NO_LIMIT, Stage
from bustedwall.terms.items import Bytes, Item, Rst
from bustedwall.terms.leg import Leg
from bustedwall.terms.passage import OPEN_ROAD, SHUT_ROAD, WATCHED_ROAD, Passage

_NO_QUEUE: deque[Item] = deque()
"""Shared by all directions that nothing has entered: a deque is 600 bytes, and most flows are idle."""


class Pause(Enum):
    """Why a gate is shut for the moment; each ends with a `Flushed`."""

    EDGE = "edge"
    """The bytes up to an edge are on their way into our kernel."""
    ENDING = "ending"
    """A RST waits for the bytes before it to be sent."""


class Direction:
    """The items of one source leg, on their way to the other leg."""

    __slots__ = ("closed", "edges", "ending", "passed", "pause", "queue", "source", "stages", "until")

    def __init__(self, source: Leg) -> None:
        self.source = source
        self.stages: list[Stage] = []
        self.queue = _NO_QUEUE
        """What has left the stages and not yet the gate; empty unless the gate is paused."""
        self.passed = 0
        """Bytes that have left the gate."""
        self.edges: list[int] = []
        """Offsets above `passed` that rules wait for, ascending."""
        self.pause: Pause | None = None
        self.ending: Rst | None = None
        """The RST that waits at the gate: past all stages, and no stage that comes later can hold it."""
        self.until: float | None = None
        """When a pause for an ending is over, whether or not all was sent."""
        self.closed = False
        """Nothing follows the ending that was fed; whatever else arrives is thrown away."""

    def feed(self, item: Item, now: float, at: int = 0) -> None:
        """Send an item through the stages from the one numbered `at`; what comes out is queued."""
        items: Iterable[Item] = (item,)
        for stage in self.stages[at:]:
            passed: list[Item] = []
            for each in items:
                passed += stage.feed(each, now)
            items = passed
        if self.queue is _NO_QUEUE:
            self.queue = deque()
        self.queue.extend(items)

    def enter(self, stage: Stage, now: float) -> None:
        """Put a new stage at the exit end."""
        self.stages.append(stage)
        waiting = tuple(self.queue)
        self.queue.clear()
        for item in waiting:
            self.feed(item, now, len(self.stages) - 1)

    def leave(self, stage: Stage, now: float) -> None:
        """Take a stage out; what it held goes on through the younger stages, in order."""
        at = self.stages.index(stage)
        held = list(stage.drain())
        del self.stages[at]
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

    def cut(self, item: Bytes) -> bytes:
        """Return what of the bytes may leave now; the rest, beyond an edge, is put back."""
        if not self.edges or self.passed + len(item.data) <= self.edges[0]:
            return item.data
        room = self.edges[0] - self.passed
        self.queue.appendleft(Bytes(item.data[room:]))
        return item.data[:room]

    def count(self, passed: int) -> bool:
        """Count bytes that have left; tell whether they reach an edge."""
        self.passed += passed
        return bool(self.edges) and self.passed >= self.edges[0]

    def passage(self) -> Passage:
        """Return how the relay may read the source now."""
        if self.closed or self.pause is not None:
            return SHUT_ROAD
        if self.stages:
            room = NO_LIMIT
            for stage in self.stages:
                room = min(room, stage.room())
            return WATCHED_ROAD if room == NO_LIMIT else Passage(look=True, credit=max(0, room))
        if self.edges:
            return Passage(look=False, credit=self.edges[0] - self.passed)
        return OPEN_ROAD

    def clear(self) -> int:
        """Throw away what waits at the gate; return how many bytes that were."""
        lost = sum(len(item.data) for item in self.queue if isinstance(item, Bytes))
        self.queue.clear()
        return lost
