"""How long suites and tests wait for us: 100 scenarios of a second, 8 at once; a process of proxies; one proxy.

Prints each with its target. Exit status: 0 all are met, 1 one is not.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bustedwall.child.process import Process

SCENARIOS, AT_ONCE, STARTS, PROXIES = 100, 8, 5, 50

SUITE = """\
version: 1
suite: hundred
services:
  - name: web
    run: ["{python}", -m, http.server, "{port}", --bind, 127.0.0.1, --directory, "{folder}"]
proxies: [{name: site, upstream: "{web.address}"}]
scenarios:
  - name: second
    matrix: {n: [N]}
    policies: [slow-link: {delay: 1ms}]
    run: curl -sSf -o /dev/null http://{site.address}/ && sleep 1
"""


def suite() -> tuple[float, int]:
    """Return how long the suite takes, and its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hundred.yaml"
        path.write_text(SUITE.replace("[N]", str(list(range(SCENARIOS)))))
        began = time.perf_counter()
        command = [sys.executable, "-m", "bustedwall", "test", str(path), "--jobs", str(AT_ONCE)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        return time.perf_counter() - began, done.returncode


def starts() -> tuple[float, float]:
    """Return the median of what a process takes to start, and of what a proxy takes from its making to its end."""
    seconds, proxies = [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        process = Process(7)
        process.wait()
        seconds.append(time.perf_counter() - began)
        with process.client() as client:
            for number in range(PROXIES):
                began = time.perf_counter()
                proxy = client.proxy(f"p{number}")
                proxy.put(upstream="127.0.0.1:9")
                assert proxy.address
                proxy.clear()
                proxy.delete(drain=0)
                proxies.append(time.perf_counter() - began)
        process.end()
    return statistics.median(seconds), statistics.median(proxies)


def told(what: str, value: float, unit: str, most: float) -> bool:
    met = value <= most
    print(f"{what}: {value:.3g} {unit}; target at most {most:g} {unit}: {'met' if met else 'not met'}")
    return met


def main() -> int:
    whole, status = suite()
    start, proxy = starts()
    held = [
        told(f"{SCENARIOS} scenarios of 1 s, {AT_ONCE} at once", whole, "s", 25),
        told("a process of proxies starts in", start, "s", 0.5),
        told("a proxy, from its making to its end", proxy * 1000, "ms", 5),
    ]
    if status:
        print(f"not met: the suite ended with {status}")
    return not all(held) or status != 0


if __name__ == "__main__":
    sys.exit(main())
