"""A flow's file: whole packets, whatever the disk says, and never another one's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bustedwall.capture.file import CaptureFile
from bustedwall.capture.pcap import header


def test_packets_stand_behind_the_head_and_nobody_else_may_read_them(tmp_path: Path) -> None:
    file = CaptureFile(tmp_path, "web-1", 128)
    file.append(b"one")
    file.append(b"two")
    assert file.path == tmp_path / "web-1.pcap"
    assert file.path.read_bytes() == header(128) + b"onetwo"
    assert file.size == file.path.stat().st_size
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_an_earlier_run_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "web-1.pcap").write_text("precious")
    (tmp_path / "web-1.2.pcap").symlink_to(tmp_path / "elsewhere")
    assert CaptureFile(tmp_path, "web-1", 128).path == tmp_path / "web-1.3.pcap"
    assert (tmp_path / "web-1.pcap").read_text() == "precious"
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_is_full_tears_no_packet_and_what_comes_later_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = CaptureFile(tmp_path, "web-1", 128)
    file.append(b"one")
    write, room = os.write, [3]

    def full(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = write(fd, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        file.append(b"a packet that is longer")
    room[0] = 100
    file.append(b"two")
    assert file.path.read_bytes() == header(128) + b"onetwo"
    assert file.size == file.path.stat().st_size


def test_a_disk_without_room_for_the_head_is_left_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        CaptureFile(tmp_path, "web-1", 128)
    assert not [*tmp_path.iterdir()]


def test_a_file_that_is_gone_is_not_made_again_without_its_head(tmp_path: Path) -> None:
    file = CaptureFile(tmp_path, "web-1", 128)
    file.path.unlink()
    with pytest.raises(FileNotFoundError):
        file.append(b"one")
    assert not [*tmp_path.iterdir()]
