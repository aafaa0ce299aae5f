"""A file that is replaced whole, or not at all; and then it is named as who asked for it named it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.record.files import write_whole


@pytest.mark.parametrize("name", ["", "/", "folder", "nowhere/file"])
def test_what_cannot_be_replaced_is_told_by_its_own_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as refusal:  # noqa: PT011 (which errno it is depends on the name)
        write_whole(Path(name), b"data")
    assert refusal.value.filename == str(Path(name))
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
