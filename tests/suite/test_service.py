"""The port of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.suite import service


def given(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """Have the kernel say that it gives these ports."""
    monkeypatch.setattr(service, "_GIVEN", folder / "range")
    if text is not None:
        (folder / "range").write_text(text)


@pytest.mark.parametrize(
    ("text", "few"), [("10100\t65535\n", range(10_000, 10_100)), ("1024 65000", range(65_001, 65_536))]
)
def test_it_is_one_that_the_kernel_gives_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, few: range
) -> None:
    given(tmp_path, monkeypatch, text)
    assert service.free_port() in few


@pytest.mark.parametrize("text", ["1024\t65535\n", "what?", None])
def test_where_the_kernel_gives_all_or_does_not_say_it_is_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    given(tmp_path, monkeypatch, text)
    assert service.free_port() > 0
