"""The wall clock is set back by a day: no timer waits for a day."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adversity.at_rest import assert_goes_on, leave
from tests.relay.peers import Upstream, dial, hang_up, recv, send, until
from tests.relay.rig import Door, Talk, Wall

PROGRAM = Path(__file__).with_name("jumping.py")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream(4)
    yield upstream
    hang_up()
    upstream.sock.close()


def test_a_resting_door_and_a_drain_end_although_the_clock_is_set_back(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_jump = tmp_path / "to-jump"
    monkeypatch.setenv("TO_JUMP", str(to_jump))
    command = [sys.executable, str(PROGRAM), "run", str(tmp_path / "config.yaml"), "--quiet", "--drain", "1s"]
    wall = Wall(tmp_path, [Door("door", upstream.address)], program=command)

    def jump() -> None:
        to_jump.touch()
        wall.signal(signal.SIGUSR1)
        until(lambda: not to_jump.exists(), "the clock is set back")

    open_one = Talk(wall, "door", dial(wall.addresses["door"]), upstream.accept())
    open_one.wait("flow-opened")
    leave(wall.pid, 0)
    waiting = dial(wall.addresses["door"])
    until(lambda: [fact for fact in wall.facts() if fact["fact"] == "accept-paused"], "the door rests")
    jump()
    leave(wall.pid, 16)
    server = upstream.accept()
    assert send(waiting, b"at last") == "ok"
    assert recv(server) == b"at last"
    assert_goes_on(open_one)
    jumped = until(lambda: [fact for fact in wall.facts() if fact["fact"] == "clock-jumped"], "it is told")
    assert -86401 < jumped[0]["seconds"] < -86399

    wall.signal(signal.SIGTERM)
    until(lambda: [fact for fact in wall.facts() if fact["fact"] == "drain-began"], "it drains")
    jump()
    assert recv(open_one.client) == "ECONNRESET"
    assert wall.wait() == 0
