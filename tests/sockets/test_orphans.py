"""Killed while segments are lost: the kernel keeps the connections as orphans, with the loss, and ends them by itself.

The table of docs/evidence.md was measured; this is its longest line, on real sockets.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.relay.peers import LOCALHOST, VERSIONS, Upstream, at, dial, hang_up, recv, send, until
from tests.relay.rig import Door, Talk, Wall, policy

LOSSES = {"from": {"drop": "all from client"}, "to": {"drop": "all to client"}, "both": {"blackhole": "client"}}

LONGEST = 300.0
"""Seconds; 8 retries of a FIN take 102 s from a timeout of 0.2 s, and a busy machine may begin with a longer one."""


def left(pairs: set[tuple[int, int]]) -> list[str]:
    """Return the states of the TCP sockets between these local and remote ports that no process has.

    Of both ports: a connection of another test that had one of them before may be in TIME_WAIT for a minute.
    """
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            here, there = (int(end.rpartition(":")[2], 16) for end in fields[1:3])
            if (here, there) in pairs and fields[9] == "0":
                found.append(fields[3])
    return found


@pytest.mark.long("an orphan is kept for 106 s")
@pytest.mark.timeout(2 * LONGEST)
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"IPv{version}")
def test_orphans_that_lose_segments_are_gone_by_themselves_and_then_the_peer_meets_a_rst(
    tmp_path: Path, version: int
) -> None:
    upstream = Upstream(version)
    doors = [
        Door(name, upstream.address, [policy(tmp_path, f"lose-{name}", [loss])], at(LOCALHOST[version], 0))
        for name, loss in LOSSES.items()
    ]
    wall = Wall(tmp_path, doors, "--quiet")
    talks = [Talk(wall, name, dial(wall.addresses[name]), upstream.accept()) for name in LOSSES]
    for talk in talks:
        talk.wait("fault-armed")
    pairs = {(wall.addresses[talk.proxy][1], talk.client.getsockname()[1]) for talk in talks}
    os.kill(wall.pid, signal.SIGKILL)
    assert wall.wait() == -signal.SIGKILL
    try:
        assert set(left(pairs)) <= {"04"}, "FIN_WAIT1, which has a timer"
        until(lambda: not left(pairs), "no orphan is left", within=LONGEST)
        for talk in talks:
            talk.client.settimeout(0.2)
            until(lambda talk=talk: _refused(talk), f"the peer of {talk.proxy} meets a RST")
    finally:
        hang_up()
        upstream.sock.close()


def _refused(talk: Talk) -> bool:
    """Tell whether the peer's next segment has met the RST of a host that knows no such connection."""
    return send(talk.client, b"?") in ("EPIPE", "ECONNRESET") or recv(talk.client) == "ECONNRESET"
