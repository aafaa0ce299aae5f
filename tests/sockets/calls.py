"""A peer's calls, one by one, as a table says them; and how to strike between two of them.

A script is a row of words. `recv: EOF` makes a call and says what it must give; what it gave comes
back in the same words, so that a test compares two rows. The calls:

    send   ok, or an errno                recv   data, EOF, nothing (waited in vain), or an errno
    poll   the events, once they are so   sent   all that was sent is acknowledged
    rst    a RST has arrived              strike the fault happens now

No call but recv and send takes an error away from the kernel.
"""

from __future__ import annotations

import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.relay.peers import HANG, acknowledged, fill, recv, send, until
from tests.relay.rig import Wall

CLOSED = 7
"""tcpi_state of a connection that was reset or given up (net/tcp_states.h)."""

EVENTS = {
    "IN": select.POLLIN,
    "OUT": select.POLLOUT,
    "ERR": select.POLLERR,
    "HUP": select.POLLHUP,
    "RDHUP": select.POLLRDHUP,
}

QUIET = 0.15
"""Seconds in which nothing comes, where nothing is to come."""


def state(sock: socket.socket) -> int:
    """Return the connection's state, without taking its error."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def events(sock: socket.socket) -> str:
    """Return what poll says of a socket at once."""
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT | select.POLLRDHUP)
    found = sum(each for _, each in poll.poll(0))
    return " ".join(name for name, bit in EVENTS.items() if found & bit)


def polled(sock: socket.socket, expected: str) -> str:
    """Return what poll says as soon as that is what it should; what it said last, if it never is."""
    deadline = time.monotonic() + HANG
    while (found := events(sock)) != expected and time.monotonic() < deadline:
        time.sleep(0.002)  # between two looks, not instead of one
    return found


def play(
    sock: socket.socket, script: Sequence[str], strike: Callable[[], object], *, at_once: bool = False
) -> list[str]:
    """Make the calls of a script; return what each gave, up to the first surprise.

    `at_once`: the socket does not block. What is to come is waited for by poll, as such programs do.
    """
    seen: list[str] = []
    for step in script:
        call, _, expected = step.partition(": ")
        said = ""
        match call:
            case "strike":
                strike()
            case "rst":
                until(lambda: state(sock) == CLOSED, "a RST")
            case "sent":
                acknowledged(sock)
            case "poll":
                said = polled(sock, expected)
            case "send" | "recv":
                if at_once and expected not in ("EAGAIN", "ok"):
                    until(lambda: events(sock) != "OUT", f"something for {step}")
                sock.settimeout(0 if at_once else QUIET if expected == "nothing" else HANG)
                got = send(sock, b"some words") if call == "send" else recv(sock)
                said = got if isinstance(got, str) else "data"
        seen.append(f"{call}: {said}" if said else call)
        if seen[-1] != step:
            break
    sock.settimeout(HANG)
    return seen


def asleep(pid: int) -> bool:
    """Tell whether each thread of a process waits for something: it has done all that there was to do."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            stat = (task / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        if stat.rpartition(")")[2].split()[0] != "S":
            return False
    return True


@contextmanager
def stopped(wall: Wall) -> Iterator[None]:
    """Have a process stand still for a while."""
    wall.signal(signal.SIGSTOP)
    try:
        stat = Path(f"/proc/{wall.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
        yield
    finally:
        wall.signal(signal.SIGCONT)


def fill_up(sock: socket.socket, pid: int) -> int:
    """Send until nothing more is taken by the proxy, whose process may have been slow; return how much was."""
    sent = 0

    def full() -> bool:
        nonlocal sent
        sent += fill(sock)
        return asleep(pid) and not select.select([], [sock], [], 0)[1]

    until(full, "there is no room for more")
    return sent


class Blocked:
    """A recv that is under way, in a thread of its own and truly in the kernel."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(HANG), 0))
        self._got = ""
        self._thread = threading.Thread(target=self._wait, args=(sock,), daemon=True)
        self._thread.start()
        where = Path(f"/proc/self/task/{self._thread.native_id}/syscall")
        until(lambda: where.read_text().split()[1:2] == [hex(sock.fileno())], "the thread waits in recv")

    def _wait(self, sock: socket.socket) -> None:
        got = recv(sock)
        self._got = got if isinstance(got, str) else "data"

    @property
    def waits(self) -> bool:
        """Tell whether it has not come back within a while."""
        self._thread.join(QUIET)
        return self._thread.is_alive()

    def result(self) -> str:
        """Return what it gave: data, EOF or an errno; EAGAIN when it waited in vain."""
        self._thread.join(HANG + 1)
        return self._got


@dataclass(frozen=True)
class Info:
    """What the kernel says of a connection (struct tcp_info of linux/tcp.h)."""

    retransmits: int
    backoff: int
    """How often the time to the next retransmission, or probe, was doubled."""
    unacked: int
    total_retrans: int
    notsent: int
    window: int
    """The window that the peer has announced last."""


def info(sock: socket.socket) -> Info:
    """Return the kernel's numbers."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    unacked, total, notsent, window = (int.from_bytes(raw[at : at + 4], sys.byteorder) for at in (24, 100, 144, 228))
    return Info(raw[2], raw[4], unacked, total, notsent, window)
