"""What flows that are not concerned lose while others misbehave: `python benchmarks/adversity.py`.

Round trips of 64 bytes on 8 connections, 100 a second each, are timed for some seconds, in turn with
nothing else going on and beside each adversity. Needs nothing but bustedwall's Python environment.
Exit status: 0 each 99th percentile is within 20 % of the quiet one, 1 not all are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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

CONNECTIONS, INTERVAL = 8, 0.01
WANTED = 1.2
STORM = 500
"""Connects at once in a storm; one follows the other."""

RESET = struct.pack("ii", 1, 0)

Address = tuple[str, int]


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
    """Time round trips and print them as JSON, in seconds."""
    times: list[float] = []

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(number * INTERVAL / CONNECTIONS)
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            writer.write(b"." * 64)
            await reader.readexactly(64)
            times.append(time.monotonic() - began)
            await asyncio.sleep(INTERVAL)
        writer.close()

    await asyncio.gather(*map(one, range(CONNECTIONS)))
    print(json.dumps(times))


# ---- adversities: each goes on until its block is left


@contextmanager
def nothing(_: int, __: Address) -> Iterator[None]:
    yield


@contextmanager
def deaf_clients(_: int, door: Address) -> Iterator[None]:
    """Clients that say much, to be echoed, and never read."""
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
    used = max(int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir()) + 1 + 2 * CONNECTIONS
    with ExitStack() as stack:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
        stack.callback(resource.prlimit, pid, resource.RLIMIT_NOFILE, before)
        time.sleep(1.0)  # the round trips have their connections by then
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
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        adversity(pid, doors["victims"]),  # type: ignore[operator]  # one of the above
    ):
        told, _ = process.communicate(timeout=seconds + 60)
    times = sorted(json.loads(told))
    return statistics.median(times) * 1e6, times[int(len(times) * 0.99)] * 1e6


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
    with tempfile.TemporaryDirectory() as folder:
        # A server each: that of the victims has its own trouble with them.
        servers = {
            name: subprocess.Popen([sys.executable, __file__, "--echo"], stdout=subprocess.PIPE, text=True)
            for name in ("healthy", "victims")
        }
        ports = {name: int(server.stdout.readline()) for name, server in servers.items() if server.stdout is not None}
        wall, doors = start(Path(folder), ports)
        try:
            print(f"{'p50 and p99 in us':<40}{'quiet':>14}{'beside it':>16}{'ratio':>8}  wanted")
            for name, adversity in ADVERSITIES.items():
                pairs = [
                    (sample(nothing, wall.pid, doors, seconds), sample(adversity, wall.pid, doors, seconds))
                    for _ in range(rounds)
                ]
                quiet, beside = (
                    [statistics.median(pair[side][which] for pair in pairs) for which in (0, 1)] for side in (0, 1)
                )
                ratio = beside[1] / quiet[1]
                well &= ratio <= WANTED
                figures = [f"{p50:.0f} {p99:.0f}" for p50, p99 in (quiet, beside)]
                verdict = "met" if ratio <= WANTED else "NOT MET"
                print(f"{name:<40}{figures[0]:>14}{figures[1]:>16}{ratio:>8.2f}  <= {WANTED} {verdict}", flush=True)
        finally:
            for process in (wall, *servers.values()):
                process.terminate()
                process.wait(30)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
