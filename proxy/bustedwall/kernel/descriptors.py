"""How many descriptors this process may have: a flow has two."""

from __future__ import annotations

import resource

_OWN = 64
"""Those that are no flow's: the epoll, timers, doors, journal, threads."""


def room(descriptors: int) -> int:
    """Return for how many flows so many descriptors are enough."""
    return max(0, descriptors - _OWN) // 2


def seats(flows: int) -> int:
    """Ask the kernel for the descriptors of so many flows; return for how many flows there are some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = 2 * flows + _OWN
    allowed = wanted if hard == unlimited else min(wanted, hard)
    if soft != unlimited and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, min(flows, room(allowed)))
