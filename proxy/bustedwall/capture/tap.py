"""A tap: captures the flows of one proxy in a thread of its own, so that no flow waits for a disk.

The kernel puts packets into a ring, the thread takes them out when there is a block of them; no byte of a flow
passes here. What the proxy knows of a flow comes as a request: it began, it dialled, it is closed. Requests and
packets are taken in the order of their times: of two flows between the same ends each has its own packets.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from twisted.logger import Logger

from bustedwall.capture.file import CaptureFile
from bustedwall.capture.packet import Where, ends
from bustedwall.capture.sorting import FlowCapture, Sorting
from bustedwall.kernel.endings import errno_name
from bustedwall.kernel.packets import RETIRE, Ring
from bustedwall.terms.facts import Captured, CaptureDropped, CaptureTroubled, Fact
from bustedwall.terms.packet import Packet

LINGER = 1.0
"""Seconds after a flow's end in which its packets are kept: FINs, RSTs, answers of TIME-WAIT."""

_SETTLE = 3 * RETIRE
"""Seconds in which we are handed what has come by now."""

_LOOK = 0.1
"""Seconds between two looks at what is to be written."""

_MOST_HELD = 8 << 20
"""Bytes that may wait for the next look; where there are more it comes at once."""

_BREATH = 64
"""Packets after which others may have Python's lock: some 100 us."""

_MOST_ASKED = 1 << 16
"""Requests that may wait; then no further flow is captured."""

_BEHIND = "too slow"

log = Logger()

Request = tuple[int, float, Callable[[float], None]]
"""When it was made, as packets are stamped and by the clock that is never set; and what it does."""

Record = Callable[[int | None, Fact], None]
"""Where facts go: the flow's number or None, the fact."""


class Reactor(Protocol):
    """What runs a call in its own thread."""

    def callFromThread(  # noqa: N802 (Twisted's name)
        self,
        callable: Callable[..., Any],  # noqa: A002 (Twisted's name)
        *args: object,
        **kwargs: object,
    ) -> None:
        """Have it called soon."""


class Tap:
    """Captures from when it is made; raises OSError if the kernel refuses or the folder cannot be written.

    All but the thread's part is called in the reactor's thread.
    """

    def __init__(self, reactor: Reactor, name: str, folder: Path, snaplen: int, ports: list[int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        self.record: Record | None = None
        """Who is told; the proxy says it when it takes the tap."""
        self._reactor = reactor
        self._name = name
        self._folder = folder
        self._snaplen = snaplen
        self._sorting = Sorting()
        self._files: dict[FlowCapture, CaptureFile] = {}
        self._errors: dict[FlowCapture, str] = {}
        self._asked: deque[Request] = deque()
        self._facts: deque[tuple[int | None, Fact]] = deque()
        self._leaving = self._hurry = self._asleep = False
        self._lost = self._unwritten = 0
        """Packets that the kernel had no room for, and those that no file took."""
        self._told = (0, 0)
        """What was told of these."""
        self._tell_losses = self._tell_trouble = self._look = 0.0
        """When losses and troubles may be told next, and when to look at what is to be written."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._ring = Ring(ports, snaplen)
        except OSError:
            os.close(self._wake)
            raise
        self._lock = threading.Lock()
        """Held where the descriptor that wakes the thread is written or closed."""
        self._gone = False
        self._thread = threading.Thread(target=self._run, name="bustedwall-tap", daemon=True)
        self._thread.start()

    def begin(self, number: int, ours: Where, client: Where) -> bool:
        """Capture a flow from its client's first packet on, which has come already; False: it is not captured."""
        if len(self._asked) >= _MOST_ASKED or self._gone:
            self._note(number, Captured(None, 0, 0, 0, _BEHIND))
            return False
        self._ask(lambda now: self._sorting.begin(number, ends(ours, client), self._lost_so_far(), now))
        return True

    def join(self, number: int, ours: Where, upstream: Where) -> None:
        """Capture a connection to the upstream, too; its SYN has left already."""
        self._ask(lambda now: self._sorting.join(number, ends(ours, upstream), now))

    def end(self, number: int) -> None:
        """Note that a flow's sockets are closed."""
        self._ask(partial(self._sorting.end, number))

    def leave(self) -> None:
        """Take no further flow; the tap ends when those that it has are over."""
        self._leaving = True
        self._rouse()

    def wait(self, seconds: float) -> None:
        """Write what is left, as far as that is possible in time: the process ends. No flow is open any more."""
        self._leaving = self._hurry = True
        self._rouse()
        self._thread.join(seconds)
        self._tell()
        if self._thread.is_alive():
            log.warn("captures of {proxy} are not written to their end: the disk is too slow", proxy=self._name)

    @property
    def over(self) -> bool:
        """Tell whether nothing will come any more."""
        return not self._thread.is_alive()

    def _ask(self, request: Callable[[float], None]) -> None:
        self._asked.append((time.time_ns(), time.monotonic(), request))
        if self._asleep:
            self._rouse()

    def _rouse(self) -> None:
        with self._lock:
            if not self._gone:
                os.eventfd_write(self._wake, 1)

    def _tell(self) -> None:
        while self._facts:
            assert self.record is not None, "a tap without a proxy has no flow"
            self.record(*self._facts.popleft())

    # ---- the thread

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._ring.fileno(), select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            while (timeout := self._turn(time.monotonic())) is not None:
                poll.poll(timeout)
                self._asleep = False
                with suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
        except Exception:  # noqa: BLE001 (flows go on, without being captured)
            log.failure("a bug of bustedwall: {proxy} is captured no more", proxy=self._name)
        self._ring.close()
        with self._lock:
            self._gone = True
            os.close(self._wake)

    def _turn(self, now: float) -> int | None:
        """Do what there is to do; return for how many milliseconds to wait at most, None at the end."""
        leaving = self._leaving  # before the requests are looked at, so that the last ones are seen
        for block in self._ring.read():
            self._take(block, now)
        while self._asked and self._asked[0][1] <= now - _SETTLE:
            self._asked.popleft()[2](now)
        if now >= self._look:
            self._look = now + _LOOK
            self._lost = self._ring.lost()
            self._write(now)
            self._sorting.tidy(now)
            self._tell_of_losses(now, last=False)
        self._finish(now)
        if leaving and not self._sorting.flows and not self._asked:
            self._lost = self._ring.lost()
            self._tell_of_losses(now, last=True)
            return None
        if self._asked or not self._sorting.idle:
            return round(_LOOK * 1000)
        self._asleep = True
        return 0 if self._asked else -1

    def _take(self, packets: list[Packet], now: float) -> None:
        for at in range(0, len(packets), _BREATH):
            for packet in packets[at : at + _BREATH]:
                while self._asked and self._asked[0][0] <= packet.stamp:
                    self._asked.popleft()[2](now)
                self._sorting.take(packet, now)
            time.sleep(0)
        if self._sorting.held > _MOST_HELD:
            self._write(now)

    def _write(self, now: float) -> None:
        for flow, data, count in self._sorting.look():
            self._put(flow, data, count, now)

    def _put(self, flow: FlowCapture, data: bytes, count: int, now: float) -> None:
        try:
            if flow not in self._files:
                self._files[flow] = CaptureFile(self._folder, f"{self._name}-{flow.number}", self._snaplen)
            self._files[flow].append(data)
        except OSError as error:
            self._unwritten += count
            flow.lost += count
            flow.packets -= count
            self._errors[flow] = errno_name(error.errno)
            if now >= self._tell_trouble:
                self._tell_trouble = now + 1
                where = self._files[flow].path if flow in self._files else self._folder
                self._note(None, CaptureTroubled(str(where), self._errors[flow]))

    def _finish(self, now: float) -> None:
        for flow, data, count in self._sorting.finished(now - (_SETTLE if self._hurry else LINGER)):
            if count:
                self._put(flow, data, count, now)
            self._lost = self._ring.lost()
            lost = flow.lost + self._lost_so_far() - flow.lost_before
            file, error = self._files.pop(flow, None), self._errors.pop(flow, None)
            path, size = (None, 0) if file is None else (str(file.path), file.size)
            self._note(flow.number, Captured(path, flow.packets, size, lost, error))

    def _lost_so_far(self) -> int:
        return self._lost + self._sorting.lost

    def _tell_of_losses(self, now: float, *, last: bool) -> None:
        total = (self._lost, self._sorting.lost + self._unwritten)
        if total != self._told and (last or now >= self._tell_losses):
            self._tell_losses = now + 1
            kernel, here = self._told
            self._told = total
            self._note(None, CaptureDropped(total[0] - kernel, total[1] - here))

    def _note(self, flow: int | None, fact: Fact) -> None:
        self._facts.append((flow, fact))
        if len(self._facts) == 1:  # else somebody is on the way to take all of them
            self._reactor.callFromThread(self._tell)
