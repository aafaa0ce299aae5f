"""How long a config with 200 policies takes to load, each from a file of its own, as `run` and a reload load it.

Prints the median and the slowest of the rounds. Exit status: 0 the target is met, 1 it is not.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from bustedwall.policy import library
from bustedwall.policy.load import load_config

POLICIES = 200
ROUNDS = 7
TARGET = 1.0
"""Seconds."""


def write(folder: Path) -> Path:
    """Write the policies of the library under as many names as are needed, and a config that uses them all.

    As many proxies share them out as there are in the library, for some do not go together.
    """
    known = [path for name in library.names() if (path := library.find(name)) is not None]
    texts = {path.stem: path.read_text(encoding="utf-8") for path in known}
    uses: list[list[str]] = [[] for _ in known]
    for i in range(POLICIES):
        name = known[i % len(known)].stem
        (folder / f"{name}-{i}.yaml").write_text(texts[name].replace(f"name: {name}\n", f"name: {name}-{i}\n", 1))
        uses[i % len(known)].append(f"./{name}-{i}.yaml")
    config = folder / "config.yaml"
    proxies = [
        f'  - {{name: p{number}, listen: "127.0.0.1:0", upstream: "127.0.0.1:1", policies: {some}}}\n'
        for number, some in enumerate(uses)
    ]
    config.write_text("version: 1\nproxies:\n" + "".join(proxies))
    return config


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        config = write(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        seconds: list[float] = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            load_config(config)
            seconds.append(time.perf_counter() - began)
    median = statistics.median(seconds)
    met = "met" if median <= TARGET else "not met"
    print(f"{POLICIES} policies, {size >> 10} KiB: median {median:.2f} s, slowest {max(seconds):.2f} s", end="; ")
    print(f"target at most {TARGET:g} s: {met}")
    return median > TARGET


if __name__ == "__main__":
    sys.exit(main())
