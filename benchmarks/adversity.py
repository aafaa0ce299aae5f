"""What flows that are not concerned lose while others misbehave: `python benchmarks/adversity.py`.

Round trips of 64 bytes on 8 connections, 100 a second each, are timed for some seconds, in turn with
nothing else going on and beside each adversity, through bustedwall and through HAProxy: what both lose
is lost to the processors. Needs bustedwall's Python environment and Debian's haproxy.
Exit status: 0 each 99th percentile is within 20 % of the quiet one, or of what HAProxy's is beside the
same; 1 not all are.

As root it gives what it measures, the relays and the two ends of these round trips, precedence over
those who misbehave: all share the same processors, and it is not the scheduler that is on trial.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from relays import haproxy_program

CONNECTIONS, INTERVAL = 8, 0.01
WANTED = 1.2
STORM = 500
"""Connects at once in a storm; one follows the other."""

RESET = struct.pack("ii", 1, 0)

Address = tuple[str, int]

PRECEDENCE = -20


def prefer(process: subprocess.Popen[str]) -> None:
    """Give a process precedence, where that is allowed."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, process.pid, PRECEDENCE)


# ---- the peers, each in a process of its own


async def echo() -> None:
    """Say again what is heard, for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ping(port: int, seconds: float) -> None:
    """Connect, say so, wait to be told, then time round trips and print them as JSON, in seconds."""
    times: list[float] = []

    async def one(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(number * INTERVAL / CONNECTIONS)
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            writer.write(b"." * 64)
            await reader.readexactly(64)
            times.append(time.monotonic() - began)
            await asyncio.sleep(INTERVAL)
        writer.close()

    ends = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)))
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(one(number, *end) for number, end in enumerate(ends)))
    print(json.dumps(times))


# ---- adversities: each goes on until its block is left


@contextmanager
def nothing(_: int, __: Address) -> Iterator[None]:
    yield


@contextmanager
def deaf_clients(_: int, door: Address) -> Iterator[None]:
    """Clients that have said much, which was echoed, and never read."""
    with ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(socket.create_connection(door))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.settimeout(0.2)
            with suppress(TimeoutError):
                while True:
                    client.send(bytes(1 << 20))
        yield


@contextmanager
def no_descriptors(pid: int, door: Address) -> Iterator[None]:
    """No descriptor is left, and clients wait at the door."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = max(int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir()) + 1
    with ExitStack() as stack:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
        stack.callback(resource.prlimit, pid, resource.RLIMIT_NOFILE, before)
        for _ in range(50):
            client = stack.enter_context(socket.create_connection(door))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        yield


@contextmanager
def storm(_: int, door: Address) -> Iterator[None]:
    """Hundreds of clients at once, that reset, again and again; in a process of its own."""
    with subprocess.Popen([sys.executable, __file__, "--storm", str(door[1])]) as process:
        yield
        process.kill()


def storms(port: int) -> None:
    while True:
        clients = [socket.socket() for _ in range(STORM)]
        for client in clients:
            client.settimeout(0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.connect_ex(("127.0.0.1", port))
        time.sleep(0.5)
        for client in clients:
            client.close()
        time.sleep(0.5)


ADVERSITIES: dict[str, Callable[[int, Address], contextmanager[None]]] = {  # type: ignore[valid-type]  # what they make
    "8 clients that never read": deaf_clients,
    "no descriptor left, 50 clients wait": no_descriptors,
    f"{STORM} connects at once, every second": storm,
}


def sample(adversity: object, pid: int, doors: dict[str, Address], seconds: float) -> tuple[float, float]:
    """Return the median and the 99th percentile of the round trips beside an adversity, in microseconds."""
    command = [sys.executable, __file__, "--ping", str(doors["healthy"][1]), "--seconds", str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        prefer(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with adversity(pid, doors["victims"]):  # type: ignore[operator]  # one of the above
            told, _ = process.communicate("go\n", timeout=seconds + 60)
    times = sorted(json.loads(told))
    return statistics.median(times) * 1e6, times[int(len(times) * 0.99)] * 1e6


# ---- what stands between


def start(folder: Path, upstreams: dict[str, int]) -> tuple[subprocess.Popen[str], dict[str, Address]]:
    """Run bustedwall with two proxies; return where they are."""
    proxies = [
        {"name": name, "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{port}"} for name, port in upstreams.items()
    ]
    config = folder / "config.yaml"
    config.write_text(json.dumps({"version": 1, "journal": str(folder / "journal.jsonl"), "proxies": proxies}))
    wall = subprocess.Popen(
        [sys.executable, "-m", "bustedwall", "run", config, "--quiet"], stdout=subprocess.PIPE, text=True
    )
    assert wall.stdout is not None
    doors = {}
    for _ in proxies:
        _, name, address = wall.stdout.readline().split()
        doors[name] = ("127.0.0.1", int(address.rpartition(":")[2]))
    return wall, doors


def start_haproxy(folder: Path, upstreams: dict[str, int]) -> tuple[subprocess.Popen[str], dict[str, Address]]:
    """Run HAProxy in the same place."""
    doors = {}
    with ExitStack() as stack:
        for name in upstreams:
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            doors[name] = sock.getsockname()
    config = folder / "haproxy.cfg"
    listens = "".join(
        f"listen {name}\n    bind 127.0.0.1:{doors[name][1]}\n    server backend 127.0.0.1:{port}\n"
        for name, port in upstreams.items()
    )
    config.write_text(HAPROXY_CONFIG + listens)
    rival = subprocess.Popen([haproxy_program(), "-db", "-f", config], stdout=subprocess.DEVNULL, text=True)
    for door in doors.values():
        until = time.monotonic() + 10
        while socket.socket().connect_ex(door):
            assert time.monotonic() < until, "HAProxy does not start"
            time.sleep(0.01)
    return rival, doors


HAPROXY_CONFIG = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 300s
    timeout server 300s
"""

BUSTEDWALL, HAPROXY = "bustedwall", "HAProxy"
RELAYS = {HAPROXY: start_haproxy, BUSTEDWALL: start}


def main() -> int:
    parser = argparse.ArgumentParser(description="What healthy flows lose while others misbehave.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each sample")
    for hidden in ("--echo", "--ping", "--storm"):
        parser.add_argument(hidden, nargs="?", type=int, const=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.echo is not None:
        asyncio.run(echo())
    elif options.ping is not None:
        asyncio.run(ping(options.ping, options.seconds))
    elif options.storm is not None:
        storms(options.storm)
    else:
        return compare(options.rounds, options.seconds)
    return 0


def compare(rounds: int, seconds: float) -> int:
    """Take turns, and print the medians."""
    well = True
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # A server each: that of the victims has its own trouble with them.
        servers = {name: run(stack, [sys.executable, __file__, "--echo"]) for name in ("healthy", "victims")}
        ports = {name: int(server.stdout.readline()) for name, server in servers.items() if server.stdout is not None}
        prefer(servers["healthy"])
        relays = {}
        for name, start_one in RELAYS.items():
            relays[name] = start_one(Path(folder), ports)
            stack.callback(end, relays[name][0])
            prefer(relays[name][0])
        print(f"{'p50 and p99 in us':<52}{'quiet':>14}{'beside it':>16}{'ratio':>8}")
        for adversity, act in ADVERSITIES.items():
            found: dict[str, list[tuple[tuple[float, float], tuple[float, float]]]] = {}
            for _ in range(rounds):
                for name, (process, doors) in relays.items():
                    if name == BUSTEDWALL or act is not no_descriptors:  # HAProxy counts its own, before it begins
                        pair = [sample(each, process.pid, doors, seconds) for each in (nothing, act)]
                        found.setdefault(name, []).append((pair[0], pair[1]))
            well &= judged(adversity, found)
    return 0 if well else 1


def judged(adversity: str, found: dict[str, list[tuple[tuple[float, float], tuple[float, float]]]]) -> bool:
    """Print what was found beside an adversity; tell whether it is as wanted."""
    ratios = {}
    for name, pairs in found.items():
        quiet, beside = (
            [statistics.median(pair[side][which] for pair in pairs) for which in (0, 1)] for side in (0, 1)
        )
        ratios[name] = beside[1] / quiet[1]
        figures = [f"{p50:.0f} {p99:.0f}" for p50, p99 in (quiet, beside)]
        row = f"{adversity + ', ' + name:<52}{figures[0]:>14}{figures[1]:>16}{ratios[name]:>8.2f}"
        if name != BUSTEDWALL:
            print(row, flush=True)
    met = ratios[BUSTEDWALL] <= WANTED * max(1.0, ratios.get(HAPROXY, 1.0))
    print(row, "met" if met else "NOT MET", flush=True)
    return met


def run(stack: ExitStack, command: list[str]) -> subprocess.Popen[str]:
    """Run a program until the stack is left."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stack.callback(end, process)
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
