"""The thread of a tap: what it writes and tells, with a ring of the test's own in place of the kernel's."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.capture.packets import ACK, RST, SYN, between, seen
from tests.relay.peers import until

from bustedwall.capture import tap as module
from bustedwall.capture.pcap import header, record
from bustedwall.capture.tap import Tap
from bustedwall.terms.facts import Captured, CaptureDropped, CaptureTroubled, Fact
from bustedwall.terms.packet import Packet

DOOR, CLIENT, OURS, SERVER = (("127.0.0.1", port) for port in (8081, 40000, 50000, 8080))


class FakeRing:
    """Hands out the packets that a test has put into it."""

    def __init__(self, ports: object, snaplen: int) -> None:
        self._readable, self._written = os.pipe()
        self._packets: deque[Packet] = deque()
        self._lock = threading.Lock()
        self.dropped = 0
        self.closed = False

    def fileno(self) -> int:
        return self._readable

    def put(self, data: bytes) -> int:
        """Have a packet come by now; return its stamp."""
        with self._lock:
            stamp = time.time_ns()
            self._packets.append(seen(stamp, data))
            os.write(self._written, b".")
        return stamp

    def read(self) -> Iterator[list[Packet]]:
        with self._lock:
            packets = [*self._packets]
            self._packets.clear()
            if packets:
                os.read(self._readable, len(packets))
        yield packets

    def lost(self) -> int:
        return self.dropped

    def close(self) -> None:
        os.close(self._readable)
        os.close(self._written)
        self.closed = True


class FakeReactor:
    """Never comes to call: facts are those that are told at the end."""

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: N802, A002 (Twisted's names)
        pass


class Tapped:
    """A tap, its ring, and what it tells."""

    def __init__(self, folder: Path) -> None:
        self.facts: list[tuple[int | None, Fact]] = []
        self.tap = Tap(FakeReactor(), "web", folder, 128, [8080, 8081])
        self.tap.record = lambda flow, fact: self.facts.append((flow, fact))
        self.ring: Any = self.tap._ring

    def told(self) -> list[tuple[int | None, Fact]]:
        self.tap._tell()
        return self.facts

    def of(self, kind: type[Fact]) -> list[Any]:
        return [fact for _, fact in self.told() if isinstance(fact, kind)]


@pytest.fixture
def tapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tapped]:
    monkeypatch.setattr(module, "Ring", FakeRing)
    for name, seconds in (("LINGER", 0.05), ("_SETTLE", 0.02), ("_LOOK", 0.01)):
        monkeypatch.setattr(module, name, seconds)  # the kernel hands out nothing later than it should here
    made = Tapped(tmp_path / "captures")
    yield made
    made.tap.wait(10)
    assert made.tap.over
    assert made.ring.closed


def test_a_flow_is_written_and_told_when_the_process_ends(tapped: Tapped, tmp_path: Path) -> None:
    packets = [
        between(CLIENT, DOOR, SYN),
        between(OURS, SERVER, SYN),
        between(SERVER, OURS),
        between(CLIENT, DOOR, RST),
    ]
    stamps = [tapped.ring.put(packet) for packet in packets[:2]]
    assert tapped.tap.begin(1, DOOR, CLIENT)
    tapped.tap.join(1, OURS, SERVER)
    stamps += [tapped.ring.put(packet) for packet in packets[2:]]
    tapped.tap.end(1)
    tapped.tap.wait(10)
    whole = header(128) + b"".join(
        record(stamp, len(packet), packet) for stamp, packet in zip(stamps, packets, strict=True)
    )
    path = tmp_path / "captures" / "web-1.pcap"
    assert path.read_bytes() == whole
    assert tapped.facts == [(1, Captured(str(path), 4, len(whole), 0))]


def test_flows_one_after_the_other_between_the_same_ends_each_have_their_own_packets(
    tapped: Tapped, tmp_path: Path
) -> None:
    sent: dict[int, bytes] = {}
    for number in range(1, 6):
        packets = [between(CLIENT, DOOR, SYN), between(CLIENT, DOOR, ACK, bytes(number)), between(CLIENT, DOOR, RST)]
        stamps = [tapped.ring.put(packets[0])]
        assert tapped.tap.begin(number, DOOR, CLIENT)
        stamps += [tapped.ring.put(packet) for packet in packets[1:]]
        tapped.tap.end(number)
        sent[number] = b"".join(record(at, len(packet), packet) for at, packet in zip(stamps, packets, strict=True))
    tapped.tap.wait(10)
    assert {number: (tmp_path / "captures" / f"web-{number}.pcap").read_bytes() for number in sent} == {
        number: header(128) + data for number, data in sent.items()
    }


def test_it_is_told_a_while_after_the_end_without_any_further_packet(tapped: Tapped) -> None:
    assert tapped.tap.begin(7, DOOR, CLIENT)
    tapped.tap.end(7)
    assert until(tapped.told, "it is told") == [(7, Captured(None, 0, 0, 0))]


def test_a_tap_that_takes_no_further_flow_ends_when_its_flows_have(tapped: Tapped) -> None:
    assert tapped.tap.begin(1, DOOR, CLIENT)
    tapped.tap.leave()
    tapped.ring.put(between(CLIENT, DOOR))
    tapped.tap.end(1)
    until(lambda: tapped.tap.over, "the thread has ended")
    assert [fact.packets for fact in tapped.of(Captured)] == [1]
    assert not tapped.tap.begin(2, DOOR, CLIENT)
    assert tapped.of(Captured)[-1].error == "too slow"


def test_what_the_kernel_has_dropped_is_told_of_the_proxy_and_of_the_flow_that_it_could_be_of(tapped: Tapped) -> None:
    tapped.ring.dropped = 5
    tapped.ring.put(between(CLIENT, DOOR, SYN))
    until(lambda: tapped.of(CaptureDropped), "the first are told")
    assert tapped.tap.begin(1, DOOR, CLIENT)
    tapped.ring.put(between(CLIENT, DOOR))
    until(lambda: 1 in tapped.tap._sorting.flows, "it has begun")
    tapped.ring.dropped = 8
    tapped.tap.end(1)
    tapped.tap.wait(10)
    assert [fact.lost for fact in tapped.of(Captured)] == [3]
    assert sum(fact.by_kernel for fact in tapped.of(CaptureDropped)) == 8
    assert not sum(fact.here for fact in tapped.of(CaptureDropped))


def test_a_folder_that_is_gone_is_a_fact_and_what_is_not_written_is_counted(tapped: Tapped, tmp_path: Path) -> None:
    (tmp_path / "captures").rmdir()
    for _ in range(3):
        tapped.ring.put(between(CLIENT, DOOR, ACK))
    assert tapped.tap.begin(1, DOOR, CLIENT)
    tapped.tap.end(1)
    tapped.tap.wait(10)
    assert tapped.of(CaptureTroubled) == [CaptureTroubled(str(tmp_path / "captures"), "ENOENT")]
    assert tapped.of(Captured) == [Captured(None, 0, 0, 3, "ENOENT")]
    assert tapped.of(CaptureDropped) == [CaptureDropped(0, 3)]


def test_requests_that_nobody_takes_have_a_bound_and_a_flow_beyond_it_is_not_captured(
    tapped: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_ASKED", 0)
    assert not tapped.tap.begin(1, DOOR, CLIENT)
    tapped.tap.wait(10)
    assert tapped.facts == [(1, Captured(None, 0, 0, 0, "too slow"))]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Ring", lambda *_: pytest.fail("it was opened"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        Tap(FakeReactor(), "web", tmp_path / "file", 128, [1])
