"""Ends that never read: what the proxy holds for them is bounded, others are unhurt, nothing stays behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.adversity.at_rest import assert_goes_on, assert_no_busy_loop, resident
from tests.relay.peers import abort, fill, until
from tests.relay.rig import Fact, Talk, policy, running

FLOWS = 3

HELD = 2 << 20
"""More than a flow may hold by itself: a chunk that was read, 256 KiB, and what is cut off it."""


def quiet(talk: Talk, deaf: str) -> int:
    """Speak to the deaf end until nothing more is taken; return how much was."""
    speaker = talk.server if deaf == "client" else talk.client
    assert isinstance(speaker, socket.socket)
    return fill(speaker)


def blocked(talk: Talk) -> Fact | None:
    """Return the fact that nothing is taken, if there is one."""
    return next((fact for fact in talk.facts() if fact["fact"] == "leg-blocked"), None)


LONG = pytest.mark.long("some seconds for each kind")


@pytest.mark.parametrize("deaf", ["client", pytest.param("server", marks=LONG)])
@pytest.mark.parametrize("seen", [pytest.param(False, marks=LONG), True], ids=["moved", "seen"])
def test_who_never_reads_holds_up_nobody_else(tmp_path: Path, deaf: str, *, seen: bool) -> None:
    other = "server" if deaf == "client" else "client"
    looking = policy(tmp_path, "looking", [{"reset": "both"}], {"contains": "this is never said", "from": other})
    with running(tmp_path, {"plain": [looking] if seen else []}) as rig:
        wall = rig.wall
        healthy = rig.connect("plain", 4)
        healthy.wait("flow-opened")
        assert_goes_on(healthy)
        base, descriptors = resident(wall.pid), wall.descriptors()
        talks = [rig.connect("plain", 4, buffer=4096) for _ in range(FLOWS)]
        for talk in talks:
            talk.wait("flow-opened")
            assert quiet(talk, deaf) > 0
        assert resident(wall.pid) - base < FLOWS * HELD
        assert_no_busy_loop(wall.pid)
        assert_goes_on(healthy)
        if not seen:
            told = [until(lambda talk=talk: blocked(talk), "it is told", within=60.0) for talk in talks]
            assert {(fact["leg"], fact["seconds"] >= 10, fact["waiting"] > 0) for fact in told} == {(deaf, True, True)}

        for talk in talks:
            abort(talk.client)
            assert talk.server is not None
            abort(talk.server)
        for talk in talks:
            talk.wait("flow-closed")
        assert_goes_on(healthy)
        until(lambda: wall.descriptors() == descriptors, "as many descriptors as before")
