"""Chromium, driven by its own protocol over a pipe: what a reader of a page sees and does."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browser:
    """One process, for as many pages as one likes."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("chromium")
        if program is None:
            pytest.fail("no program chromium: install Debian's chromium")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # It reads at 3 and writes at 4: what is ours must not be there.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs_in, theirs_out)]

        def place() -> None:
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        command = [program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe"]
        self._process = subprocess.Popen(
            command,
            preexec_fn=place,  # noqa: PLW1509 (two numbers that the program asks for; no thread runs here)
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        self._number = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        self.ask("Browser.close")
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:  # how soon it ends is no affair of ours
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def ask(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """Have something done, and return the answer; what comes meanwhile is kept."""
        number = next(self._number)
        told = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self._out, json.dumps(told).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def wait(self, method: str, session: str) -> None:
        """Wait for an event; it may have come."""
        while not any(one.get("method") == method and one.get("sessionId") == session for one in self.events):
            self.events.append(self._read())

    def open(self, page: Path, *, width: int = 1200, dark: bool = False, scripts: bool = True) -> Page:
        """Open a page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable", session)
        shown = Page(self, session)
        shown.look(dark=dark)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", session, **size)
        self.ask("Emulation.setScriptExecutionDisabled", session, value=not scripts)
        self.events.clear()
        self.ask("Page.navigate", session, url=page.as_uri())
        self.wait("Page.loadEventFired", session)
        return shown

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._in, 1 << 20)
            assert more, "chromium has ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


class Page:
    """One page that is open."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def look(self, media: str = "", *, dark: bool = False) -> None:
        """Have it be shown on another medium, such as `print`, or in another scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._browser.ask("Emulation.setEmulatedMedia", self._session, media=media, features=[scheme])

    def value(self, expression: str) -> Any:  # noqa: ANN401 (whatever JSON can be)
        """Return what an expression is there, once it is known."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        told = self._browser.ask("Runtime.evaluate", self._session, **asked)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true there."""
        look = f"const look = () => ({expression}) ? done() : setTimeout(look, 10)"
        self.value(f"new Promise(done => {{ {look}; look(); }})")

    def said(self) -> list[str]:
        """Return what the console has of errors and warnings."""
        self.value("0")
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(one) for one in self._browser.events if one.get("method") in kinds]

    def picture(self) -> bytes:
        """Return a PNG of the whole page."""
        told = self._browser.ask("Page.captureScreenshot", self._session, captureBeyondViewport=True)
        return base64.b64decode(told["data"])
