"""What a command does not deal with itself: a stdout that takes nothing, and bugs of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bustedwall.cli import doctor as module
from bustedwall.cli.main import main


@pytest.mark.parametrize("command", ["faults", "schema policy", "--help"])
def test_a_full_disk_behind_stdout_is_a_sentence_and_3(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-m", "bustedwall", *command.split()]
        run = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (3, "bustedwall: stdout: No space left on device\n")


def test_a_bug_ends_with_70_and_says_that_it_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("an invariant")

    monkeypatch.setattr(module, "find_out", fail)
    run = CliRunner().invoke(main, ["doctor"])
    assert run.exit_code == 70
    assert "ZeroDivisionError: an invariant" in run.stderr
    assert run.stderr.endswith("this is a bug of bustedwall\n")


@pytest.mark.parametrize("name", ["", "a b", "é"])
def test_a_name_that_would_spoil_what_is_printed_is_a_mistake_of_usage(name: str) -> None:
    words = ["run", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--name", name]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 2
    assert "a name has letters, digits and '_.-' only" in run.stderr


def test_a_state_file_that_cannot_be_written_is_refused_at_the_start() -> None:
    words = ["run", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--state-file", "/nonexistent/a"]
    run = CliRunner().invoke(main, words)
    assert (run.exit_code, run.stderr) == (3, "bustedwall: /nonexistent/a: No such file or directory\n")


def test_a_pipe_behind_an_option_that_writes_a_file_stays_one(tmp_path: Path) -> None:
    (tmp_path / "pipe").symlink_to("real")
    os.mkfifo(tmp_path / "real")
    words = ["suite", "init", "--upstream", "127.0.0.1:1", "--protocol", "http", "--force", "-o"]
    words += [str(tmp_path / "pipe"), "--", "true"]
    with subprocess.Popen(["cat", tmp_path / "real"], stdout=subprocess.PIPE, text=True) as reader:
        with (tmp_path / "real").open("wb"):  # waits until it reads
            run = CliRunner().invoke(main, words)
        assert run.exit_code == 0, run.output
        assert reader.stdout is not None
        assert "scenarios:" in reader.stdout.read()
    assert (tmp_path / "pipe").is_symlink()
    assert (tmp_path / "real").is_fifo()
