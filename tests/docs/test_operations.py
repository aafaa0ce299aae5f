"""The session of docs/operations.md, typed into a shell, command by command."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import time
from pathlib import Path

from bustedwall.policy.limits import WrittenLimits

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
HANG = 30.0

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


class Shell:
    """A shell that is typed into, and what comes out of it."""

    def __init__(self, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._child = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=os.environ | {"PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._child.stdout is not None
        self._select = selectors.DefaultSelector()
        self._select.register(self._child.stdout, selectors.EVENT_READ)
        self._got = b""

    def type(self, command: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{command}\n".encode())
        self._child.stdin.flush()

    def lines(self, count: int) -> list[str]:
        """Return the next lines."""
        assert self._child.stdout is not None
        deadline = time.monotonic() + HANG
        while self._got.count(b"\n") < count:
            assert self._select.select(deadline - time.monotonic()), f"it says no more: {self._got!r}"
            data = os.read(self._child.stdout.fileno(), 65536)
            assert data, f"it has ended: {self._got!r}"
            self._got += data
        *lines, self._got = self._got.split(b"\n", count)
        return [line.decode() for line in lines]

    def end(self, *, kill: bool) -> bytes:
        """End it, and the proxy if that has not been waited for; return what was not read."""
        self.type("kill -9 $!; exit" if kill else "exit")
        rest, _ = self._child.communicate(timeout=HANG)
        self._select.close()
        return self._got + rest


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
        rest = shell.end(kill=not over)
    assert b"Traceback" not in rest
    assert not (tmp_path / "commands").exists()


def test_the_page_names_every_limit_of_a_proxy_that_a_reload_treats_in_its_own_way() -> None:
    for name in ("idle", "fault"):
        assert name in WrittenLimits.model_fields
        assert f"`{name}`" in PAGE
