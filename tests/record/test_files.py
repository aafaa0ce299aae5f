"""A file that is replaced whole, or not at all; and then it is named as who asked for it named it."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bustedwall.record.files import check_place, write_whole


@pytest.mark.parametrize("name", ["", "/", "folder", "nowhere/file"])
def test_what_cannot_be_replaced_is_told_by_its_own_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as refusal:  # noqa: PT011 (which errno it is depends on the name)
        write_whole(Path(name), b"data")
    assert refusal.value.filename == str(Path(name))
    with pytest.raises(OSError) as early:  # noqa: PT011 (as above)
        check_place(Path(name))
    assert (early.value.errno, early.value.filename) == (refusal.value.errno, refusal.value.filename)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, first, second = tmp_path / "far" / "file", tmp_path / "first", tmp_path / "second"
    target.write_bytes(b"old")
    before = target.stat().st_ino
    first.symlink_to("far/file")
    second.symlink_to("first")
    with target.open("rb") as reader:
        write_whole(second, b"new")
        assert reader.read() == b"old"
    assert (first.is_symlink(), second.is_symlink()) == (True, True)
    assert target.read_bytes() == b"new"
    assert target.stat().st_ino != before, "it was replaced, and not written over"
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["far", "file", "first", "second"]


def test_a_link_to_nothing_yet_makes_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"data"


def test_a_link_in_a_circle_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(OSError, match="Too many levels of symbolic links") as refusal:
        write_whole(tmp_path / "link", b"data")
    assert refusal.value.filename == str(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


def test_a_device_stays_one_and_gets_the_bytes(tmp_path: Path) -> None:
    node = tmp_path / "null"
    try:
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # of our own: never those of /dev
        node.open("wb").close()
    except PermissionError:
        pytest.skip("this machine lets us make no device, or use none of our own")
    (tmp_path / "link").symlink_to("null")
    for path in (node, tmp_path / "link"):
        write_whole(path, b"data")
    assert stat.S_ISCHR(node.lstat().st_mode)
    assert (tmp_path / "link").is_symlink()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "null"]


def test_a_terminal_gets_the_bytes() -> None:
    near, far = pty.openpty()
    try:
        write_whole(Path(os.ttyname(far)), b"data")
        assert os.read(near, 100) == b"data"
        assert stat.S_ISCHR(Path(os.ttyname(far)).stat().st_mode)
    finally:
        os.close(near)
        os.close(far)


def test_a_pipe_stays_one_and_its_reader_gets_the_bytes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["wc", "-c", pipe], stdout=subprocess.PIPE) as reader:
        with pipe.open("wb"):  # waits until it reads
            write_whole(pipe, b"x" * 300_000)  # more than a pipe has room for
        assert reader.stdout is not None
        assert reader.stdout.read().split()[0] == b"300000"
    assert pipe.is_fifo()


def test_a_pipe_that_nobody_reads_holds_up_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="nobody reads from this pipe") as refusal:
        write_whole(pipe, b"data")
    assert refusal.value.filename == str(pipe)
    assert pipe.is_fifo()


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_our_own_stdout_gets_the_bytes_at_their_place(mode: str, tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from bustedwall.record.files import check_place, write_whole; print('a');"
        "write_whole(Path('/dev/stdout'), b'b\\n'); print('c')"
    )
    with (tmp_path / "file").open(mode) as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True, timeout=60)
    assert (tmp_path / "file").read_bytes() == b"a\nb\nc\n"
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert piped.stdout == b"a\nb\nc\n"


def test_what_can_be_written_is_not_touched_by_the_check(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "link", "pipe", "new"):
        check_place(tmp_path / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "link", "pipe"]
    assert (tmp_path / "file").read_bytes() == b"old"
