"""The process: where it listens, what it says, how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.peers import HANG, Upstream, abort, at, dial, fill, read_exactly, recv, send, until
from tests.relay.rig import Door, Wall, running

from bustedwall.cli.ready_file import ReadyFile


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Listen, where nobody has to accept."""
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


def bustedwall_run(*args: str) -> subprocess.CompletedProcess[str]:
    """Run `bustedwall run` to its end."""
    command = [sys.executable, "-m", "bustedwall", "run", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=3 * HANG, check=False)


def test_each_proxy_listens_on_a_port_of_its_own_and_says_so(tmp_path: Path, upstream: Upstream) -> None:
    doors = [
        Door("first", upstream.address),
        Door("second", upstream.address),
        Door("third", upstream.address, (), "[::1]:0"),
    ]
    ready = tmp_path / "ready.json"
    wall = Wall(tmp_path, doors, "--quiet", "--ready-file", str(ready))
    told = json.loads(ready.read_text())
    assert told["pid"] == wall.pid
    assert told["proxies"] == {name: at(*address) for name, address in wall.addresses.items()}
    assert wall.lines == [f"listening {door.name} {told['proxies'][door.name]}" for door in doors]
    assert len(set(wall.addresses.values())) == len(doors)
    assert [host for host, _ in wall.addresses.values()] == ["127.0.0.1", "127.0.0.1", "::1"]
    for address in wall.addresses.values():
        client = dial(address)
        server = upstream.accept()
        assert send(client, b"hello") == "ok"
        assert recv(server) == b"hello"
        client.close()
        server.close()
    assert wall.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_without_a_drain_resets_all_flows_and_ends_the_process_with_0(
    tmp_path: Path, upstream: Upstream, number: signal.Signals
) -> None:
    wall = Wall(tmp_path, [Door("only", upstream.address)], "--quiet")
    pairs = []
    for _ in range(20):
        client = dial(wall.addresses["only"])
        pairs.append((client, upstream.accept()))
        assert send(client, b"x") == "ok"
        assert recv(pairs[-1][1]) == b"x"
    half_closed, half_server = pairs[0]
    half_closed.shutdown(socket.SHUT_WR)
    assert recv(half_server) == "EOF"
    wall.signal(number)
    for client, server in pairs[1:]:
        assert recv(client) == "ECONNRESET"
        assert recv(server) == "ECONNRESET"
    assert recv(half_closed) == "ECONNRESET", "it waits for an answer, which does not come"
    assert wall.wait() == 0
    assert wall.errors() == ""
    with pytest.raises(ConnectionRefusedError):
        dial(wall.addresses["only"])
    for client, server in pairs:
        client.close()
        server.close()


def test_a_signal_resets_a_flow_that_is_blocked_with_bytes_in_it(tmp_path: Path, upstream: Upstream) -> None:
    wall = Wall(tmp_path, [Door("only", upstream.address)], "--quiet")
    client = dial(wall.addresses["only"])
    server = upstream.accept()
    assert fill(client) > 0
    assert wall.stop() == 0
    assert recv(client) == "ECONNRESET"
    client.close()
    server.close()


def test_a_port_in_use_is_told_in_a_sentence_and_ends_the_process_with_3(upstream: Upstream) -> None:
    ended = bustedwall_run("--listen", upstream.address, "--upstream", "127.0.0.1:9", "--name", "shop")
    assert ended.returncode == 3
    assert ended.stdout == ""
    assert ended.stderr == f"bustedwall: proxy 'shop' cannot listen on {upstream.address}: Address already in use\n"


def test_a_ready_file_that_was_left_behind_says_nothing_of_a_run_that_cannot_start(
    tmp_path: Path, upstream: Upstream
) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text('{"pid": 1, "proxies": {"proxy": "127.0.0.1:9"}}\n')
    ended = bustedwall_run("--listen", upstream.address, "--upstream", "127.0.0.1:9", "--ready-file", str(ready))
    assert ended.returncode == 3
    assert not ready.exists()


def test_a_ready_file_of_a_later_run_is_left_to_it(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ours = ReadyFile(ready)
    ours.write({"pid": 1})
    ReadyFile(ready).write({"pid": 2})
    ours.remove()
    assert json.loads(ready.read_text()) == {"pid": 2}


def test_a_ready_file_that_cannot_be_written_ends_the_process_with_3(tmp_path: Path) -> None:
    ready = tmp_path / "no such folder" / "ready.json"
    ended = bustedwall_run("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:9", "--ready-file", str(ready))
    assert ended.returncode == 3
    assert ended.stdout == ""
    assert ended.stderr.startswith("bustedwall: ")
    assert "No such file or directory" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_proxy_on_a_port_of_a_process_just_ended_can_start(tmp_path: Path, upstream: Upstream) -> None:
    # Not 127.0.0.1, where the client of another test may take the port meanwhile.
    wall = Wall(tmp_path, [Door("only", upstream.address, listen="127.77.0.2:0")], "--quiet")
    address = wall.addresses["only"]
    client = dial(address)
    server = upstream.accept()
    server.close()
    assert recv(client) == "EOF"
    client.close()
    assert wall.stop() == 0
    again = Wall(tmp_path, [Door("only", upstream.address, (), at(*address))], "--quiet")
    client = dial(address)
    assert send(client, b"again") == "ok"
    assert recv(upstream.accept()) == b"again"
    assert again.stop() == 0


def test_a_signal_as_soon_as_it_says_that_it_listens_ends_the_process_with_0(
    tmp_path: Path, upstream: Upstream
) -> None:
    for _ in range(3):
        assert Wall(tmp_path, [Door("only", upstream.address)], "--quiet").stop() == 0


def test_hundreds_of_flows_at_once_leave_no_descriptor(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        before = rig.wall.descriptors()
        for round_ in range(3):
            talks = [rig.connect("plain", 4 if number % 2 else 6) for number in range(150)]
            for talk in talks:
                assert talk.server is not None
                assert send(talk.client, b"ping") == "ok"
            for talk in talks:
                assert read_exactly(talk.server, 4) == b"ping"
            for number, talk in enumerate(talks):
                end = (abort, socket.socket.close)[(number + round_) % 2]
                end(talk.client if number % 3 else talk.server)
            rig.hang_up()
        until(lambda: rig.wall.descriptors() == before, "as many descriptors as before")
        until(lambda: sum(f["fact"] == "flow-closed" for f in rig.wall.facts()) == 450, "all are recorded as closed")
