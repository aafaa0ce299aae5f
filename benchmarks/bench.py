"""Measure bustedwall against HAProxy: `python benchmarks/bench.py`, see README.md.

Exit status: 0 all targets met, 1 not all met, 2 could not run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import namespace
from measures import measures
from problem import CannotRunError
from processes import Processes, build_load
from relays import HERE, Relays, haproxy_program
from report import as_data, judge, print_values, print_verdicts
from rounds import Plan, Runner

GROUPS = ("bulk", "free", "seen", "ping", "connect", "recorded", "idle", "latency", "rate")
FULL = Plan(rounds=7, warmup=0.25, seconds=0.75)
QUICK = Plan(rounds=2, warmup=0.15, seconds=0.35)
FLOWS = 10_000
SPARE_FILES = 200


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        namespace.enter()
        return _run(options)
    except CannotRunError as problem:
        print(f"benchmarks: {problem}", file=sys.stderr)
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
    return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few and short samples: does it work, not how fast is it")
    parser.add_argument("--rounds", type=int, help=f"samples of each kind ({FULL.rounds}, quick: {QUICK.rounds})")
    parser.add_argument("--only", default=",".join(GROUPS), help="some of %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write targets and all samples")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(GROUPS):
        parser.error(f"--only knows {', '.join(GROUPS)}, not {', '.join(sorted(unknown))}")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds begins at 1")
    return options


def _run(options: argparse.Namespace) -> int:
    plan = QUICK if options.quick else FULL
    plan = Plan(options.rounds or plan.rounds, plan.warmup, plan.seconds)
    chosen = [m for m in measures(_flows(), 20 if options.quick else 100) if m.group in options.only]
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="bustedwall-benchmarks-") as folder, Processes(Path(folder)) as processes:
        load = build_load(HERE / "load", Path(folder))
        results = Runner(load, Relays(processes, load), plan).run(chosen)
    verdicts = judge(chosen, results)
    print_values(chosen, results)
    print_verdicts(verdicts)
    print(f"\nStrangers were busy: {results.repeated} samples repeated, {results.disturbed} used although disturbed.")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine} | as_data(verdicts, results), indent=1) + "\n")
    return 0 if all(verdict.met for verdict in verdicts) else 1


def _flows() -> int:
    """Return how many flows fit: each costs a relay two file descriptors, and the limit may be hard."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return FLOWS if hard == resource.RLIM_INFINITY else min(FLOWS, (hard - SPARE_FILES) // 2)


def _machine() -> dict[str, str]:
    said = subprocess.run([haproxy_program(), "-v"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\S+)", said)
    return {
        "bustedwall": version("bustedwall"),
        "Python": platform.python_version(),
        "Twisted": version("twisted"),
        "HAProxy": found[1] if found else "?",
        "Linux": platform.release(),
        "processors": str(len(os.sched_getaffinity(0))),
        "congestion control": (namespace.IPV4 / "tcp_congestion_control").read_text().strip(),
        "flows": str(_flows()),
    }


if __name__ == "__main__":
    sys.exit(main())
