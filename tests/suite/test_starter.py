from __future__ import annotations

import http.server
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.web import serving

from bustedwall.cli.main import main
from bustedwall.suite.plan import load_suite
from bustedwall.suite.starter import TRIALS, Protocol, guess, names_server, starter


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_starter_loads_has_a_dozen_and_names_each_but_once(protocol: Protocol, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(starter(protocol, "by its port 80", "[::1]:80", ["x", "http://[::1]:80/{id}", '"\n\\']))
    suite = load_suite(path)
    assert 11 <= len(TRIALS[protocol]) <= 13
    assert [case.name for case in suite.cases] == ["unbroken", *(trial.name for trial in TRIALS[protocol])]
    assert suite.cases[0].scenario.run == ("x", "http://{server.address}/{{id}}", '"\n\\')


def test_a_command_that_does_not_name_the_server_is_told_how_to_find_it() -> None:
    assert "has to connect to BUSTEDWALL_SERVER_ADDRESS" in starter(Protocol.HTTP, "", "a:80", ["pytest"])


@pytest.mark.parametrize(
    ("upstream", "word", "made"),
    [
        ("127.0.0.1:80", "http://127.0.0.1:80/", "http://{server.address}/"),
        ("127.0.0.1:80", "http://127.0.0.1:8080/", None),
        ("127.0.0.1:80", "http://1127.0.0.1:80/", None),
        ("db:80", "my-db:80,x.db:80", None),
        ("db:80", "redis://db:80/0,--at=DB:80", "redis://{server.address}/0,--at={server.address}"),
        ("127.0.0.1:80", "LOCALHOST:80 [::1]:80", "{server.address} {server.address}"),
        ("localhost:80", "127.0.0.1:80", "{server.address}"),
        ("[::1]:80", "localhost:80", "{server.address}"),
        ("10.0.0.1:80", "localhost:80", None),
    ],
)
def test_the_server_is_found_in_the_command_where_it_is_meant(upstream: str, word: str, made: str | None) -> None:
    assert names_server(["x", word], upstream) is (made is not None)
    assert f'run: ["x", "{made or word}"]' in starter(Protocol.HTTP, "", upstream, ["x", word])


@pytest.mark.parametrize(("word", "told"), [("http://127.0.0.1:7/", False), ("http://127.0.0.1:78/", True)])
def test_a_command_that_would_pass_the_proxy_by_is_told_so(word: str, told: bool) -> None:  # noqa: FBT001
    made = ["suite", "init", "--upstream", "127.0.0.1:7", "--protocol", "http", "--", "curl", word]
    done = CliRunner().invoke(main, made)
    assert done.exit_code == 0
    said = "it passes the proxy by unless it connects to BUSTEDWALL_SERVER_ADDRESS, or {server.address} is written"
    assert (said in done.stderr) is told


def test_a_protocol_is_guessed_by_what_is_said_first_and_by_the_port() -> None:
    assert guess(33061, b"\x5b\x00\x00\x00\x0a10.11.6-MariaDB")[0] is Protocol.MYSQL
    assert guess(5432, b"") == (Protocol.POSTGRESQL, "by its port 5432")
    assert guess(7777, b"220 smtp")[0] is Protocol.GENERIC


@pytest.mark.real("curl")
@pytest.mark.timeout(200)
def test_a_starter_runs_as_it_was_made(tmp_path: Path) -> None:
    ours = [sys.executable, "-m", "bustedwall"]
    (tmp_path / "empty").mkdir()  # byte by byte, its listing takes a third of a second
    with serving(partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "empty")) as port:
        address = f"127.0.0.1:{port}"
        made = [*ours, "suite", "init", "--upstream", address, "--protocol", "http", "-o", "f.yaml", "--"]
        made += ["curl", "-sSf", "--max-time", "10", f"http://{address}/"]
        subprocess.run(made, cwd=tmp_path, check=True, timeout=60)
        again = subprocess.run(made, cwd=tmp_path, check=False, timeout=60, capture_output=True, text=True)
        assert (again.returncode, again.stderr) == (3, "bustedwall: f.yaml is there already; --force writes it anew\n")
        done = subprocess.run(
            [*ours, "test", "f.yaml", "-j", "4"], cwd=tmp_path, check=False, timeout=150, capture_output=True, text=True
        )
    lines = done.stdout.split("\n\n")[0].splitlines()[1:]
    assert {line.split()[1]: line.split()[0] for line in lines} == {
        **{trial.name: "PASSED" for trial in TRIALS[Protocol.HTTP]},
        "unbroken": "PASSED",
        # curl asks but once, so that this one is not met.
        "http-keepalive-race": "VACUOUS",
    }, done.stdout
