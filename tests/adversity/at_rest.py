"""What a process may use, and what it uses while it has nothing to do."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from tests.relay.peers import recv, send, until
from tests.relay.rig import Talk


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def leave(pid: int, count: int) -> None:
    """Let a process have so many more descriptors."""

    def free() -> int:
        """Return the limit; 0 while there is a gap in the numbers, which would count as free."""
        open_ = [int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        return len(open_) + count if len(open_) + count > max(open_) else 0

    limit = until(free, "what it has opened to find out what the kernel can do is closed")
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))


def resident(pid: int) -> int:
    """Return how many bytes of memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def assert_no_busy_loop(pid: int) -> None:
    """Look at a process for a second; one that spins would use as much CPU time as it gets."""
    began, cpu = time.monotonic(), cpu_seconds(pid)
    time.sleep(1.0)  # the time over which is measured
    assert cpu_seconds(pid) - cpu < 0.3 * (time.monotonic() - began)


def assert_goes_on(talk: Talk) -> None:
    """Say something on a flow, both ways."""
    assert talk.server is not None
    for speaker, listener in ((talk.client, talk.server), (talk.server, talk.client)):
        assert send(speaker, b"still here") == "ok"
        assert recv(listener) == b"still here"
