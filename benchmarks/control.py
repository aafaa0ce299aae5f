"""What the data plane loses while its control API is used: `python benchmarks/control.py`, see README.md.

500 flows with 20 round trips of 64 bytes a second each are timed, in turn without and beside 200 API calls a
second. Exit status: 0 the 99th percentile beside the calls is within 20 % of that without them; 1 it is not.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

from processes import Processes, build_load, run_load
from relays import HERE, PROXY, number_after

PRECEDENCE = -20

FLOWS, RATE, CALLS = 500, 20, 200
WANTED = 1.2

POLICY = {"values": {"give_up": "1s"}}
ASKED: list[tuple[str, str, object]] = [
    ("GET", "/api/v1/proxies/busy", None),
    ("GET", "/api/v1/flows?proxy=busy&limit=20", None),
    ("PUT", "/api/v1/proxies/spare/policies/gave-up-rst", POLICY),
    ("GET", "/api/v1/facts?limit=20", None),
    ("GET", "/metrics", None),
    ("POST", "/api/v1/wait", {"flows": {"proxy": "busy", "at_least": 1}}),
    ("GET", "/readyz", None),
    ("DELETE", "/api/v1/proxies/spare/policies/gave-up-rst", None),
]
"""What is asked, over and over: what a test that watches asks, and a policy that comes and goes on another proxy."""


CONFIG = """\
version: 1
control: {{listen: "127.0.0.1:0"}}
proxies:
  - {{name: busy, listen: "127.0.0.1:0", upstream: "127.0.0.1:{upstream}"}}
  - {{name: spare, listen: "127.0.0.1:0", upstream: "127.0.0.1:{upstream}"}}
"""


def ask(port: int) -> None:
    """Ask as often as is wanted until standard input ends; print how it went."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    statuses: Counter[str] = Counter()
    times: list[float] = []
    began = due = time.monotonic()
    for method, path, body in cycle(ASKED):
        if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            break
        due += 1 / CALLS
        asked = time.monotonic()
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {} if body is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        times.append(time.monotonic() - asked)
        statuses[str(answer.status)] += 1
    rate = len(times) / (time.monotonic() - began)
    print(json.dumps({"rate": rate, "statuses": statuses, "p50_ms": statistics.median(times) * 1e3}))


@contextmanager
def calling(port: int) -> Iterator[dict[str, Any]]:
    """Ask beside what is done here; afterwards fill in how it went."""
    told: dict[str, Any] = {}
    command = [sys.executable, __file__, "--ask", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asker:
        yield told
        told |= json.loads(asker.communicate()[0])


def compare(rounds: int, seconds: float) -> int:
    """Take turns, print each, and the medians."""
    quiet: list[float] = []
    beside: list[float] = []
    with tempfile.TemporaryDirectory() as name, Processes(Path(name)) as processes:
        folder = Path(name)
        load = build_load(HERE / "load", folder)
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, PRECEDENCE)  # and of all that is started; who asks gives it up again
        _, upstream = processes.start("backend", [load, "serve"], number_after('{"port":'))
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(upstream=upstream))
        env = os.environ | {"PYTHONPATH": str(PROXY)}
        command = [sys.executable, "-m", "bustedwall", "run", config, "--drain", "0s"]
        pid, door = processes.start("bustedwall", command, number_after(r"listening busy 127\.0\.0\.1:"), env)
        _, _, after = (folder / "bustedwall.log").read_text().partition("listening control 127.0.0.1:")
        control = int(after.split()[0])
        options = ["paced", "--port", door, "--connections", FLOWS, "--expect", RATE, "--relay-pid", pid]
        options += ["--warmup", 1, "--seconds", seconds]
        for _ in range(rounds):
            alone = run_load(load, options)
            with calling(control) as calls:
                together = run_load(load, options)
            for result in (alone, together):
                if "error" in result:
                    print(result["error"])
                    return 1
            quiet.append(alone["p99_us"])
            beside.append(together["p99_us"])
            print(
                f"p50 {alone['p50_us']:.0f} p99 {quiet[-1]:.0f} us; beside the API {together['p50_us']:.0f} "
                f"{beside[-1]:.0f}; {together['per_s']:.0f} requests/s, {calls['rate']:.0f} calls/s of "
                f"{calls['p50_ms']:.1f} ms, {calls['statuses']}",
                flush=True,
            )
    ratio = statistics.median(beside) / statistics.median(quiet)
    met = ratio <= WANTED
    print(f"99th percentile x {ratio:.2f}, wanted {WANTED}: {'met' if met else 'NOT MET'}")
    return 0 if met else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="What the data plane loses while its control API is used.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each sample")
    parser.add_argument("--ask", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask is None:
        return compare(options.rounds, options.seconds)
    ask(options.ask)
    return 0


if __name__ == "__main__":
    sys.exit(main())
