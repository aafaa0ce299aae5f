"""What this machine and this process allow, as far as it bears on a proxy; read, not tried."""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

CAPABILITIES = {
    "CAP_NET_BIND_SERVICE": 10,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
}
"""Those that could matter, by their bit (linux/capability.h)."""


@dataclass(frozen=True, slots=True)
class Host:
    """One look at the machine and the process; None is what the machine does not tell."""

    kernel: str
    machine: str
    python: str
    user: int
    capabilities: tuple[str, ...]
    """Of `CAPABILITIES` those that are in effect."""
    descriptors: int
    """How many this process may have open."""
    descriptors_hard: int
    """How many it may allow itself."""
    pipe_bytes: int | None
    """What the pipes of one user may hold before new ones are made small; 0: no limit."""
    congestion_control: str | None
    retries: int | None
    """tcp_retries2: how often our kernel sends again before it gives a connection up."""
    backlog: int | None
    """somaxconn: how many clients may wait to be accepted, at most."""


def look() -> Host:
    """Return what can be seen."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    pages = _number("/proc/sys/fs/pipe-user-pages-soft")
    return Host(
        kernel=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        python=platform.python_version(),
        user=os.geteuid(),
        capabilities=_capabilities(),
        descriptors=soft,
        descriptors_hard=hard,
        pipe_bytes=None if pages is None else pages * resource.getpagesize(),
        congestion_control=_word("/proc/sys/net/ipv4/tcp_congestion_control"),
        retries=_number("/proc/sys/net/ipv4/tcp_retries2"),
        backlog=_number("/proc/sys/net/core/somaxconn"),
    )


def _capabilities() -> tuple[str, ...]:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            bits = int(line.split()[1], 16)
            return tuple(name for name, bit in CAPABILITIES.items() if bits >> bit & 1)
    return ()


def _word(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _number(path: str) -> int | None:
    word = _word(path)
    return int(word) if word else None
