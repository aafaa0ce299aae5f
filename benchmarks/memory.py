"""What memory a run takes: `python benchmarks/memory.py`, see docs/limits.md.

RSS of a bustedwall process, before its first client, with idle flows, and while fast senders fill
stages that hold: base, what a flow adds, and what `limits.held` adds.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IDLE = 4000
FAST = 32
HELD = 64 << 20
HOLD = {
    "version": 1,
    "name": "hold",
    "summary": "Hold.",
    "rules": [{"name": "r", "do": [{"latency": "10m from client"}]}],
}


def rss(pid: int) -> int:
    """Return the resident bytes of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


class Wall:
    """A bustedwall process before an upstream that accepts and never reads."""

    def __init__(self, folder: Path, policies: list[str]) -> None:
        self.upstream = socket.create_server(("127.0.0.1", 0), backlog=4096)
        proxy = {"name": "p", "listen": "127.0.0.1:0", "policies": policies}
        proxy["upstream"] = f"127.0.0.1:{self.upstream.getsockname()[1]}"
        config = folder / "memory.yaml"
        config.write_text(json.dumps({"version": 1, "define": [HOLD], "proxies": [proxy]}))
        command = [sys.executable, "-m", "bustedwall", "run", str(config), "--quiet", "--limit", f"held={HELD}B"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        self.port = int(self.child.stdout.readline().rpartition(":")[2])
        self.ends: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """Open a flow."""
        client = socket.create_connection(("127.0.0.1", self.port))
        self.ends += [client, self.upstream.accept()[0]]
        return client

    def stop(self) -> None:
        """End it."""
        self.child.kill()
        self.child.wait()
        for end in (*self.ends, self.upstream):
            end.close()


def settled(pid: int) -> int:
    """Return the RSS when it grows no more."""
    before = -1
    while (now := rss(pid)) != before:
        before = now
        time.sleep(1.0)
    return now


def main() -> None:
    """Measure and print."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        wall = Wall(Path(name), [])
        base = settled(wall.child.pid)
        for _ in range(IDLE):
            wall.connect()
        idle = settled(wall.child.pid)
        wall.stop()
        wall = Wall(Path(name), ["hold"])
        bare = settled(wall.child.pid)
        clients = [wall.connect() for _ in range(FAST)]
        for client in clients:
            client.settimeout(0.5)
            try:
                while True:
                    client.send(bytes(1 << 20))
            except TimeoutError:
                pass
        full = settled(wall.child.pid)
        wall.stop()
    print(f"base: {base / 1e6:.1f} MB")
    print(f"an idle flow: {(idle - base) / IDLE / 1e3:.2f} kB, of {IDLE}")
    print(
        f"{FAST} fast senders into 10 minutes of latency: {(full - bare) / 2**20:.1f} MiB, held may be {HELD >> 20} MiB"
    )


if __name__ == "__main__":
    main()
