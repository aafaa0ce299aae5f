"""The command as users type it: what it says, where, and how it ends."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from bustedwall.cli.main import main
from bustedwall.policy.problem import PolicyError, Problem

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def bustedwall(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bustedwall", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.long("six seconds")
def test_the_demo_holds_and_is_what_the_readme_shows() -> None:
    told = bustedwall("demo")

    assert told.returncode == 0, told.stdout + told.stderr
    shown = re.search(r"^```text\n(1 the peer.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown
    assert uncounted(told.stdout).count(uncounted(shown[1]).strip()) == 1
    assert not told.stderr


def uncounted(text: str) -> str:
    """Leave out times, and how many segments were lost and sent again."""
    return re.sub(r"\[[\d.]+ s\]|\d+ (?=arrived|sent)", "", text)


@pytest.mark.long("some seconds of demo")
def test_the_demo_tells_programs_the_same_and_shows_each_cause() -> None:
    told = bustedwall("demo", "--json")

    assert told.returncode == 0, told.stdout + told.stderr
    acts = json.loads(told.stdout)
    assert all(act["ok"] and act["seconds"] >= act["at_least"] for act in acts)
    assert {act["cause"][:1] for act in acts} == {"n", "1", "2", "3", "4"}
    for act in acts[1:]:
        assert act["seen"]["wire"]
        assert act["seen"]["evidence"]
        assert act["seen"]["client"] == act["expected"]["client"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give either a CONFIG file, or --listen and --upstream"),
        (["a.yaml", "--listen", "127.0.0.1:0"], "give either a CONFIG file, or --listen and --upstream"),
        (["--listen", "127.0.0.1:0"], "--listen and --upstream go together"),
        (["--listen", "8080", "--upstream", "127.0.0.1:1"], "expected HOST:PORT such as 127.0.0.1:8080, got '8080'"),
        (["--listen", "::1:80", "--upstream", "127.0.0.1:1"], "did you mean '[::1]:80'?"),
        (["a.yaml", "--fault", "reset client"], "go with --listen and --upstream; a CONFIG names its own"),
        (
            ["--listen", "127.0.0.1:0", "--upstream", "[::1]:1", "--source", "127.0.0.2"],
            "--source: from an IPv4",
        ),
        (["--listen", "127.0.0.1:9", "--upstream", "127.0.0.1:9"], "--upstream: the upstream is this proxy itself"),
        (
            ["--listen", "127.0.0.1:0", "--upstream", "[::1]:1", "--source", "eth0"],
            "expected an address without",
        ),
        (["a.yaml", "--source", "::1"], "go with --listen and --upstream; a CONFIG names its own"),
        (["a.yaml", "--pcap", "pcaps"], "go with --listen and --upstream; a CONFIG names its own"),
        (["a.yaml", "--snaplen", "127"], "127 is not in the range 128<=x<=65535"),
        (["a.yaml", "--mss", "1460"], "go with --listen and --upstream; a CONFIG names its own"),
        (["a.yaml", "--mss", "87"], "87 is not in the range 88<=x<=32767"),
        (["a.yaml", "--proxy-protocol-in"], "go with --listen and --upstream; a CONFIG names its own"),
        (["a.yaml", "--proxy-protocol-out", "v3"], "'v3' is not one of 'v1', 'v2'"),
        (["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--when", "open"], "there is no --fault"),
        (["a.yaml", "--seed", "-1"], "-1 is not in the range"),
        (["a.yaml", "--time-scale", "nan"], "nan is not a finite number"),
        (["a.yaml", "--on-missing", "skp"], "'skp' is not one of 'fail', 'approximate', 'skip'"),
        (["--lisen", "127.0.0.1:0"], "Did you mean one of: '--listen'"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_is_wrong(words: list[str], told: str) -> None:
    result = bustedwall("run", *words)

    assert result.returncode == 2
    assert told in result.stderr
    assert not result.stdout


def test_a_policy_given_twice_ends_with_1_and_is_told_like_that_of_a_file() -> None:
    result = bustedwall("run", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", *["--policy", "slow-link"] * 2)

    assert result.returncode == 1
    assert "--policy:1:1: error: slow-link: this proxy has policy 'slow-link' already\n" in result.stderr


def test_an_unknown_policy_ends_with_1_and_names_the_nearest() -> None:
    result = bustedwall("run", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--policy", "slow-lnk")

    assert result.returncode == 1
    assert "there is no policy 'slow-lnk'" in result.stderr
    assert "did you mean 'slow-link'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_config_that_is_not_there_ends_with_1_and_says_so() -> None:
    result = bustedwall("run", "nowhere.yaml")

    assert result.returncode == 1
    assert "nowhere.yaml" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_address_ends_with_3_and_names_the_proxy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = bustedwall("run", "--listen", f"127.0.0.1:{port}", "--upstream", "127.0.0.1:1")

    assert result.returncode == 3
    assert (
        result.stderr.strip() == f"bustedwall: proxy 'proxy' cannot listen on 127.0.0.1:{port}: Address already in use"
    )
    assert not result.stdout


@pytest.mark.parametrize("words", [("doctor",), ("run", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1")])
def test_too_few_descriptors_are_told_in_a_sentence(words: tuple[str, ...]) -> None:
    command = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", sys.executable, "-m", "bustedwall", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "bustedwall: ulimit -n: 64 descriptors are too few, 128 are enough\n"


@pytest.mark.parametrize("option", ["--journal", "--ready-file"])
def test_a_file_that_cannot_be_written_ends_with_3_and_names_it(option: str, tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "folder"
    result = bustedwall("run", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", option, str(path))

    assert result.returncode == 3
    assert str(path.parent) in result.stderr
    assert "Traceback" not in result.stderr


def test_help_shows_the_commands_with_examples() -> None:
    result = bustedwall("--help")

    assert result.returncode == 0
    assert "bustedwall run --listen" in result.stdout
    assert re.search(r"^  demo\b", result.stdout, re.MULTILINE)


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    result = bustedwall("rum")

    assert result.returncode == 2
    assert "Did you mean 'run'?" in result.stderr


@contextmanager
def running(*words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A proxy in a process of its own, with the port on which it listens."""
    command = [sys.executable, "-m", "bustedwall", "run", "--drain", "0s", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.terminate()
        process.communicate(timeout=50)


def seeds(journal: Path) -> list[int]:
    facts = [json.loads(line) for line in journal.read_text().splitlines()]
    return [fact["seed"] for fact in facts if fact["fact"] == "run-started"]


def test_a_seed_that_is_not_given_is_drawn_told_and_recorded(tmp_path: Path) -> None:
    journal, ready = tmp_path / "run.jsonl", tmp_path / "ready"
    door = ("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1")
    options = ("--journal", str(journal), "--ready-file", str(ready), "--log", "text")
    with running(*door, *options) as (process, _):
        told = json.loads(ready.read_text())
        process.terminate()
        _, log = process.communicate(timeout=50)

    (seed,) = seeds(journal)
    assert re.fullmatch(rf"\d\d:\d\d:\d\d\.\d\d\d - run-started seed={seed}\n", log)
    assert told["seed"] == seed
    assert not ready.exists(), "nobody is ready any more"


def test_the_seed_of_the_command_line_goes_before_that_of_the_config(tmp_path: Path) -> None:
    config, journal = tmp_path / "config.yaml", tmp_path / "run.jsonl"
    config.write_text(
        f"version: 1\nseed: 7\njournal: {journal}\n"
        "proxies: [{name: web, listen: '127.0.0.1:0', upstream: '127.0.0.1:1'}]\n"
    )
    for words in ((), ("--seed", "8")):
        with running(str(config), *words):
            pass

    assert seeds(journal) == [7, 8]


def test_a_fault_may_be_typed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        running(
            *("--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{server.getsockname()[1]}"),
            *("--fault", "reset client", "--when", "bytes 3B from server"),
        ) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        upstream, _ = server.accept()
        with upstream:
            upstream.sendall(b"abcdef")
            got = b""
            while len(got) < 3:
                got += client.recv(10)
            with pytest.raises(ConnectionResetError):
                client.recv(1)

    assert got == b"abc"


def test_what_is_typed_wrong_ends_with_1_and_a_caret() -> None:
    door = ("--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1")
    result = bustedwall("run", *door, "--fault", "reset cleint", "--when", "opn")

    assert result.returncode == 1
    assert "--fault:1:7: error: expected client, server or both, got 'cleint'\n 1 | reset cleint\n" in result.stderr
    assert "--when:1:1: error: expected a moment, got 'opn'\n" in result.stderr


def test_what_this_machine_lacks_ends_with_4(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object, **__: object) -> None:
        problem = Problem("c.yaml", 1, 1, 2, "", "needs lose-from", privilege=True)
        raise PolicyError([problem])

    monkeypatch.setattr("bustedwall.cli.run.load_config", lacking)
    result = CliRunner().invoke(main, ["run", "c.yaml"])

    assert result.exit_code == 4
    assert result.stderr == "c.yaml:1:1: error: needs lose-from\n"
