"""The scripts of configs/scripts, run as they are, with traffic through the proxy that they break."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.control.api import Api, served

pytestmark = pytest.mark.timeout(300)  # a dozen processes one after the other

SCRIPTS = Path(__file__).parents[2] / "configs" / "scripts"

RESPONSE = bytes(1000)


class Traffic:
    """A client that asks again and again, and a server that answers; both bear whatever happens to them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._over = threading.Event()
        self._threads = [threading.Thread(target=part) for part in (self._serve, self._ask, self._ask)]
        api.run.server.settimeout(0.2)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _serve(self) -> None:
        while not self._over.is_set():
            with suppress(OSError):
                end, _ = self._api.run.server.accept()
                with end:
                    end.settimeout(5)
                    if end.recv(100):
                        end.sendall(RESPONSE)

    def _ask(self) -> None:
        while not self._over.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._api.run.port), timeout=5) as end:
                end.sendall(b"question")
                while end.recv(4096):
                    pass
            self._over.wait(0.005)


@contextmanager
def traffic(api: Api) -> Iterator[None]:
    one = Traffic(api)
    try:
        yield
    finally:
        one.stop()


def run(api: Api, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script, with `bustedwall` as its neighbour."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = os.environ | {"PATH": path, "BUSTEDWALL_CONTROL": f"127.0.0.1:{api.port}"}
    return subprocess.run(words, env=environ, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.long("a session of seconds")
@pytest.mark.parametrize("words", [["sh", str(SCRIPTS / "chaos.sh")], [sys.executable, str(SCRIPTS / "chaos.py")]])
def test_a_session_goes_to_its_end_and_leaves_nothing(tmp_path: Path, words: list[str]) -> None:
    with served(tmp_path, "--journal", str(tmp_path / "journal.jsonl")) as api:
        with traffic(api):
            ended = run(api, *words, "proxy")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert api.get("/api/v1/proxies/proxy")["policies"] == []
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    done = [fact["what"] for fact in map(json.loads, lines) if fact["fact"] == "control-changed"]
    assert done[0].startswith("slow-link (delay=20ms)")
    assert any(one.startswith("vanish ") for one in done)


@pytest.mark.long("it waits for what does not come")
def test_a_session_that_fails_leaves_nothing_either(tmp_path: Path) -> None:
    with served(tmp_path) as api, socket.create_connection(("127.0.0.1", api.run.port), timeout=20):
        # A flow is open, and nothing is ever said on it: no response is there to reset.
        ended = run(api, sys.executable, str(SCRIPTS / "chaos.py"), "proxy", "0.2")
        assert ended.returncode == 1
        assert "not met within 0.2 s" in ended.stderr
        assert api.get("/api/v1/proxies/proxy")["policies"] == []
        assert run(api, "sh", str(SCRIPTS / "chaos.sh"), "nix").returncode != 0
