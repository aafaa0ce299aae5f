"""The command as users type it: what it says, where, and how it ends."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def bustedwall(*words: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bustedwall", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def test_the_demo_holds_and_is_what_the_readme_shows() -> None:
    told = bustedwall("demo")

    assert told.returncode == 0, told.stdout + told.stderr
    rows = re.search(r"^no policy.*\Z(?<=)", told.stdout, re.MULTILINE | re.DOTALL)
    assert rows
    shown = re.search(r"^```text\n(no policy.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown
    assert untimed(told.stdout).count(untimed(shown[1]).strip()) == 1
    assert not told.stderr


def untimed(text: str) -> str:
    return re.sub(r"\[[\d.]+ s\]", "[]", text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give either a CONFIG file, or --listen and --upstream"),
        (["a.yaml", "--listen", "127.0.0.1:0"], "give either a CONFIG file, or --listen and --upstream"),
        (["--listen", "127.0.0.1:0"], "--listen and --upstream go together"),
        (["--listen", "8080", "--upstream", "127.0.0.1:1"], "expected HOST:PORT such as 127.0.0.1:8080, got '8080'"),
        (["--listen", "::1:80", "--upstream", "127.0.0.1:1"], "did you mean '[::1]:80'?"),
        (["--lisen", "127.0.0.1:0"], "Did you mean '--listen'?"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_is_wrong(words: list[str], told: str) -> None:
    result = bustedwall("run", *words)

    assert result.returncode == 2
    assert told in result.stderr
    assert not result.stdout


def test_a_policy_given_twice_is_a_wrong_command_line() -> None:
    result = bustedwall("run", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", *["--policy", "slow-link"] * 2)

    assert result.returncode == 2
    assert "this policy was given already" in result.stderr


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
