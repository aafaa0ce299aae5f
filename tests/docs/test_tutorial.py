"""docs/tutorial.md, typed into a shell, and the files that it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.shell import HANG, Shell

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "tutorial"
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")

BACK = "@over@"
"""What the shell says when a command is over."""

PORTS = {"8080": "warehouse at", "8081": "listening proxy"}
"""The ports of the page, which a test leaves to the kernel, and what tells which they became."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, list[str]]]:
    """Return each command with the lines that the page shows of what it says."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def same(shown: list[str], said: list[str]) -> bool:
    """Compare with lines in which … stands for any number of lines, or for a part of one."""
    pattern = "".join(
        "(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n" for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in said)) is not None


@pytest.mark.long("a proxy and a test run take some seconds")
@pytest.mark.timeout(400)
def test_the_session_goes_as_the_page_says(tmp_path: Path) -> None:
    shell = Shell(ROOT, HOME=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    ports: dict[str, str] = {}
    try:
        for command, shown in steps():
            behind = command.endswith("&")
            for port in PORTS:
                command = command.replace(port, ports.get(port, "0"))
            shell.type(command)
            if behind:
                (line,) = shell.lines(1)
                port = next(port for port, words in PORTS.items() if line.startswith(words))
                ports[port] = line.rpartition(":")[2]
                said = [line]
            else:
                shell.type(f"echo {BACK}")
                said = [line for line in shell.until(BACK) if "Terminated" not in line]
            for port, real in ports.items():
                said = [line.replace(f":{real}", f":{port}") for line in said]
            assert same(shown, said), (command, said)
    finally:
        shell.end("kill -9 $(jobs -p) 2>/dev/null")


def run_tests(folder: Path) -> str:
    """Return what the tests of the tutorial say in a folder."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    command = [sys.executable, "-m", "unittest", "test_stock"]
    environment = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=2 * HANG, check=False
    )
    return done.stderr


@pytest.mark.long("proxies are started, and one waits for a second of silence")
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("half", "without", "fails"),
    [
        ("> MAX_IDLE", "> 1e9", "test_a_sale_after_a_silence"),
        ('or method != "GET"', "or True", "test_a_question_in_the_wrong_moment"),
    ],
)
def test_each_half_of_the_fix_is_needed(tmp_path: Path, half: str, without: str, fails: str) -> None:
    folder = tmp_path / "tutorial"
    shutil.copytree(FOLDER, folder)
    fixed = (folder / "stock_fixed.py").read_text(encoding="utf-8")
    assert half in fixed
    (folder / "stock.py").write_text(fixed.replace(half, without), encoding="utf-8")

    said = run_tests(folder)

    assert re.findall(r"^ERROR: (\w+) ", said, re.MULTILINE) == [fails], said
    assert "FAILED (errors=1)" in said


def inked(text: str) -> str:
    """Return a text without indentation and empty lines, which a formatter sets as it likes."""
    return "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip())


def test_what_the_page_shows_of_a_file_is_in_it() -> None:
    files = [inked(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.py"))]
    shown = blocks("python")

    assert shown
    for block in shown:
        assert any(inked(block) in file for file in files), block


def test_the_readme_leads_to_it() -> None:
    assert "(docs/tutorial.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_dots_stand_for_lines_or_for_a_part_of_one() -> None:
    assert same(["a", "…", "c (…)"], ["a", "b", "b", "c (d)"])
    assert same(["a", "…"], ["a"])
    assert not same(["a"], ["a", "b"])
    assert not same(["a", "…", "c"], ["a", "b"])
