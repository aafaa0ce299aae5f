"""Whose packet is it? Each goes to the flow whose connection it is of, or waits until there is such a flow.

A client's handshake is over before it is accepted, and our SYN to the upstream has left before we know its
port; so packets come before their flow. They wait, within bounds.
What is kept of a flow goes to its file in the order of the stamps. Processors race each other here, and what
has waited comes late; so nothing is written before a second look has had nothing to put in front of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from bustedwall.capture.packet import Ends, ends_of, opens
from bustedwall.capture.pcap import record
from bustedwall.terms.packet import Packet

ROOM = 1 << 20
"""Bytes of packets that may wait for their flows."""

_EACH = 64
"""Packets of one connection that may."""

_COMPARED = 128
"""Bytes of a packet by which it is known again: all of its headers, numbers and times are in them."""

_PATIENCE = 60.0
"""Seconds without a further one, after which those that wait are of no flow of ours."""

_stamp = itemgetter(0)

Record = tuple[int, bytes]
"""When, and what goes to the file."""


class FlowCapture:
    """What is known of a flow's packets."""

    __slots__ = ("ended", "lines", "lost", "lost_before", "number", "packets", "records", "settled")

    def __init__(self, number: int, lost_before: int) -> None:
        self.number = number
        self.lines: list[Line] = []
        """Its connections: the client's, and one for each address of the upstream that was dialled."""
        self.records: list[Record] = []
        """What is not written yet."""
        self.settled = 0
        """How many of these have had a look already."""
        self.packets = 0
        """How many were handed out to be written."""
        self.lost = 0
        """Packets of its own that could not be written."""
        self.lost_before = lost_before
        """How many had been lost when it began, of whatever flow."""
        self.ended: float | None = None
        """When both its sockets were closed."""

    def take(self, *, everything: bool) -> tuple[bytes, int]:
        """Return what had a look already, or everything, and how many packets that is; they are here no more."""
        self.records.sort(key=_stamp)
        count = len(self.records) if everything else self.settled
        data = b"".join([each for _, each in self.records[:count]])
        del self.records[:count]
        self.settled = len(self.records)
        self.packets += count
        return data, count


class Line:
    """One connection."""

    __slots__ = ("data", "device", "ends", "flow", "lost", "records", "seen")

    def __init__(self, ends: Ends, now: float) -> None:
        self.ends = ends
        self.flow: FlowCapture | None = None
        """Whose it is; None: nobody has said so yet."""
        self.records: list[Record] = []
        """What waits for its flow."""
        self.lost = 0
        """Packets that found no room meanwhile; a loss only if it turns out to be a flow's."""
        self.seen = now
        self.device, self.data = 0, b""
        """The last packet: through which interface, and its headers."""


class Sorting:
    """The packets of one proxy. `now` is in seconds, of whatever clock."""

    def __init__(self, room: int = ROOM) -> None:
        self.held = 0
        """Bytes that wait to be written."""
        self.waiting = 0
        """Bytes that wait for a flow."""
        self.lost = 0
        """Packets that found no room to wait."""
        self._room = room
        self._lines: dict[Ends, Line] = {}
        self._strangers: dict[Line, None] = {}
        """Connections of no flow, those first that were seen first."""
        self.flows: dict[int, FlowCapture] = {}
        self._written_to: dict[FlowCapture, None] = {}
        """Flows of which something waits to be written."""
        self._ended: dict[FlowCapture, None] = {}
        """Those whose sockets are closed, in that order."""

    @property
    def idle(self) -> bool:
        """Tell whether nothing will be to do unless packets come."""
        return not (self.flows or self._strangers)

    # ---- packets

    def take(self, packet: Packet, now: float) -> None:
        """Put a packet where it belongs."""
        stamp, length, device, data = packet
        ends = ends_of(data)
        if ends is None:
            return
        line = self._lines.get(ends)
        if line is not None and line.flow is not None and line.flow.ended is not None and opens(data):
            self._let_go(line)  # its ends have met again: what begins here is of another flow
            line = None
        if line is None:
            line = self._stranger(ends, now)
        if device != line.device:
            if data[:_COMPARED] == line.data:
                return  # the same one, seen again on its way from one interface to the next, as through a bridge
            line.device = device
        line.data, line.seen = data[:_COMPARED], now
        kept = (stamp, record(stamp, length, data))
        if line.flow is not None:
            self._keep(line.flow, kept)
        elif len(line.records) < _EACH:
            line.records.append(kept)
            self.waiting += len(kept[1])
            self._make_room()
        else:
            line.lost += 1

    def _keep(self, flow: FlowCapture, kept: Record) -> None:
        flow.records.append(kept)
        self._written_to[flow] = None
        self.held += len(kept[1])

    def _stranger(self, ends: Ends, now: float) -> Line:
        line = self._lines[ends] = Line(ends, now)
        self._strangers[line] = None
        return line

    def _make_room(self) -> None:
        while self.waiting > self._room:
            line = next(iter(self._strangers))
            self.lost += len(line.records)
            self._forget(line)

    def _forget(self, line: Line) -> None:
        del self._strangers[line], self._lines[line.ends]
        self.waiting -= sum(len(each) for _, each in line.records)

    def _let_go(self, line: Line) -> None:
        assert line.flow is not None
        line.flow.lines.remove(line)
        del self._lines[line.ends]

    # ---- flows

    def begin(self, number: int, ends: Ends, lost: int, now: float) -> None:
        """Have a flow from now on; `lost`: how many packets were lost so far."""
        self.flows[number] = FlowCapture(number, lost)
        self.join(number, ends, now)

    def join(self, number: int, ends: Ends, now: float) -> None:
        """Have a connection be a flow's, with all that has waited for it."""
        flow = self.flows[number]
        line = self._lines.get(ends)
        if line is not None and line.flow is not None:
            self._let_go(line)
            line = None
        if line is None:
            line = self._stranger(ends, now)
        self._strangers.pop(line)
        self.waiting -= sum(len(each) for _, each in line.records)
        for kept in line.records:
            self._keep(flow, kept)
        self.lost += line.lost
        line.records, line.flow = [], flow
        flow.lines.append(line)

    def end(self, number: int, now: float) -> None:
        """Note that a flow's sockets are closed; what still comes is kept until `finished`."""
        flow = self.flows[number]
        flow.ended = now
        self._ended[flow] = None

    # ---- what is to be written

    def look(self) -> Iterator[tuple[FlowCapture, bytes, int]]:
        """Yield what was here at the last look already, flow by flow, and how many packets that is."""
        for flow in tuple(self._written_to):
            data, count = flow.take(everything=False)
            self.held -= len(data)
            if not flow.records:
                del self._written_to[flow]
            if count:
                yield flow, data, count

    def finished(self, before: float) -> Iterator[tuple[FlowCapture, bytes, int]]:
        """Yield flows that have ended before this moment, with the rest of them, and forget them."""
        for flow in tuple(self._ended):
            if flow.ended is None or flow.ended > before:
                return
            data, count = flow.take(everything=True)
            self.held -= len(data)
            self._written_to.pop(flow, None)
            for line in tuple(flow.lines):
                self._let_go(line)
            del self.flows[flow.number], self._ended[flow]
            yield flow, data, count

    def tidy(self, now: float) -> None:
        """Forget packets for which no flow has come."""
        for line in tuple(self._strangers):
            if line.seen + _PATIENCE <= now:
                self._forget(line)
