"""The commands that ask a run: what they do, print, and end with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.control.api import Api, served
from tests.relay.peers import until

from bustedwall.cli.main import main

COMMANDS = ("status", "apply", "clear", "fire", "kill", "facts", "wait", "panic")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with served(tmp_path_factory.mktemp("run")) as one:
        yield one


def typed(api: Api, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--control", f"127.0.0.1:{api.port}"])


def told(api: Api, *words: str, status: int = 0) -> Any:  # noqa: ANN401 (whatever was printed)
    result = typed(api, *words, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def open_flow(api: Api, stack: ExitStack) -> socket.socket:
    client = stack.enter_context(socket.create_connection(("127.0.0.1", api.run.port), timeout=20))
    stack.enter_context(api.run.server.accept()[0])
    return client


def test_policies_are_applied_shown_and_cleared(api: Api) -> None:
    assert typed(api, "apply", "slow-link:delay=80ms", "--for", "1h").stdout == "proxy: slow-link\n"
    assert told(api, "apply", "gave-up-rst", "--proxy", "proxy")["policies"][1]["policy"] == "gave-up-rst"
    lines = typed(api, "status").stdout.splitlines()
    assert lines[0].startswith(f"proxy  127.0.0.1:{api.run.port} to 127.0.0.1:")
    assert lines[1].startswith("  slow-link (delay=80ms), 3")
    assert lines[2] == "  gave-up-rst"
    assert told(api, "status")["proxies"][0]["policies"][0]["values"] == {"delay": "80ms"}
    assert typed(api, "clear", "slow-link").stdout == "proxy: slow-link taken away\n"
    assert told(api, "clear") == {"proxy": ["gave-up-rst"]}
    assert told(api, "clear") == {"proxy": []}
    nowhere = typed(api, "clear", "slow-link")
    assert (nowhere.exit_code, nowhere.stdout) == (1, "no proxy has policy 'slow-link'\n")
    assert told(api, "panic") == {"rules": 0, "faults": 0, "flows": 0}
    assert typed(api, "status", "-q").stdout == ""


def test_a_signal_that_nobody_hears_is_a_finding(api: Api) -> None:
    result = typed(api, "fire", "go")
    assert (result.exit_code, result.stdout) == (1, "0 rules have heard 'go'\n")


def test_flows_are_waited_for_and_killed(api: Api) -> None:
    with ExitStack() as stack:
        first, second, third = (open_flow(api, stack) for _ in range(3))
        assert told(api, "wait", "--flows", "3")["count"] == 3
        number = min(one["state"]["flow"] for one in api.get("/api/v1/flows")["flows"])
        assert told(api, "kill", str(number), "--how", "close") == {"killed": 1}
        assert first.recv(1) == b""
        gone = typed(api, "kill", str(number), str(number + 1))
        assert (gone.exit_code, gone.stdout) == (1, "1 flows ended, 1 were not there\n")
        assert typed(api, "kill", "--all").stdout == "1 flows ended\n"
        for client in (second, third):
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    assert typed(api, "wait", "--at-most", "0").stdout == "met\n"
    fact = told(api, "wait", "--fact", "ending-evidence", "--having", "leg=client", "--after", "0", "--times", "3")
    assert (fact["how"], fact["leg"]) == ("reset", "client")
    late = typed(api, "wait", "--fired", "nix", "--within", "50ms")
    assert late.exit_code == 1
    assert "not met within 0.05 s" in late.stderr


def test_facts_are_printed_and_followed(api: Api) -> None:
    typed(api, "fire", "one")
    typed(api, "fire", "two")
    lines = typed(api, "facts", "--fact", "signal-fired").stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in lines[-2:]] == [
        "- signal-fired signal=one rules=0",
        "- signal-fired signal=two rules=0",
    ]
    words = ["facts", "--follow", "--fact", "signal-fired", "--json", "--control", f"127.0.0.1:{api.port}"]
    with subprocess.Popen([sys.executable, "-m", "bustedwall", *words], stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        last = 0
        while json.loads(following.stdout.readline())["signal"] != "two":
            pass
        typed(api, "fire", "three")
        last = json.loads(following.stdout.readline())
        assert last["signal"] == "three"
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 1  # click's, for who has had enough


def test_status_is_watched(api: Api) -> None:
    words = ["status", "--watch", "--json", "--control", f"127.0.0.1:{api.port}"]
    with subprocess.Popen([sys.executable, "-m", "bustedwall", *words], stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        for _ in range(2):
            assert json.loads(watching.stdout.readline())["ready"]
        watching.kill()


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (["apply", "slow-lnk"], 1, "there is no policy 'slow-lnk'; did you mean 'slow-link'?"),
        (["apply", "slow-link:dealy=1s"], 1, "policy 'slow-link' has no parameter 'dealy'; did you mean 'delay'?"),
        (["apply", "slow-link", "--proxy", "nix"], 1, "there is no proxy 'nix'"),
        (["apply", "slow-link:x"], 2, "expected PARAMETER=VALUE"),
        (["apply", "slow-link", "--for", "5"], 2, "did you mean"),
        (["clear", "slow-link", "--proxy", "proxy"], 1, "'proxy' has no policy 'slow-link'"),
        (["kill"], 2, "say which flows"),
        (["kill", "1", "--all"], 2, "say which flows"),
        (["kill", "--client", "x"], 1, "expected an address or a network"),
        (["wait"], 2, "say what to wait for"),
        (["wait", "--flows", "1", "--fact", "panic"], 2, "say what to wait for"),
        (["wait", "--fact", "panic", "--having", "x"], 2, "expected FIELD=VALUE"),
        (["status", "--token-file", "no/such"], 3, "no/such: No such file"),
    ],
)
def test_what_is_wrong_is_a_sentence(api: Api, words: list[str], status: int, why: str) -> None:
    result = typed(api, *words)
    assert (result.exit_code, result.stdout) == (status, "")
    assert why in result.stderr


def test_where_no_run_is_it_says_so(tmp_path: Path) -> None:
    with socket.socket() as held:  # which listens not, and keeps others from having its port
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        for where, why in ((f"127.0.0.1:{port}", "Connection refused"), (f"unix:{tmp_path}/no", "No such file")):
            result = CliRunner().invoke(main, ["status", "--control", where])
            assert (result.exit_code, result.stdout) == (3, "")
            assert result.stderr == f"bustedwall: {where}: {why}; is there a run with --control?\n".replace(
                "No such file", "No such file or directory"
            )
    assert CliRunner().invoke(main, ["status", "--control", "nonsense://"]).exit_code == 2


def test_a_token_that_is_missing_ends_with_4_and_the_doors_that_close_with_1(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("f" * 32)
    with served(tmp_path, "--token-file", str(tmp_path / "token"), "--drain", "1h") as one:
        assert typed(one, "status").exit_code == 4
        assert typed(one, "status", "--token-file", str(tmp_path / "token")).exit_code == 0
        with ExitStack() as stack:
            open_flow(one, stack)
            one.run.process.send_signal(signal.SIGTERM)
            until(lambda: one.ask("GET", "/readyz").status == 503, "it drains")
            result = typed(one, "status", "--token-file", str(tmp_path / "token"))
            assert (result.exit_code, result.stdout.splitlines()[0]) == (1, "about to end")


@pytest.mark.parametrize("command", COMMANDS)
def test_none_of_them_needs_twisted_and_each_has_examples(command: str) -> None:
    program = f"import sys, bustedwall.cli.{command}; sys.exit(bool({{'twisted', 'klein'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60, env=os.environ).returncode == 0
    assert f"bustedwall {command}" in CliRunner().invoke(main, [command, "--help"]).stdout
