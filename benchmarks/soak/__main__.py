"""Much of everything for many minutes: `python benchmarks/soak --minutes N`.

Exit status: 0 all is back to base and accounted for, 1 it is not, 2 it could not run.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ledger import Ledger
from plays import PLAYS
from proxies import Promise, Proxy, config, policies
from vitals import Vitals, vitals

HERE = Path(__file__).parent

WARM_UP = 25.0
"""Seconds of the same churn before the base is measured: then code paths are imported, caches and
the allocator's pools are as large as this churn makes them. What grows after that, grows for ever."""

WARM_UP_PART = 1 / 12
"""Of a long run so much: its worst moment asks for more at once than that of half a minute, and an arena
of Python's, 1 MiB, is all of the slack; 53,000 flows one after the other added 0.1 MB."""

AT_ONCE = 48
"""Clients at once."""

DRAIN = 150.0
"""Seconds for which flows may last after the last client has come."""

ORPHANS = 40.0
"""Seconds for which flows may last that no peer has any more; the proxy gives an orphan 30."""

TIDY = 22.0
"""Seconds after which the proxy has given back the pipes and the freed memory that it needs no more."""

FIRE = 1.7
"""Seconds between two signals that fire rules."""

RELOAD = 5.0
"""Seconds between two reloads; each has other policies, and every fifth config is wrong."""

SLACK = 0.02
"""By how much something may be more than at the base. Less is no leak."""

AT_REST = 0.05
"""CPU time per second that a process at rest may use."""


class Wall:
    """The proxy in a process of its own."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self._config, self._errors = folder / "config.yaml", folder / "stderr"
        self.journal = folder / "journal.jsonl"
        self._upstream = upstream
        self._commands, self._state = folder / "commands", folder / "state.json"
        self._turn = 0
        self.has_guest = False
        """Whether the proxy that comes and goes is there."""
        self.reloads = self.refusals = 0
        """How many reloads were asked for; of these, with a config that is wrong."""
        self.signals = 0
        """How many signals were fired."""
        self.proxies = {proxy.name: proxy for proxy in policies(0)}
        self._write(policies(0))
        command: list[str | Path] = [sys.executable, "-m", "bustedwall", "run", self._config, "--quiet"]
        command += ["--command-file", self._commands, "--state-file", self._state]
        with self._errors.open("wb") as errors:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.pid = self._child.pid
        self.addresses: dict[str, tuple[str, int]] = {}
        assert self._child.stdout is not None
        for line in self._child.stdout:
            _, name, address = line.split()
            host, _, port = address.rpartition(":")
            self.addresses[name] = host, int(port)
            if len(self.addresses) == len(self.proxies):
                break
        else:
            raise SystemExit(f"bustedwall does not start: {self.errors()}")

    def _write(self, proxies: Sequence[Proxy]) -> None:
        self._config.write_text(json.dumps(config(proxies, self._upstream, str(self.journal))))

    def check(self) -> None:
        """Give up if it has ended."""
        if (status := self._child.poll()) is not None:
            raise SystemExit(f"bustedwall has ended with status {status} and said: {self.errors()}")

    def errors(self) -> str:
        return self._errors.read_text()

    def fire(self) -> None:
        """Fire a signal of the policies, and ask for the state."""
        commands = os.open(self._commands, os.O_WRONLY | os.O_NONBLOCK)  # which fails if nobody reads
        os.write(commands, f"signal {('one', 'two')[self.signals % 2]}\nstate\n".encode())
        os.close(commands)
        self.signals += 1

    def reload(self) -> None:
        """Change the config, have the journal moved away, and ask for a reload."""
        self._turn += 1
        self._write(policies(self._turn))
        self.reloads += 1
        wrong = self._turn % 5 == 0
        self.has_guest = self.has_guest if wrong else self._turn % 2 == 1
        if wrong:
            self.refusals += 1
            self._config.write_text(self._config.read_text().replace('"policies"', '"polices"', 1))
        self.journal.rename(self.journal.with_suffix(f".{self._turn}"))
        os.kill(self.pid, signal.SIGHUP)

    def end(self) -> int:
        """End it and return its exit status."""
        self._child.terminate()
        try:
            return self._child.wait(60)
        finally:
            self._child.kill()


class Peers:
    """The clients and servers in a process of their own."""

    def __init__(self, seed: int) -> None:
        command: list[str | Path] = [sys.executable, HERE / "peers.py", str(seed)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        told = self.hear(30.0)
        assert told is not None
        self.port = told["port"]

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def ask(self, **what: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(what) + "\n")
        self._child.stdin.flush()

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """Return what they say next, or None if they say nothing for so long."""
        try:
            told = self._lines.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if told is None:
            raise SystemExit("the peers have ended")
        return told

    def end(self) -> None:
        self._child.kill()
        self._child.wait()


class Soak:
    """The run: rounds of churn, and what is looked at between them."""

    def __init__(self, wall: Wall, peers: Peers) -> None:
        self.wall, self.peers = wall, peers
        whole = frozenset(play.name for play in PLAYS if play.whole)
        self.ledger = Ledger(wall.journal, wall.proxies, whole)

    def round(self, seconds: float) -> Vitals:
        """Churn for so long, wait for the end of the last flow, and return what the proxy holds then."""
        self.peers.ask(seconds=seconds, at_once=AT_ONCE)
        now = time.monotonic()
        limit = now + seconds + DRAIN
        ticks: list[list[Any]] = [
            [now + FIRE, FIRE, self.wall.fire],
            [now + RELOAD, RELOAD, self._reload],
            [now + 1, 1.0, self._settle],
        ]
        while (now := time.monotonic()) < limit:
            for tick in ticks:
                if tick[0] <= now:
                    tick[0] = now + tick[1]
                    tick[2]()
            told = self.peers.hear(min(tick[0] for tick in ticks) - now)
            if told is None:
                continue
            if "round" in told:
                break
            self.ledger.end_told(told)
        else:
            self.ledger.breach(f"flows still hang {DRAIN:.0f} s after the last client has come")
        self._wait_for_flows()
        self._end_guest()
        time.sleep(TIDY)
        return vitals(self.wall.pid)

    def _end_guest(self) -> None:
        """Reload until the proxy that comes and goes has gone: the base is without it."""
        limit = time.monotonic() + ORPHANS
        while time.monotonic() < limit:
            self._settle()
            if self.ledger.reloads() == self.wall.reloads and self.ledger.rotated():
                if not self.wall.has_guest:
                    return
                self.wall.reload()
            time.sleep(0.1)
        self.ledger.breach("a reload is not done")

    def _reload(self) -> None:
        """Ask for the next reload, if the one before is done."""
        if self.ledger.reloads() == self.wall.reloads and self.ledger.rotated():
            self.wall.reload()

    def _settle(self) -> None:
        self.wall.check()
        self.ledger.read()
        self.ledger.settle()

    def _wait_for_flows(self) -> None:
        """Wait until no flow is open: their peers have ended."""
        limit = time.monotonic() + ORPHANS
        self._settle()
        while flows := self.ledger.open_flows():
            if time.monotonic() > limit:
                for flow in flows:
                    self.ledger.breach(f"open, and no peer has it any more: {flow}")
                return
            time.sleep(0.1)
            self._settle()


def report(ledger: Ledger, base: Vitals, end: Vitals) -> bool:
    """Print the tables; tell whether all is well."""
    well = not ledger.breached
    print(f"{'at rest':<14}{'base':>10}{'end':>10}")
    for field in fields(Vitals):
        name = field.name
        before, after = getattr(base, name), getattr(end, name)
        most = AT_REST if name == "cpu" else before * (1 + SLACK)
        well &= after <= most
        print(f"{name:<14}{before:>10}{after:>10}  {'' if after <= most else f'MORE than {most:.6g}'}")
    print(f"\nflows {ledger.flows}, whole {ledger.whole}, MB {ledger.bytes // 10**6}, discarded {ledger.discarded} B")
    for title, counts in (("plays", ledger.plays), ("facts", ledger.facts)):
        print(f"\n{title}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    for breach in ledger.breaches:
        print(f"BREACH {breach}")
    if ledger.breached:
        print(f"{ledger.breached} breaches")
    return well


def main() -> int:
    parser = argparse.ArgumentParser(description="Much of everything, for many minutes.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        peers = Peers(options.seed)
        try:
            wall = Wall(Path(folder), f"127.0.0.1:{peers.port}")
            try:
                peers.ask(
                    addresses={
                        name: [
                            *address,
                            wall.proxies[name].weight,
                            hopeful(wall.proxies[name]),
                            wall.proxies[name].door,
                        ]
                        for name, address in wall.addresses.items()
                    }
                )
                soak = Soak(wall, peers)
                base = soak.round(max(WARM_UP, options.minutes * 60 * WARM_UP_PART))
                end = soak.round(options.minutes * 60)
            finally:
                status = wall.end()
        finally:
            peers.end()
        soak.ledger.read_out()
        soak.ledger.settle(final=True)
        said = wall.errors()
        refused = said.count("the reload failed")
        if status or refused != wall.refusals or any(word in said for word in ("Traceback", "a bug of", "facts")):
            soak.ledger.breach(f"bustedwall ended with status {status} and said: {said[-3000:]}")
        if soak.ledger.facts["signal-fired"] != wall.signals:
            soak.ledger.breach(f"{wall.signals} signals were fired, and as many facts are to be")
        if (soak.ledger.reloads(), soak.ledger.facts["reload-failed"]) != (wall.reloads, wall.refusals):
            soak.ledger.breach(f"{wall.reloads} reloads, of which {wall.refusals} were to fail")
        return 0 if report(soak.ledger, base, end) else 1


def hopeful(proxy: Proxy) -> bool:
    """Tell whether all that is said through a proxy is to arrive."""
    return proxy.promise is Promise.WHOLE and not proxy.door


if __name__ == "__main__":
    sys.exit(main())
