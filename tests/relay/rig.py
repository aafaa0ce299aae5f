"""A running bustedwall in a process of its own, with peers on both sides of it.

What the proxy itself has seen is read from its journal.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.record.valid import wrong
from tests.relay.peers import HANG, LOCALHOST, VERSIONS, Upstream, at, dial, hang_up, until

Fact = dict[str, Any]

EVIDENCE = ("loss-evidence", "ending-evidence")
"""Facts that prove others, with the kernel's counters."""


@dataclass(frozen=True)
class Door:
    """A proxy to run: its upstream, and what it uses of policies, as a config says it."""

    name: str
    upstream: str
    policies: Sequence[object] = ()
    listen: str = "127.0.0.1:0"
    more: Mapping[str, object] = field(default_factory=dict)
    """Other keys of the proxy."""


class Wall:
    """A child process that runs `bustedwall run CONFIG`, or a program that takes its place.

    It does not wait for open flows when it is to end, unless an option says so.
    """

    def __init__(
        self, folder: Path, doors: Sequence[Door], *options: str, program: Sequence[str] | None = None
    ) -> None:
        self._journal = folder / "journal.jsonl"
        self._journal_at = 0
        self._reading = threading.Lock()
        self._facts: list[Fact] = []
        self._said = b""
        self._errors = folder / "stderr"
        self.config = folder / "config.yaml"
        self.configure(doors)
        with self._errors.open("wb") as errors:
            self._child = subprocess.Popen(
                program or [sys.executable, "-m", "bustedwall", "run", str(self.config), "--drain", "0s", *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
            )
        self.pid = self._child.pid
        try:
            self.lines = self.more_lines(len(doors))
        except BaseException:
            self._child.kill()
            self.wait()
            raise
        self.addresses: dict[str, tuple[str, int]] = {}
        for line in self.lines:
            _, name, address = line.split(" ")
            host, _, port = address.rpartition(":")
            self.addresses[name] = (host.strip("[]"), int(port))

    def configure(self, doors: Sequence[Door], **keys: object) -> None:
        """Write the config; who wants it read again sends SIGHUP."""
        proxies = [
            {"name": d.name, "listen": d.listen, "upstream": d.upstream, "policies": list(d.policies), **d.more}
            for d in doors
        ]
        config = {"version": 1, "journal": str(self._journal), "proxies": proxies} | keys
        self.config.write_text(json.dumps(config))

    def fact(self, name: str, count: int = 1) -> Fact:
        """Return the fact of this name, the last of so many, as soon as it is recorded."""
        return told_by(self.facts, name, count)

    def more_lines(self, count: int) -> list[str]:
        """Return the next lines that it says on stdout."""
        assert self._child.stdout is not None
        fd, deadline = self._child.stdout.fileno(), time.monotonic() + 3 * HANG
        while self._said.count(b"\n") < count:
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(fd, 65536) if ready else b""
            assert data, f"bustedwall says no more: {self._said!r} {self.errors()}"
            self._said += data
        *lines, self._said = self._said.split(b"\n", count)
        return [line.decode() for line in lines]

    def errors(self) -> str:
        """Return what it has said on stderr."""
        return self._errors.read_text()

    def facts(self) -> list[Fact]:
        """Return all that it has recorded so far; any thread of a test may ask."""
        with self._reading, self._journal.open("rb") as file:
            file.seek(self._journal_at)
            whole, newline, _ = file.read().rpartition(b"\n")
            self._journal_at += len(whole) + len(newline)
            self._facts += map(json.loads, whole.splitlines())
        return self._facts

    def at_rest(self) -> list[str]:
        """Return its descriptors when each flow that it has told of is closed; the last of a test may linger."""

        def over() -> bool:
            told = [fact["fact"] for fact in self.facts()]
            return told.count("flow-accepted") == told.count("flow-closed")

        until(over, "all flows are closed")
        return self.descriptors()

    def descriptors(self) -> list[str]:
        """Return what its open descriptors are, but for the pipes that it keeps for splice."""
        links = []
        for fd in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                links.append(str(fd.readlink()))
            except FileNotFoundError:
                continue  # closed meanwhile
        return sorted(link for link in links if not link.startswith("pipe:"))

    def pipes(self) -> int:
        """Return how many ends of pipes it has."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir())) - len(self.descriptors())

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._child.send_signal(number)

    def wait(self) -> int:
        """Return its exit code once it has ended."""
        assert self._child.stdout is not None
        code = self._child.wait(HANG)
        self._child.stdout.close()
        return code

    def stop(self) -> int:
        """End it; return its exit code. Fails if it has shown a bug."""
        if self._child.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise
        errors = self.errors()
        assert "Traceback" not in errors, errors
        assert "a bug of bustedwall" not in errors, errors
        assert not (odd := wrong(self.facts())), odd
        return code


# ---- a flow with its two ends


@dataclass
class Talk:
    """One flow: the client, the server, and what the proxy has recorded of it."""

    wall: Wall
    proxy: str
    client: socket.socket
    server: socket.socket | None
    _name: str = field(init=False)

    def __post_init__(self) -> None:
        self._name = at(*self.client.getsockname()[:2])
        self.ports = (self.client.getsockname()[1], self.wall.addresses[self.proxy][1])
        """The client's and the proxy's."""

    def facts(self) -> list[Fact]:
        """Return what is recorded of this flow so far."""
        own = [fact for fact in self.wall.facts() if fact["proxy"] == self.proxy and fact["flow"] is not None]
        number = next(
            (f["flow"] for f in reversed(own) if f["fact"] == "flow-accepted" and f["client"] == self._name), 0
        )
        return [fact for fact in own if fact["flow"] == number]

    def wait(self, name: str, count: int = 1) -> Fact:
        """Return the fact of this name, the last of so many, as soon as it is recorded."""
        return told_by(self.facts, name, count)

    def story(self) -> list[str]:
        """Return what happened to this flow, as words and without the evidence, once it is closed."""
        self.wait("flow-closed")
        return [told(fact) for fact in self.facts() if fact["fact"] not in EVIDENCE]


def told_by(facts: Callable[[], list[Fact]], name: str, count: int) -> Fact:
    """Wait for a fact of this name, the last of so many."""

    def found() -> list[Fact]:
        named = [fact for fact in facts() if fact["fact"] == name]
        return named if len(named) >= count else []

    return until(found, f"{count} times the fact {name}")[count - 1]


def told(fact: Fact) -> str:
    """Write a fact as its name and the values that a test can know."""
    unknown = {
        "schema",
        "at",
        "proxy",
        "flow",
        "fact",
        "client",
        "upstream",
        "via",
        "address",
        "seconds",
        "error",
        "to_prove",
    }
    values = [str(value) for key, value in fact.items() if key not in unknown]
    error = [fact["error"]] if fact.get("error") else []
    return " ".join([fact["fact"], *values, *error])


class Rig:
    """Proxies, each before an upstream of its own IP version, and the talks of one test."""

    def __init__(self, folder: Path, policies: Mapping[str, Sequence[object]], *, buffer: int | None = None) -> None:
        self.upstreams = {version: Upstream(version, buffer=buffer) for version in VERSIONS}
        self._commands = folder / "commands"
        self.wall = Wall(
            folder,
            [
                Door(f"{name}-{version}", self.upstreams[version].address, uses, at(LOCALHOST[version], 0))
                for name, uses in policies.items()
                for version in VERSIONS
            ],
            "--quiet",
            "--command-file",
            str(self._commands),
        )

    def fire(self, name: str) -> None:
        """Fire a signal on all proxies."""
        with self._commands.open("w") as commands:
            commands.write(f"signal {name}\n")

    def dial(self, proxy: str, version: int, *, buffer: int | None = None) -> Talk:
        """Connect a client; whether the proxy reaches its upstream is the test's affair."""
        name = f"{proxy}-{version}"
        client = dial(self.wall.addresses[name], buffer=buffer)
        return Talk(self.wall, name, client, None)

    def connect(self, proxy: str, version: int, *, buffer: int | None = None) -> Talk:
        """Connect a client and accept what the proxy dials for it."""
        talk = self.dial(proxy, version, buffer=buffer)
        talk.server = self.upstreams[version].accept()
        return talk

    def hang_up(self) -> None:
        """End what a test has left open."""
        hang_up()
        for upstream in self.upstreams.values():
            upstream.forget()

    def stop(self) -> None:
        """End the proxies."""
        self.hang_up()
        for upstream in self.upstreams.values():
            upstream.sock.close()
        assert self.wall.stop() == 0


def policy(folder: Path, name: str, steps: Sequence[object], when: object = "open") -> str:
    """Write a policy file of one rule; return its path, as a config names it."""
    path = folder / f"{name}.yaml"
    rule = {"name": "rule", "when": when, "do": list(steps)}
    path.write_text(json.dumps({"version": 1, "name": name, "summary": "A test's own.", "rules": [rule]}))
    return str(path)


@contextmanager
def running(
    folder: Path, policies: Mapping[str, Sequence[object]] | None = None, *, buffer: int | None = None
) -> Iterator[Rig]:
    """Run a proxy per name and IP version, with the policies of that name."""
    rig = Rig(folder, {"plain": ()} if policies is None else policies, buffer=buffer)
    try:
        yield rig
    finally:
        rig.stop()
