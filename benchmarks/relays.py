"""The relays that are compared, and the backend behind them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from problem import CannotRunError
from processes import Processes

HERE = Path(__file__).resolve().parent
PROXY = HERE.parent / "proxy"

DIRECT = "direct"
HAPROXY = "HAProxy"
HAPROXY_1M = "HAProxy 1M"
BUSTEDWALL = "bustedwall"
SEEN = "bustedwall, seen"
SLOW = "bustedwall, slow"
NARROW = "bustedwall, narrow"
SHARED = "bustedwall, shared"
PATIENT = "bustedwall, patient"
RECORDED = "recorded"

DELAY_MS = 100
NARROW_MB = 1
SHARED_MB = 10
PATIENCE = "350s"
"""Of silence, after which a rule resets; the time of an AWS network load balancer."""
NEEDLE = "HTTP/1.1 503 Service Unavailable"
"""What a rule waits for that has to see all bytes: letters that the load contains, in an order that it does not."""

HAPROXY_CONFIG = """\
global
    {settings}
defaults
    mode tcp
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    {options}
listen relay
    bind 127.0.0.1:{port}
    server backend {upstream}
"""

BUSTEDWALL_CONFIG = """\
version: 1
proxies:
  - {{name: {name}, listen: "127.0.0.1:0", upstream: "{upstream}", policies: [./{name}.yaml]}}
"""

POLICY = """\
version: 1
name: {name}
summary: for the benchmarks
rules: {rules}
"""


@dataclass(frozen=True, slots=True)
class Relay:
    """A running relay; `direct` is none, and has no pid."""

    port: int
    pid: int = 0


class Relays:
    """Starts relays by name, all with the same backend."""

    def __init__(self, processes: Processes, load: Path) -> None:
        self._processes = processes
        self._own_port = count(901)  # below what connections use as their own port
        self._own_address = count(2)
        self.backend_pid, self._backend = processes.start("backend", [load, "serve"], number_after('{"port":'))
        self._starters: dict[str, Callable[[], tuple[int, int]]] = {
            HAPROXY: lambda: self._haproxy("haproxy", "", ""),
            HAPROXY_1M: lambda: self._haproxy(
                "haproxy-1m",
                "tune.pipesize 1048576",
                "option splice-request\n    option splice-response",
            ),
            BUSTEDWALL: lambda: self._bustedwall("plain", self._plain()),
            SEEN: lambda: self._configured("seen", [_looks_for(NEEDLE, leg) for leg in ("client", "server")]),
            RECORDED: lambda: self._bustedwall("recorded", [*self._plain(), *self._recorded()]),
            PATIENT: lambda: self._configured(
                "patient", [{"name": "idle", "when": {"idle": PATIENCE}, "do": [{"reset": "both"}]}]
            ),
            SLOW: lambda: self._configured("slow", [_from_the_start({"latency": f"{DELAY_MS}ms from server"})]),
            NARROW: lambda: self._configured(
                "narrow", [_from_the_start({"bandwidth": f"{NARROW_MB}MB/s from server"})]
            ),
            SHARED: lambda: self._configured(
                "shared",
                [_from_the_start({"bandwidth": {"rate": f"{SHARED_MB}MB/s", "from": "server", "shared": True}})],
            ),
        }

    def start(self, name: str) -> Relay:
        """Start a relay and wait until it listens."""
        if name == DIRECT:
            return Relay(self._backend)
        pid, port = self._starters[name]()
        return Relay(port, pid)

    def stop(self, relay: Relay) -> None:
        """End a relay."""
        if relay.pid:
            self._processes.stop(relay.pid)

    def _upstream(self) -> str:
        """Return an address of the backend that is new, so that no relay inherits another's ports in TIME_WAIT."""
        return f"127.0.0.{next(self._own_address)}:{self._backend}"

    def _plain(self) -> list[str | Path]:
        return ["-m", "bustedwall", "run", "--listen", "127.0.0.1:0", "--upstream", self._upstream()]

    def _recorded(self) -> list[str | Path]:
        """Return what has all facts written and counted, and told to whoever asks."""
        return ["--journal", self._processes.folder / "journal.jsonl", "--metrics", "127.0.0.1:0"]

    def _haproxy(self, name: str, settings: str, options: str) -> tuple[int, int]:
        program = haproxy_program()
        port = next(self._own_port)
        config = self._processes.folder / f"{name}.cfg"
        config.write_text(
            HAPROXY_CONFIG.format(settings=settings, options=options, port=port, upstream=self._upstream())
        )

        def ready(_: str) -> int | None:
            with socket.socket() as probe:
                return port if probe.connect_ex(("127.0.0.1", port)) == 0 else None

        return self._processes.start(name, [program, "-db", "-f", config], ready)

    def _configured(self, name: str, rules: list[dict[str, Any]]) -> tuple[int, int]:
        folder = self._processes.folder
        config = folder / f"{name}-config.yaml"
        config.write_text(BUSTEDWALL_CONFIG.format(name=name, upstream=self._upstream()))
        (folder / f"{name}.yaml").write_text(POLICY.format(name=name, rules=json.dumps(rules)))
        return self._bustedwall(name, ["-m", "bustedwall", "run", config])

    def _bustedwall(self, name: str, arguments: list[str | Path]) -> tuple[int, int]:
        arguments = [*arguments, "--drain", "0s"]
        env = os.environ | {"PYTHONPATH": str(PROXY)}  # this checkout, whatever is installed
        return self._processes.start(
            f"bustedwall-{name}", [sys.executable, *arguments], number_after(r"listening \S+ 127\.0\.0\.1:"), env
        )


def _from_the_start(step: dict[str, Any]) -> dict[str, Any]:
    return {"name": "rule", "do": [step]}


def _looks_for(text: str, leg: str) -> dict[str, Any]:
    """Return a rule that sees all bytes of one side, because it waits for a text that never comes."""
    return {"name": f"look-{leg}", "when": {"contains": text, "from": leg}, "do": [{"reset": "both"}]}


def haproxy_program() -> str:
    """Return where HAProxy is."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise CannotRunError("haproxy is not on PATH; the benchmarks compare with it (Debian: apt install haproxy)")
    return program


def number_after(what: str) -> Callable[[str], int | None]:
    def find(log: str) -> int | None:
        found = re.search(rf"(?:{what})(\d+)\b", log)
        return int(found[1]) if found else None

    return find
