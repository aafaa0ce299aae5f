"""The session of docs/operations.md, typed into a shell, command by command."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.shell import Shell

from bustedwall.policy.limits import WrittenLimits

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")

VARIES = (
    (r"^\d\d:\d\d:\d\d\.\d{3} ", "10:20:30.040 "),
    (r"size=\d+$", "size=560"),
    (r"127\.0\.0\.1:\d+$", "127.0.0.1:8081"),
)
"""What is another one each time, and how it is written instead."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, list[str]]]:
    """Return each command with the lines that follow it."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(blocks("console")).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def same(line: str) -> str:
    for pattern, instead in VARIES:
        line = re.sub(pattern, instead, line)
    return line


def test_the_session_goes_as_the_page_says(tmp_path: Path) -> None:
    config, _ = blocks("yaml")
    (tmp_path / "ops.yaml").write_text(config.replace(":8081", ":0"))
    shell, over = Shell(tmp_path), False
    try:
        for command, expected in steps():
            shell.type(command.replace("bustedwall run", "bustedwall run --log text"))
            got = [same(line) for line in shell.lines(len(expected))]
            # Two writers, stdout and the log, in whatever order.
            assert sorted(got) == sorted(map(same, expected)), command
        over = True
    finally:
        rest = shell.end("" if over else "kill -9 $!")
    assert b"Traceback" not in rest
    assert not (tmp_path / "commands").exists()


def test_the_page_names_every_limit_of_a_proxy_that_a_reload_treats_in_its_own_way() -> None:
    for name in ("idle", "fault"):
        assert name in WrittenLimits.model_fields
        assert f"`{name}`" in PAGE
