"""A file that takes nothing costs lines, which are counted, and nothing else."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from tests.relay.peers import until

from bustedwall.record import writer as module
from bustedwall.record.writer import Writer
from bustedwall.terms.trouble import Trouble

ROOM = 1 << 18
"""Four times what a pipe holds, and what is written at once."""


class Kept:
    """A writer, and what it says is wrong."""

    def __init__(self, open_file: Callable[[], int], room: int = ROOM) -> None:
        self.troubles: list[tuple[Trouble, str | None]] = []
        self.gaps: list[int] = []
        self.writer = Writer(open_file, self._gap, lambda *trouble: self.troubles.append(trouble), room=room)

    def _gap(self, count: int) -> str:
        self.gaps.append(count)
        return f"gap {count}"

    def put(self, count: int, start: int = 0) -> None:
        for number in range(start, start + count):
            self.writer.put(f"line {number} {'x' * 80}")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe of 64 KiB, which does not wait for its reader: it is a disk that can be full."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 16)
    yield reading, writing
    for fd in (reading, writing):
        with suppress(OSError):
            os.close(fd)


def appended(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def drained(fd: int) -> list[str]:
    """Return the lines that are read until the end of file."""
    with os.fdopen(os.dup(fd)) as file:
        return file.read().splitlines()


def numbers(lines: list[str]) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith("line")]


def test_all_lines_are_there_in_order_at_the_end(tmp_path: Path) -> None:
    kept = Kept(partial(appended, tmp_path / "file"), room=1 << 24)
    kept.put(20_000)
    kept.writer.close()

    assert numbers((tmp_path / "file").read_text().splitlines()) == list(range(20_000))
    assert (kept.writer.dropped, kept.troubles) == (0, [])


def test_a_line_is_there_soon_without_the_end(tmp_path: Path) -> None:
    kept = Kept(partial(appended, tmp_path / "file"))
    for count in (1, 2, 3):
        kept.writer.put("line")
        until(lambda count=count: (tmp_path / "file").read_text() == "line\n" * count, "it is written")
    kept.writer.close()


def test_lines_may_come_from_any_thread(tmp_path: Path) -> None:
    kept = Kept(partial(appended, tmp_path / "file"), room=1 << 24)
    threads = [threading.Thread(target=kept.put, args=(2000, 2000 * n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.writer.close()

    assert sorted(numbers((tmp_path / "file").read_text().splitlines())) == list(range(8000))


def test_what_is_no_character_is_escaped_as_in_json(tmp_path: Path) -> None:
    kept = Kept(partial(appended, tmp_path / "file"))
    kept.writer.put("a \udc80 b")
    kept.writer.close()

    assert (tmp_path / "file").read_bytes() == b"a \\udc80 b\n"


def stuck(pipe: tuple[int, int]) -> Kept:
    """Return a writer whose file takes nothing any more, and who has some lines left."""
    kept = Kept(lambda: pipe[1])
    kept.put(1000)
    until(lambda: kept.troubles, "it is told")
    return kept


def test_a_full_disk_is_told_once_and_goes_on_when_there_is_room(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY", 0.01)
    kept = stuck(pipe)
    kept.put(5000, 1000)
    dropped = kept.writer.dropped
    assert 1000 < dropped < 5000

    with os.fdopen(os.dup(pipe[0])) as file:
        lines = [file.readline().strip() for _ in range(6000 - dropped)]
        kept.put(1, 7000)
        after = [file.readline().strip(), file.readline().strip()]
    kept.writer.close()

    assert numbers(lines) == list(range(6000 - dropped))
    assert after[0] == f"gap {dropped}"
    assert numbers(after) == [7000]
    assert kept.gaps == [dropped]
    assert kept.troubles == [(Trouble.UNWRITABLE, "EAGAIN")]
    assert kept.writer.dropped == dropped


def test_a_disk_that_stays_full_is_asked_twice_a_second(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    attempts, write = list[int](), os.write

    def counted(fd: int, data: bytes) -> int:
        attempts.append(fd)
        return write(fd, data)

    monkeypatch.setattr(module.os, "write", counted)
    kept = stuck(pipe)
    began = time.monotonic()
    before = len(attempts)
    for number in range(30):
        kept.put(1, 1000 + number)
        time.sleep(0.01)  # the time over which is measured
    asked = len(attempts) - before
    seconds = time.monotonic() - began

    assert asked <= seconds / module._RETRY + 1
    kept.writer.close()


def test_who_puts_never_waits_for_a_pipe_that_nobody_reads() -> None:
    reading, writing = os.pipe()
    kept = Kept(lambda: writing)
    kept.put(10_000)  # here it would hang
    assert kept.troubles == [(Trouble.SLOW, None)]
    dropped = kept.writer.dropped
    assert dropped > 1000

    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(drained(reading)))
    reader.start()
    kept.writer.close()
    reader.join()
    os.close(reading)

    assert kept.writer.dropped == dropped
    assert lines[-1] == f"gap {dropped}"
    assert numbers(lines) == list(range(10_000 - dropped))


def test_the_end_waits_for_a_stuck_file_not_for_ever_and_says_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    reading, writing = os.pipe()
    kept = Kept(lambda: writing)
    kept.put(2000)
    kept.writer.close()
    in_pipe = os.read(reading, 1 << 20).count(b"\n")

    # What the pipe has got of the piece that is being written nobody can know until that write returns.
    assert 2000 - in_pipe <= kept.writer.dropped <= 2000
    os.close(reading)  # the write ends with EPIPE, and the thread with it


def test_the_end_tries_a_full_disk_once_more(pipe: tuple[int, int]) -> None:
    kept = stuck(pipe)
    kept.writer.close()

    assert len(numbers(os.read(pipe[0], 1 << 20).decode().splitlines())) in (
        1000 - kept.writer.dropped,
        1000 - kept.writer.dropped + 1,  # the last one is torn
    )
    assert kept.writer.dropped > 0


# ---- reopened


def test_after_a_rename_lines_go_to_the_new_file(tmp_path: Path) -> None:
    path, old = tmp_path / "file", tmp_path / "file.1"
    kept = Kept(partial(appended, path))
    kept.put(3)
    until(lambda: len(path.read_text().splitlines()) == 3, "they are written")
    path.rename(old)
    kept.writer.reopen()
    until(path.exists, "it is opened anew, though there is nothing to write")
    kept.put(3, 3)
    kept.writer.close()

    assert numbers(old.read_text().splitlines()) == [0, 1, 2]
    assert numbers(path.read_text().splitlines()) == [3, 4, 5]


def test_what_cannot_be_opened_anew_is_told_and_the_old_file_is_written_on(tmp_path: Path) -> None:
    folder, moved = tmp_path / "folder", tmp_path / "moved"
    folder.mkdir()
    kept = Kept(partial(appended, folder / "file"))
    kept.put(1)
    folder.rename(moved)
    for count in (1, 2):
        kept.writer.reopen()
        until(lambda count=count: len(kept.troubles) == count, "it is told, each time")
    kept.put(1, 1)
    kept.writer.close()

    assert kept.troubles == [(Trouble.NOT_REOPENED, "ENOENT")] * 2
    assert numbers((moved / "file").read_text().splitlines()) == [0, 1]
    assert kept.writer.dropped == 0


def test_a_line_that_is_torn_on_the_full_disk_is_whole_on_the_new_one(pipe: tuple[int, int], tmp_path: Path) -> None:
    files = [pipe[1]]
    kept = Kept(lambda: files.pop() if files else appended(tmp_path / "file"))
    kept.put(1000)
    until(lambda: kept.troubles, "it is told")
    kept.writer.reopen()
    kept.writer.close()

    first = os.read(pipe[0], 1 << 20).decode()
    second = (tmp_path / "file").read_text()
    begun = first[first.rfind("\n") + 1 :]
    assert second.startswith(begun)
    assert numbers(first[: len(first) - len(begun)].splitlines() + second.splitlines()) == list(range(1000))
    assert kept.writer.dropped == 0
