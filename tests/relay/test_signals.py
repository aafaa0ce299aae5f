"""SIGUSR1 tells the state, SIGUSR2 and the command file act on running proxies: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.relay.peers import HANG, Upstream, dial, recv, send, until
from tests.relay.rig import Door, Talk, Wall, policy


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Listen, where nobody has to accept."""
    upstream = Upstream(4)
    yield upstream
    upstream.sock.close()


def teller(wall: Wall, path: Path) -> Callable[[], dict[str, Any]]:
    """Return what asks for the state and waits for it."""
    asked = 0

    def state() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        wall.signal(signal.SIGUSR1)
        told = wall.fact("state-told", asked)
        assert told["error"] is None
        assert (told["to"], told["size"]) == (str(path), path.stat().st_size)
        return json.loads(path.read_text())

    return state


def test_panic_heals_everything_keeps_flows_and_lasts_until_a_reload(tmp_path: Path, upstream: Upstream) -> None:
    stalled = policy(tmp_path, "stalled", [{"stall": "from server"}])
    closed = policy(tmp_path, "closed", ["refuse"], "applied")
    doors = [Door("web", upstream.address, [stalled]), Door("shut", upstream.address, [closed])]
    wall = Wall(tmp_path, doors, "--quiet", "--seed", "7", "--state-file", str(tmp_path / "state.json"))
    state = teller(wall, tmp_path / "state.json")
    talk = Talk(wall, "web", dial(wall.addresses["web"]), upstream.accept())
    assert talk.server is not None
    assert send(talk.client, b"question") == "ok"
    assert recv(talk.server) == b"question"
    assert send(talk.server, b"held back") == "ok"
    with pytest.raises(ConnectionRefusedError):
        dial(wall.addresses["shut"])

    def held() -> dict[str, Any] | None:
        told = state()
        return told if told["proxies"][0]["flows"][0]["held"] == 9 else None

    told = until(held, "nine bytes are held")
    assert (told["schema"], told["pid"], told["seed"], told["state"]) == (1, wall.pid, 7, "running")
    assert (told["reloads"], told["reloads_failed"], told["facts"]["flow-opened"]) == (0, 0, 1)
    web, shut = told["proxies"]
    (flow,) = web.pop("flows")
    host, port = talk.client.getsockname()
    assert flow.pop("age") >= 0
    assert flow == {
        "flow": 1,
        "client": f"{host}:{port}",
        "state": "open",
        "legs": {"client": "open", "server": "open"},
        "from_client": 8,
        "from_server": 0,
        "held": 9,
        "faults": ["stalled/rule: stall from server"],
    }
    address = "{}:{}".format(*wall.addresses["web"])
    assert web == {
        "proxy": "web",
        "listen": "127.0.0.1:0",
        "address": address,
        "upstream": upstream.address,
        "door": "open",
        "enabled": True,
        "cleared": False,
        "admitted": 1,
        "open": 1,
        "rules": [{"rule": "stalled/rule", "armed": 1}],
    }
    assert (shut["door"], shut["rules"]) == ("refuse", [{"rule": "closed/rule", "armed": 1}])

    wall.signal(signal.SIGUSR2)
    assert recv(talk.client) == b"held back"
    panic = wall.fact("panic")
    assert (panic["cause"], panic["rules"], panic["faults"], panic["flows"]) == ("signal", 2, 2, 1)
    dial(wall.addresses["shut"])
    upstream.accept()
    assert send(talk.client, b"still") == "ok"
    assert recv(talk.server) == b"still"
    told = state()
    assert [proxy["cleared"] for proxy in told["proxies"]] == [True, True]
    assert [proxy["rules"] for proxy in told["proxies"]] == [[], []]

    wall.signal(signal.SIGHUP)
    assert wall.fact("reloaded")["changed"] == ["web", "shut"]
    with pytest.raises(ConnectionRefusedError):
        dial(wall.addresses["shut"])
    assert wall.stop() == 0


def test_the_command_file_does_the_same_and_fires_signals(tmp_path: Path, upstream: Upstream) -> None:
    fired = policy(tmp_path, "fired", [{"reset": "client"}], {"signal": "go"})
    commands = tmp_path / "commands"
    wall = Wall(tmp_path, [Door("web", upstream.address, [fired])], "--quiet", "--command-file", str(commands))
    talk = Talk(wall, "web", dial(wall.addresses["web"]), upstream.accept())

    def echo(*words: str) -> None:
        subprocess.run(["sh", "-c", 'echo "$@" > "$0"', str(commands), *words], check=True, timeout=HANG)

    echo("signal", "other")
    assert wall.fact("signal-fired")["rules"] == 0
    echo("signal", "go")
    assert wall.fact("signal-fired", 2)["rules"] == 1
    assert recv(talk.client) == "ECONNRESET"
    echo("panic")
    panic = wall.fact("panic")
    assert (panic["cause"], panic["rules"], panic["faults"]) == ("command file", 1, 0)
    echo("reload")
    assert wall.fact("reloaded")["changed"] == ["web"]
    echo("panik")
    refused = wall.fact("command-refused")
    assert (refused["command"], "did you mean 'panic'?" in refused["why"]) == ("panik", True)
    echo("state")
    told = wall.fact("state-told")
    (line,) = wall.more_lines(1)
    assert (told["to"], told["size"], told["error"]) == ("stdout", len(line) + 1, None)
    assert json.loads(line)["facts"]["panic"] == 1
    assert wall.stop() == 0
    assert not commands.exists()


@pytest.mark.long("a process of its own")
def test_a_stdout_that_nobody_reads_holds_up_neither_flows_nor_the_end(tmp_path: Path, upstream: Upstream) -> None:
    reads, writes = os.pipe()
    journal = tmp_path / "journal.jsonl"
    words = ["--listen", "127.0.0.1:0", "--upstream", upstream.address, "--journal", str(journal), "--drain", "0s"]
    child = subprocess.Popen([sys.executable, "-m", "bustedwall", "run", "--quiet", *words], stdout=writes)
    try:
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(reads, 4096)
        os.set_blocking(writes, False)
        full = 0
        while full is not None:
            full = _put(writes)
        os.set_blocking(writes, True)

        def facts(name: str) -> list[dict[str, Any]]:
            lines = journal.read_text().splitlines()
            return [fact for fact in map(json.loads, lines) if fact["fact"] == name]

        def told() -> list[dict[str, Any]]:
            child.send_signal(signal.SIGUSR1)
            return facts("state-told")

        busy = until(told, "the second is refused")[0]
        assert busy["error"] == "the last one is still being written"
        client = dial(("127.0.0.1", int(said.rpartition(b":")[2])))
        server = upstream.accept()
        assert send(client, b"hello") == "ok"
        assert recv(server) == b"hello"
        child.terminate()
        assert child.wait(HANG) == 0
        assert recv(client) == "ECONNRESET"
    finally:
        child.kill()
        child.wait()
        os.close(reads)
        os.close(writes)


def _put(fd: int) -> int | None:
    """Fill a pipe; None: it is full."""
    try:
        return os.write(fd, bytes(4096))
    except BlockingIOError:
        return None
