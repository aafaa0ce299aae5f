"""How many descriptors this process may have: a flow has two."""

from __future__ import annotations

import errno
import resource

LEAST = 128
"""As many as a start takes: what the kernel can do is tried on some seventy at once."""

_OWN = 64
"""Those that are no flow's: the epoll, timers, doors, journal, threads."""


def have_least() -> None:
    """Allow ourselves what a start takes; raises OSError where the machine does not."""
    if (allowed := _allow(LEAST)) < LEAST:
        raise OSError(errno.EMFILE, f"{allowed} descriptors are too few, {LEAST} are enough", "ulimit -n")


def room(descriptors: int) -> int:
    """Return for how many flows so many descriptors are enough."""
    return max(0, descriptors - _OWN) // 2


def seats(flows: int) -> int:
    """Ask the kernel for the descriptors of so many flows; return for how many flows there are some."""
    return max(1, min(flows, room(_allow(2 * flows + _OWN))))


def _allow(wanted: int) -> int:
    """Allow ourselves so many, or as many as the kernel lets us; return how many of them there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    allowed = wanted if hard == unlimited else min(wanted, hard)
    if soft != unlimited and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
