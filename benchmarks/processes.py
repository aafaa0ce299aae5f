"""What the benchmarks start, and that all of it ends with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from problem import CannotRunError

START_LIMIT = 15.0
LOAD_LIMIT = 90.0


class Processes:
    """Starts programs with a log each; ends them by their pid when the block is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        setpriv = shutil.which("setpriv")
        # The kernel ends them even if this program is killed and cannot.
        self._leash = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        while self._running:
            self.stop(self._running[-1].pid)

    def start(
        self,
        name: str,
        command: Iterable[str | Path],
        ready: Callable[[str], int | None],
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        """Start a program and return its pid and its port; `ready` finds the port in its log, None means not yet."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*self._leash, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                process_group=0,  # Ctrl-C is for us; we end the others in order
            )
        self._running.append(process)
        limit = time.monotonic() + START_LIMIT
        while process.poll() is None and time.monotonic() < limit:
            port = ready(log.read_text())
            if port is not None:
                return process.pid, port
            time.sleep(0.02)
        how = "did not get ready" if process.poll() is None else f"ended with status {process.returncode}"
        raise CannotRunError(f"{name} {how}; it said:\n{log.read_text()[-2000:]}")

    def stop(self, pid: int) -> None:
        """End a program that was started here."""
        process = next(process for process in self._running if process.pid == pid)
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._running.remove(process)


def build_load(source: Path, folder: Path) -> Path:
    """Compile the load generator."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotRunError("cc is missing: the load generator is a C program")
    program = folder / "load"
    command: list[str | Path] = [compiler, "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", program]
    done = subprocess.run(
        [*command, *sorted(source.glob("*.c")), "-lm", "-pthread"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotRunError(f"the load generator does not compile:\n{done.stderr}")
    return program


def run_load(program: Path, arguments: Iterable[object]) -> dict[str, Any]:
    """Run one measurement; a failed one is a result with `error`."""
    try:
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, timeout=LOAD_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no result after {LOAD_LIMIT:.0f} s"}
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"error": f"the load generator ended with status {done.returncode}"}
    if result.get("complete") is False:
        result["error"] = "bytes were lost or invented"
    return result
