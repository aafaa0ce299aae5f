"""The process that runs the proxies, seen from whoever has started it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bustedwall.client import Client

START = 30.0
"""Seconds that a start may take on a machine that is busy; it takes less than one."""

END = 10.0
"""Seconds that an end may take."""

_SHORT = 60
"""Characters that the folder of temporary files may have: the path of a Unix socket has 107 at most."""

_SPARE = "spare"
"""A run has at least one proxy when it starts; this one is gone before there is another."""


class Process:
    """A run whose control API is a Unix socket in a folder of its own."""

    def __init__(self, seed: int | None, *, time_scale: float = 1.0) -> None:
        """Start it, and do not wait for it. `time_scale` is that of a config."""
        self.seed = secrets.randbits(32) if seed is None else seed
        """Where all chance comes from."""
        where = None if len(tempfile.gettempdir()) <= _SHORT else "/tmp"  # noqa: S108 (a folder of its own, for its owner alone)
        self._folder = tempfile.TemporaryDirectory(prefix="bustedwall-", dir=where, ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._errors = folder / "stderr"
        command = [sys.executable, "-m", "bustedwall.child", str(folder), "run", "--quiet", "--drain", "0s"]
        command += ["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:9", "--name", _SPARE]
        command += ["--control", f"unix:{folder / 'control'}", "--ready-file", str(folder / "ready")]
        command += ["--seed", str(self.seed), "--time-scale", repr(time_scale)]
        with self._errors.open("wb") as said:
            # Not in the terminal's group of processes: Ctrl-C is for pytest, which ends this one when it is done.
            self._child = subprocess.Popen(  # noqa: S603 (our own words)
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
            )
        self._address = f"unix:{folder / 'control'}"
        self._ready = folder / "ready"
        self._waited = False

    @property
    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self._child.poll() is None

    def client(self) -> Client:
        """Return a client of its own for whoever asks, in whatever thread."""
        return Client(self._address)

    def said(self) -> str:
        """Return what it has written to stderr: errors, should there be any."""
        return self._errors.read_text(errors="replace").strip()

    def end(self) -> None:
        """End it, and wait until it is gone."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(END)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._folder.cleanup()

    def wait(self) -> None:
        """Wait until it is ready, if it is not; raises RuntimeError, and then it has ended."""
        if self._waited:
            return
        over = time.monotonic() + START
        while not self._ready.exists():
            if self._child.poll() is not None or time.monotonic() > over:
                said = self.said() or f"not ready after {START:g} s"
                self.end()
                raise RuntimeError(f"bustedwall did not start: {said}")
            time.sleep(0.002)
        with self.client() as client:
            client.proxy(_SPARE).delete()
        self._waited = True
