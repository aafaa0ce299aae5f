"""The suite of docs/suites.md, played by the command that is shown there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "suites.md").read_text(encoding="utf-8")
YAML = re.search(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.search(r"^```console\n\$ (.*?)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def same_but_for_times(text: str) -> list[str]:
    """Return the lines without seconds, and without how often a program that tries again was refused meanwhile."""
    lines = [re.sub(r"\s+\d+\.\d+ s", " … s", line).rstrip() for line in text.splitlines()]
    return [re.sub(r"(connect-refused fired) (once|\d+ times)", r"\1", line) for line in lines]


@pytest.mark.long("phases of a second and more")
@pytest.mark.timeout(200)
def test_the_suite_of_the_page_comes_out_as_the_page_shows(tmp_path: Path) -> None:
    assert YAML
    assert SHOWN
    (tmp_path / "pool.yaml").write_text(YAML[1], encoding="utf-8")
    command, shown = SHOWN[1].split(), SHOWN[2]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
    )
    assert same_but_for_times(done.stdout) == same_but_for_times(shown), done.stderr
    assert done.returncode == 0
