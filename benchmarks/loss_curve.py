"""How fast one transfer is under loss: `drop` with `probability` beside a path that loses packets, see docs/loss.md.

    python benchmarks/loss_curve.py --seconds 5

All in a private network namespace, gone at its end; needs nft (nftables) and the privilege to make one.
Prints a table, or with --json an object. Judges nothing. Exit status: 0 measured, 2 could not run.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from namespace import enter
from problem import CannotRunError
from processes import Processes

MSS = 1460
SHARES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Percent."""
LISTENING = re.compile(r"^listening proxy 127\.0\.0\.1:(\d+)$", re.MULTILINE)
TOTAL_RETRANS, DATA_SEGS_OUT, TCP_INFO_SIZE = 100, 156, 160
CHUNK = bytes(1 << 16)
LARGE = 100
"""Bytes of a packet; what is larger carries data, and is not just an ACK."""

WAYS = {
    "path": "single packets (gso_max_segs 1), nft drops those with data",
    "drop": "drop: {what: data, from: client, probability: p}",
    "drop, single": "the same, and single packets",
}


@dataclass(frozen=True)
class Point:
    """One transfer."""

    way: str
    percent: float
    megabytes: float
    """Per second, that the server had."""
    again: float
    """Percent of the client's segments that were sent again."""


class Sink:
    """A server that reads all and counts it."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self.count = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            sock, _ = self._door.accept()
            threading.Thread(target=self._read, args=(sock,), daemon=True).start()

    def _read(self, sock: socket.socket) -> None:
        buffer = bytearray(1 << 18)
        with sock:
            try:
                while got := sock.recv_into(buffer):
                    self.count += got
            except ConnectionError:
                return  # the client has ended its transfer by a RST


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRunError(f"{' '.join(command)}: {done.stderr.strip()}")


def transfer(port: int, sink: Sink, seconds: float) -> tuple[float, float]:
    """Send for so long; return the megabytes per second that arrived, and the percentage sent again."""
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(0.05)
    before, begin = sink.count, time.monotonic()
    while time.monotonic() < begin + seconds:
        try:
            client.send(CHUNK)
        except TimeoutError:
            continue
    arrived, took = sink.count - before, time.monotonic() - begin
    told = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    again, sent = (struct.unpack_from("I", told, at)[0] for at in (TOTAL_RETRANS, DATA_SEGS_OUT))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    return arrived / took / 1e6, 100 * again / max(1, sent)


def measured(way: str, percent: float, seconds: float, processes: Processes) -> Point:
    """Return one point; what it sets in the namespace is undone behind it."""
    sink = Sink()
    command = [sys.executable, "-m", "bustedwall", "run", "--quiet", "--drain", "0s", "--listen", "127.0.0.1:0"]
    command += ["--upstream", f"127.0.0.1:{sink.port}", "--mss", str(MSS)]
    if way != "path" and percent:
        command += ["--fault", f"drop {{what: data, from: client, probability: {percent:g}%}}"]

    def ready(log: str) -> int | None:
        found = LISTENING.search(log)
        return int(found[1]) if found else None

    pid, port = processes.start(f"{way} {percent:g}", command, ready)
    run("ip", "link", "set", "lo", "gso_max_segs", "65535" if way == "drop" else "1")
    run("nft", "add", "table", "inet", "curve")
    try:
        if way == "path" and percent:
            run("nft", "add chain inet curve arriving { type filter hook input priority 0; }")
            lost = f"numgen random mod 1000000 < {round(percent * 10_000)}"
            run("nft", f"add rule inet curve arriving tcp dport {port} meta length > {LARGE} {lost} drop")
        return Point(way, percent, *transfer(port, sink, seconds))
    finally:
        run("nft", "delete", "table", "inet", "curve")
        processes.stop(pid)


def table(points: list[Point]) -> str:
    """Return what docs/loss.md shows."""
    lines = ["| p | " + " | ".join(f"{way}, MB/s | sent again" for way in WAYS) + " |", "|---" * 7 + "|"]
    for percent in dict.fromkeys(point.percent for point in points):
        row = [point for point in points if point.percent == percent]
        cells = " | ".join(f"{float(f'{point.megabytes:.3g}'):g} | {point.again:.2g} %" for point in row)
        lines.append(f"| {percent:g} % | {cells} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each transfer takes")
    parser.add_argument("--only", type=float, nargs="+", default=SHARES, metavar="PERCENT")
    parser.add_argument("--json", action="store_true", help="print an object in place of the table")
    arguments = parser.parse_args()
    try:
        enter()
        with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
            points = [
                measured(way, percent, arguments.seconds, processes) for percent in arguments.only for way in WAYS
            ]
    except CannotRunError as error:
        print(error, file=sys.stderr)
        return 2
    except FileNotFoundError as error:
        print(f"{error.filename} is missing", file=sys.stderr)
        return 2
    print(json.dumps([asdict(point) for point in points]) if arguments.json else table(points))
    return 0


if __name__ == "__main__":
    sys.exit(main())
