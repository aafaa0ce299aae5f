"""No descriptor left: the door rests instead of spinning, flows that are open go on, and it recovers."""

from __future__ import annotations

import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.adversity.at_rest import cpu_seconds, leave
from tests.relay.peers import HANG, abort, dial, read_exactly, recv, send, until
from tests.relay.rig import running


def test_without_descriptors_the_door_rests_and_recovers(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        wall = rig.wall
        talk = rig.connect("plain", 4)
        leave(wall.pid, 6)  # three flows
        clients = [dial(wall.addresses["plain-4"]) for _ in range(40)]

        paused = until(lambda: [f for f in wall.facts() if f["fact"] == "accept-paused"], "the door rests")
        assert paused[0]["error"] == "EMFILE"
        assert paused[0]["flow"] is None

        def pauses() -> int:
            return sum(fact["fact"] == "accept-paused" for fact in wall.facts())

        began, cpu, before = time.monotonic(), cpu_seconds(wall.pid), pauses()
        for number in range(10):  # the flow that is open goes on meanwhile
            assert send(talk.client, bytes([number])) == "ok"
            assert recv(talk.server) == bytes([number])
            time.sleep(0.1)  # the time over which is measured
        more, used = pauses() - before, cpu_seconds(wall.pid) - cpu
        seconds = time.monotonic() - began
        assert more <= seconds / 0.1 + 1, "it may knock ten times a second, not spin"
        assert used < 0.3 * seconds

        for client in clients:
            abort(client)
        talk.client.close()
        assert recv(talk.server) == "EOF"
        talk.server.close()
        rig.upstreams[4].forget()
        last = until(lambda: _reached(rig.upstreams[4].sock, wall.addresses["plain-4"]), "clients are served again")
        for sock in last:
            sock.close()


def _reached(listener: socket.socket, address: tuple[str, int]) -> tuple[socket.socket, socket.socket] | None:
    """Try a new flow; return its ends if it came through."""
    client = dial(address)
    send(client, b"again")
    listener.settimeout(0.5)
    try:
        while True:
            server, _ = listener.accept()
            server.settimeout(HANG)
            if recv(server) == b"again":
                return client, server
            server.close()
    except TimeoutError:
        client.close()
        return None


@pytest.mark.parametrize("free", [1, 2])
def test_nobody_is_let_in_for_whom_there_is_no_second_descriptor(tmp_path: Path, free: int) -> None:
    with running(tmp_path) as rig:
        wall = rig.wall
        # Once through, so that the process has all that it opens for itself.
        first = rig.connect("plain", 4)
        first.client.close()
        first.server.close()
        first.wait("flow-closed")
        leave(wall.pid, free)
        clients = [dial(wall.addresses["plain-4"]) for _ in range(4)]
        until(lambda: any(fact["fact"] == "accept-paused" for fact in wall.facts()), "the door rests")
        # One more than there are descriptors for: the reserve is spent on the last client's upstream.
        served = [rig.upstreams[4].accept() for _ in range((free + 1) // 2)]
        for number, client in enumerate(clients):
            assert send(client, bytes([number])) == "ok"
        assert sorted(recv(server) for server in served) == [bytes([number]) for number in range(len(served))]

        leave(wall.pid, 16)
        waiting = [rig.upstreams[4].accept() for _ in range(len(clients) - len(served))]
        assert sorted(recv(server) for server in waiting) == [bytes([n]) for n in range(len(served), len(clients))]
        assert not [fact for fact in wall.facts() if fact["fact"] in ("address-failed", "reset-sent")]


def test_without_a_descriptor_for_a_pipe_much_data_is_copied(tmp_path: Path) -> None:
    data = random.Random(6).randbytes(24 << 20)
    with running(tmp_path) as rig:
        talk = rig.connect("plain", 4)
        assert talk.server is not None
        talk.wait("flow-opened")
        before = rig.wall.pipes()
        leave(rig.wall.pid, 0)
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(send, talk.client, data)
            assert read_exactly(talk.server, len(data)) == data
            assert sent.result(HANG) == "ok"
        assert rig.wall.pipes() == before
        talk.client.close()
        assert recv(talk.server) == "EOF"
        talk.server.close()
        closed = talk.wait("flow-closed")
        assert (closed["from_client"], closed["discarded"]) == (len(data), 0)
