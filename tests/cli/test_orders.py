"""Lines of the command file: what each does, and how a wrong one is answered. No process, no proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from tests.relay.inside import so

from bustedwall.cli.command_file import LONGEST, CommandFile
from bustedwall.cli.orders import Orders
from bustedwall.relay.service import Cleared
from bustedwall.terms.facts import CommandRefused, Fact, Panic, SignalFired


class FakeWall:
    """Says what a wall would say."""

    def clear(self) -> Cleared:
        return Cleared(1, 2, 1) + Cleared(2, 3, 3)

    def signal(self, name: str) -> int:
        return len(name)


def obeying(*lines: str) -> list[object]:
    """Return the facts, and what else was called."""
    told: list[object] = []
    wall: Any = FakeWall()
    orders = Orders(wall, told.append, reload=lambda: told.append("reload"), tell=lambda: told.append("state"))
    for line in lines:
        orders.obey(line)
    return told


def test_each_command_does_what_it_says() -> None:
    assert obeying("panic", " reload ", "state", "signal  go", "") == [
        Panic("command file", 3, 5, 4),
        "reload",
        "state",
        SignalFired("go", 2),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("panik", "expected panic, reload, signal or state; did you mean 'panic'?"),
        ("x", "expected panic, reload, signal or state"),
        ("panic now", "nothing goes with 'panic'"),
        ("signal", "which signal? One name goes with it"),
        ("signal a b", "which signal? One name goes with it"),
    ],
)
def test_what_is_no_command_is_told_with_what_is_wrong(line: str, why: str) -> None:
    assert obeying(line) == [CommandRefused(line, why)]


def test_of_a_long_line_only_the_beginning_is_told() -> None:
    (fact,) = obeying("x" * 10_000)
    assert isinstance(fact, Fact)
    assert len(str(fact)) < 300


# ---- the pipe


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[list[str]]:
    """Have a command file at `commands`; yield the lines that come out of it."""
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    got: list[str] = []
    commands = CommandFile(reactor, tmp_path / "commands", got.append)
    yield got
    commands.close()
    assert not (tmp_path / "commands").exists()


def write(path: Path, data: bytes) -> None:
    """Open, write and close, as `echo` does."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(fd, data)
    os.close(fd)


@pytest.mark.deadline(20)
@pytest_twisted.ensureDeferred
async def test_lines_come_out_whole_from_one_writer_after_the_other(tmp_path: Path, lines: list[str]) -> None:
    write(tmp_path / "commands", b"panic\nsignal one\n")
    await so(lambda: len(lines) == 2, "two lines")
    write(tmp_path / "commands", b"sig")
    write(tmp_path / "commands", b"nal two\n\xff\n")
    await so(lambda: len(lines) == 4, "four lines")
    assert lines == ["panic", "signal one", "signal two", "\ufffd"]


@pytest.mark.deadline(20)
@pytest_twisted.ensureDeferred
async def test_a_line_without_an_end_does_not_grow(tmp_path: Path, lines: list[str]) -> None:
    write(tmp_path / "commands", b"x" * (LONGEST + 1))
    await so(lambda: lines, "it is given up")
    write(tmp_path / "commands", b"\npanic\n")
    await so(lambda: "panic" in lines, "the next line")
    assert max(map(len, lines)) == LONGEST + 1


def test_it_is_for_its_owner_alone(tmp_path: Path, lines: list[str]) -> None:
    assert (tmp_path / "commands").stat().st_mode & 0o777 == 0o600
    assert not lines


def test_one_run_at_a_time_takes_commands(tmp_path: Path, lines: list[str]) -> None:
    from twisted.internet import reactor  # noqa: PLC0415 (as above)

    with pytest.raises(OSError, match="another run takes its commands from there") as told:
        CommandFile(reactor, tmp_path / "commands", lambda _: None)
    assert told.value.filename == str(tmp_path / "commands")
    assert not lines


def there(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.deadline(20)
@pytest_twisted.ensureDeferred
async def test_a_run_that_drains_lets_the_next_have_the_place_and_leaves_it_to_it(tmp_path: Path) -> None:
    from twisted.internet import reactor  # noqa: PLC0415 (as above)

    path, heard, theirs = tmp_path / "commands", [], []
    drains = CommandFile(reactor, path, heard.append)
    drains.release()
    write(path, b"panic\n")
    await so(lambda: heard == ["panic"], "it still obeys")
    following = CommandFile(reactor, path, theirs.append)
    write(path, b"reload\n")
    await so(lambda: theirs == ["reload"], "the next one is told")
    drains.close()
    write(path, b"state\n")
    await so(lambda: theirs == ["reload", "state"], "it is there yet")
    assert heard == ["panic"]
    assert path.stat().st_mode & 0o777 == 0o600
    following.close()
    assert not there(tmp_path)


def test_a_pipe_that_was_there_stays_and_another_file_is_refused(tmp_path: Path) -> None:
    from twisted.internet import reactor  # noqa: PLC0415 (as above)

    os.mkfifo(tmp_path / "there", 0o620)
    CommandFile(reactor, tmp_path / "there", lambda _: None).close()
    assert (tmp_path / "there").exists()
    with pytest.raises(FileNotFoundError) as told:
        CommandFile(reactor, tmp_path / "no" / "commands", lambda _: None)
    assert told.value.filename == str(tmp_path / "no" / "commands")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        CommandFile(reactor, tmp_path / "file", lambda _: None)
    assert (tmp_path / "file").read_text() == "mine"
