"""What a process holds, as the kernel tells it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DOOR = 1.5
"""Seconds in which every door is open once; the longest shut one is shut for 0.4 s."""

REST = 2.0
"""Seconds over which the CPU time at rest is taken."""


@dataclass(frozen=True)
class Vitals:
    """What a process that has nothing to do holds."""

    rss: int
    """Resident memory, kB."""
    descriptors: int
    """Open descriptors other than pipes."""
    pipes: int
    """Ends of pipes."""
    threads: int
    epoll: int
    """Descriptors registered in its epolls, with all doors open: one that refuses is in none meanwhile."""
    cpu: float
    """CPU time per second of rest."""


def vitals(pid: int) -> Vitals:
    """Look at a process that has nothing to do."""
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(REST)
    cpu = (cpu_seconds(pid) - before) / (time.monotonic() - began)
    proc = Path(f"/proc/{pid}")
    links = {}
    for fd in (proc / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed between two looks: no part of what stays
            links[fd.name] = str(fd.readlink())
    pipes = sum(link.startswith("pipe:") for link in links.values())
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return Vitals(
        rss=int(status["VmRSS"].split()[0]),
        descriptors=len(links) - pipes,
        pipes=pipes,
        threads=int(status["Threads"]),
        epoll=_most_registered(proc, [fd for fd, link in links.items() if link == "anon_inode:[eventpoll]"]),
        cpu=round(cpu, 3),
    )


def _most_registered(proc: Path, epolls: Sequence[str]) -> int:
    """Return the most that is registered in these at any moment of a while longer than a door refuses."""
    most, until = 0, time.monotonic() + DOOR
    while time.monotonic() < until:
        most = max(most, sum((proc / "fdinfo" / fd).read_text().count("tfd:") for fd in epolls))
        time.sleep(0.05)
    return most


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
