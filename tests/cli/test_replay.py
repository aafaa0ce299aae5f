"""`bustedwall replay`, and that equal seeds decide equally whatever the timing: 200 flows, 32 at once."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bustedwall import __version__
from bustedwall.cli.main import main
from bustedwall.client import Client
from bustedwall.replay.comparison import compare
from bustedwall.replay.decision import Decision, Key
from bustedwall.replay.recording import Recording, read

FLOWS, AT_ONCE, ANSWER = 200, 32, b"x" * 3000

CONFIG = """\
version: 1
define:
  - version: 1
    name: drawn
    summary: All that draws.
    rules:
      - {name: cut, probability: 20%, when: {bytes: 1000B, from: server}, do: [{reset: {leg: client, flush: true}}]}
      - {name: slow, match: {flows: {share: 40%}}, do: [{latency: {from: server, delay: 2ms, jitter: 2ms}}]}
      - {name: flipped, probability: 30%, do: [{corrupt: {from: server, share: 1%}}]}
      - {name: few, total: 9, probability: 50%, when: {bytes: 2000B, from: server}, do: [{close: client}]}
proxies:
  - {name: web, listen: "127.0.0.1:0", upstream: "127.0.0.1:PORT", policies: [drawn, slow-link: {delay: 1ms}]}
"""


@pytest.fixture
def server() -> Iterator[int]:
    """Answer each connection's first bytes with 3000 bytes, and close."""

    def answer(one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            one.recv(100)
            one.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0), backlog=200) as door:

        def serve() -> None:
            with contextlib.suppress(OSError), ThreadPoolExecutor(64) as pool:
                while True:
                    pool.submit(answer, door.accept()[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@contextlib.contextmanager
def running(*words: str) -> Iterator[tuple[int, list[str]]]:
    """Run a command that opens one proxy; yield its port, and what it wrote once it has ended."""
    command = [sys.executable, "-m", "bustedwall", *words]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said: list[str] = []
    try:
        assert child.stdout is not None
        lines = iter(child.stdout.readline, "")
        port = next(int(line.rpartition(":")[2]) for line in lines if not line.startswith("listening control"))
        yield port, said
    finally:
        child.send_signal(signal.SIGTERM)
        out, errors = child.communicate(timeout=50)
        said += [out.strip(), errors, str(child.returncode)]


def ask(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        count = 0
        with contextlib.suppress(ConnectionError):
            one.sendall(b"hello")
            while data := one.recv(4096):
                count += len(data)
        return count


def traffic(port: int, count: int = FLOWS) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, itertools.repeat(port, count)))


def recorded(folder: Path, name: str, config: Path, *more: str, count: int = FLOWS) -> Recording:
    journal = folder / f"{name}.jsonl"
    with running("run", str(config), "--quiet", "--journal", str(journal), *more) as (port, _):
        traffic(port, count)
    return read(journal.read_text().splitlines())


def by_chance(recording: Recording) -> dict[Key, Decision]:
    """Return the decisions that do not go by the order of what happens, which `few` does by its total."""
    return {key: one for key, one in recording.decisions.items() if key.rule != "drawn/few"}


@pytest.mark.long("600 flows through three proxies")
@pytest.mark.timeout(200)
def test_200_flows_decide_the_same_twice_32_at_once_and_a_replay_decides_even_what_goes_by_order(
    tmp_path: Path, server: int
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.replace("PORT", str(server)))
    first = recorded(tmp_path, "first", config, "--seed", "7")
    assert len({key.flow for key in first.decisions}) == FLOWS
    assert sum(one.fired for key, one in first.decisions.items() if key.rule == "drawn/few") == 9
    again = recorded(tmp_path, "again", config, "--seed", "7")
    assert compare(by_chance(first), by_chance(again)) == []
    other = recorded(tmp_path, "other", config, "--seed", "8")
    assert any(one.decided for one in compare(by_chance(first), by_chance(other)))

    journal = tmp_path / "replayed.jsonl"
    with running("replay", str(tmp_path / "first.jsonl"), "--journal", str(journal)) as (port, said):
        traffic(port)
    assert said[0].splitlines()[-1] == f"{len(first.decisions)} decisions recorded: 0 differ"
    assert said[2] == "0"
    assert compare(first.decisions, read(journal.read_text().splitlines()).decisions) == []


@pytest.mark.long("two runs")
@pytest.mark.timeout(200)
def test_a_replay_says_where_the_traffic_was_other(tmp_path: Path, server: int) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.replace("PORT", str(server)))
    first = recorded(tmp_path, "first", config, "--seed", "7", count=20)
    journal = tmp_path / "replayed.jsonl"
    with running("replay", str(tmp_path / "first.jsonl"), "--journal", str(journal)) as (port, said):
        traffic(port, 21)
    assert said[2] == "1"
    assert "web flow 21: drawn/slow, its share: it" in said[1]
    assert "there is nothing of it in the recording" in said[1]
    diverged = [one for one in map(json.loads, journal.read_text().splitlines()) if one["fact"] == "replay-diverged"]
    assert {one["flow"] for one in diverged} == {21}
    silent = tmp_path / "silent.jsonl"
    with running("replay", str(tmp_path / "first.jsonl"), "--journal", str(silent)) as (port, said):
        traffic(port, 17)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        traffic(port, 1)  # it comes behind that one, which has been accepted when this has its answer
    assert said[2] == "1"
    assert "web flow 20: drawn/slow, its share: " in said[1]
    diverged = [one for one in map(json.loads, silent.read_text().splitlines()) if one["fact"] == "replay-diverged"]
    assert {one["flow"] for one in diverged} == {18}, "its flow has ended; 20 has never come"
    assert "drawn/cut" in {one["rule"] for one in diverged}
    assert "here that has not come" in said[1]
    assert len(first.decisions) > 20


SIGNALLED = """\
version: 1
define: [{version: 1, name: cut, summary: s, rules: [{name: now, when: {signal: go}, do: [{reset: client}]}]}]
proxies: [{name: web, listen: "127.0.0.1:0", upstream: "127.0.0.1:PORT", policies: [cut]}]
"""


@pytest.mark.long("two runs")
@pytest.mark.timeout(200)
def test_a_signal_is_fired_again_through_the_api_of_the_replay(tmp_path: Path, server: int) -> None:
    config, journal = tmp_path / "c.yaml", tmp_path / "first.jsonl"
    config.write_text(SIGNALLED.replace("PORT", str(server)))
    control = f"unix:{tmp_path / 'control'}"
    for words in (["run", str(config), "--quiet", "--journal", str(journal)], ["replay", str(journal)]):
        with (
            running(*words, "--control", control) as (port, said),
            socket.create_connection(("127.0.0.1", port), timeout=20) as one,
            Client(control) as client,
        ):
            client.wait_flows(1)
            assert client.fire("go") == 1
            with pytest.raises(ConnectionResetError):
                one.recv(1)
        assert said[2] == "0", said
    assert said[0].splitlines()[-1] == "1 decisions recorded: 0 differ"


def run(*words: str) -> Result:
    """Have what opens no proxy be done in this process, which saves a second."""
    return CliRunner().invoke(main, ["replay", *words])


def test_what_is_no_recording_is_told_with_its_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"schema": 1, "fact": "flow-opened"}\nnothing\n')
    done = run(str(wrong))
    assert (done.exit_code, done.stderr) == (3, f"bustedwall: {wrong}:2: this is not a line of a journal\n")
    done = run(str(tmp_path / "none"))
    assert (done.exit_code, done.stderr) == (3, f"bustedwall: {tmp_path / 'none'}: No such file or directory\n")


def test_two_journals_are_compared_without_running_anything(tmp_path: Path) -> None:
    lines = [
        {"fact": "run-started", "proxy": None, "flow": None, "seed": 7},
        {"fact": "setup-told", "proxy": None, "flow": None, "version": __version__, "config": "{}"},
        {"fact": "rule-spared", "proxy": "web", "flow": 4, "rule": "p/r", "coming": 1, "draw": 0.5},
    ]
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("".join(json.dumps({"schema": 1, **line}) + "\n" for line in lines))
    fired = {**lines[2], "fact": "rule-fired", "passed_from_client": 0, "passed_from_server": 0}
    other.write_text("".join(json.dumps({"schema": 1, **line}) + "\n" for line in [*lines[:2], fired]))
    assert run(str(one), "--against", str(one)).exit_code == 0
    done = run(str(one), "--against", str(other))
    assert done.exit_code == 1
    assert done.stdout == "1 decisions recorded: 1 differ\n"
    assert done.stderr == "decided  web flow 4: p/r: it fired; recorded: it did not fire\n"


def test_a_proxy_that_there_is_not_is_a_wrong_command_line(tmp_path: Path) -> None:
    config = {"version": 1, "proxies": [{"name": "web", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}]}
    journal = tmp_path / "one"
    lines = [
        {"schema": 1, "fact": "run-started", "seed": 7},
        {"schema": 1, "fact": "setup-told", "version": "0", "config": json.dumps(config)},
    ]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = run(str(journal), "--listen", "wep=127.0.0.1:0")
    assert done.exit_code == 2
    assert "there is no proxy 'wep'; there are: web" in done.stderr
    assert f"bustedwall: {journal}: recorded by bustedwall 0, this is {__version__}: " in done.stderr


def test_a_setup_that_is_none_is_told_at_its_place(tmp_path: Path) -> None:
    journal = tmp_path / "one"
    for config in ("{nope", "[]"):
        lines = [
            {"schema": 1, "fact": "run-started", "seed": 7},
            {"schema": 1, "fact": "setup-told", "version": __version__, "config": config},
        ]
        journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
        done = run(str(journal))
        assert done.exit_code == 1
        assert done.stderr.startswith(f"{journal}, its setup:1:"), done.stderr


def test_options_of_a_run_do_not_go_with_a_comparison(tmp_path: Path) -> None:
    done = run(str(tmp_path / "one"), "--against", str(tmp_path / "other"), "--listen", "web=127.0.0.1:0")
    assert done.exit_code == 2
    assert "--against runs nothing" in done.stderr
