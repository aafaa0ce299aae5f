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
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= LEAST:
        return
    if hard != resource.RLIM_INFINITY and hard < LEAST:
        raise OSError(errno.EMFILE, f"{hard} descriptors are too few, {LEAST} are enough", "ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST, hard))


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
