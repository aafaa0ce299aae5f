"""In a network namespace of its own: a proxy whose client and server are in another one, behind a bridge. Prints JSON.

Argument: a folder. What comes from there passes two interfaces here, the bridge's port and the bridge.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.relay.peers import HANG
from tests.relay.rig import Door, Wall

HERE, THERE = "192.0.2.1", "192.0.2.2"
SIZE = 100_000

PEER = """
import socket, sys
server = socket.create_server(("192.0.2.2", 0))
print(server.getsockname()[1], flush=True)
port = int(sys.stdin.readline())
client = socket.create_connection(("192.0.2.1", port), 30)
taken, _ = server.accept()
taken.settimeout(30)
client.sendall(bytes(int(sys.argv[1])))
client.shutdown(socket.SHUT_WR)
got = 0
while data := taken.recv(1 << 16):
    got += len(data)
taken.close()
assert client.recv(1) == b""
print(client.getsockname()[1], got, flush=True)
sys.stdin.readline()
"""


def ip(*commands: str) -> None:
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)


def wait_for_namespace(pid: int) -> None:
    """Wait until the process is in a network namespace of its own."""
    own, deadline = Path("/proc/self/ns/net").readlink(), time.monotonic() + HANG
    while Path(f"/proc/{pid}/ns/net").readlink() == own:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def main(folder: Path) -> None:
    ip("link set lo up", "link add br0 type bridge", "link add veth-a type veth peer name veth-b")
    words = f'read go; ip link set lo up; ip addr add {THERE}/24 dev veth-b; ip link set veth-b up; exec "$@"'
    command = ["unshare", "--net", "sh", "-c", words, "sh", sys.executable, "-c", PEER, str(SIZE)]
    peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert peer.stdin is not None
    assert peer.stdout is not None
    wait_for_namespace(peer.pid)
    ip(f"link set veth-b netns {peer.pid}", "link set veth-a master br0", f"addr add {HERE}/24 dev br0")
    ip("link set veth-a up", "link set br0 up")
    print("go", file=peer.stdin, flush=True)
    upstream = int(peer.stdout.readline())
    door = Door("web", f"{THERE}:{upstream}", listen=f"{HERE}:0", more={"pcap": str(folder / "pcaps")})
    wall = Wall(folder, [door], "--quiet")
    print(wall.addresses["web"][1], file=peer.stdin, flush=True)
    client, got = map(int, peer.stdout.readline().split())
    fact = wall.fact("captured")
    peer.stdin.close()
    assert peer.wait(HANG) == 0
    assert got == SIZE
    assert wall.stop() == 0
    print(json.dumps({"file": fact["file"], "ports": [client, upstream], "bytes": SIZE}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
