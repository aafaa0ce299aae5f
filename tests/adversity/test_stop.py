"""The process is stopped for a while and goes on: as if it had been slow."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from tests.adversity.at_rest import assert_goes_on, assert_no_busy_loop
from tests.relay.peers import dial, recv, send, until
from tests.relay.rig import Fact, policy, running

IDLE = 2.0


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize(
    ("clock", "seconds"),
    [
        ("data", 2.5),
        pytest.param("packets", 3.0, marks=pytest.mark.long("some seconds")),
        pytest.param("data", 60.0, marks=[pytest.mark.long("a minute"), pytest.mark.timeout(180)]),
        pytest.param("packets", 60.0, marks=[pytest.mark.long("a minute"), pytest.mark.timeout(180)]),
    ],
)
def test_silence_is_what_the_kernel_knows_and_not_what_was_slept_through(
    tmp_path: Path, clock: str, seconds: float
) -> None:
    """Who spoke meanwhile was not idle, though nobody read it; who said nothing was."""
    when = {"idle": f"{IDLE:.0f}s", "clock": clock}
    idle = policy(tmp_path, "idle", [{"reset": "both"}], when)
    with running(tmp_path, {"plain": [], "idle": [idle]}) as rig:
        wall = rig.wall
        plain, silent, lively = (rig.connect(name, 4) for name in ("plain", "idle", "idle"))
        for talk in (plain, silent, lively):
            talk.wait("flow-opened")
        wall.signal(signal.SIGSTOP)
        until(lambda: stopped(wall.pid), "it is stopped")
        ended = time.monotonic() + seconds
        while time.monotonic() < ended:
            assert send(lively.client, b".") == "ok"
            time.sleep(0.05)  # the time for which it is stopped
        waiting = dial(wall.addresses["plain-4"])
        assert send(waiting, b"I came while it was stopped") == "ok"
        assert send(lively.client, b"!") == "ok"
        wall.signal(signal.SIGCONT)

        assert recv(rig.upstreams[4].accept()) == b"I came while it was stopped"
        heard = b""
        while not heard.endswith(b"!"):
            said = recv(lively.server)
            assert isinstance(said, bytes), f"the flow was not idle, and yet: {said}"
            heard += said
        assert recv(silent.client) == recv(silent.server) == "ECONNRESET"
        assert_goes_on(plain)

        def fired() -> list[Fact]:
            return [fact for fact in wall.facts() if fact["fact"] == "rule-fired"]

        assert until(fired, "the silent one")[0]["flow"] == 1
        assert recv(lively.client) == "ECONNRESET", "now it is idle, too"
        assert_no_busy_loop(wall.pid)
        if seconds > 10:
            stalled = until(lambda: [f for f in wall.facts() if f["fact"] == "process-stalled"], "it is told")
            assert stalled[0]["seconds"] >= seconds - 1.5, "it looks once a second"
