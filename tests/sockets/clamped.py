"""In a network namespace of its own, where nothing joins segments: how long they are on either leg. Prints JSON.

Arguments: a folder; the `mss` of the proxy. For each IP version: the longest segment of each leg and
direction, in bytes that it carries, and whether all bytes arrived as they were.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.relay.peers import LOCALHOST, VERSIONS, Upstream, at, dial, read_exactly, send
from tests.relay.rig import Door, Wall
from tests.sockets.capture import capturing

TEXT = bytes(range(256)) * 512


def moved(sender: socket.socket, receiver: socket.socket) -> bool:
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, sender, TEXT)
        return read_exactly(receiver, len(TEXT)) == TEXT and sending.result() == "ok"


def longest(wall: Wall, upstream: Upstream, name: str) -> dict[str, object]:
    client = dial(wall.addresses[name])
    with client, upstream.accept() as server:
        door, served = wall.addresses[name][1], upstream.sock.getsockname()[1]
        with capturing(door, served) as capture:
            whole = moved(client, server) and moved(server, client)
            packets = capture.packets()
    lengths = {
        leg: [
            max(packet.length for packet in packets if packet.target == port),
            max(packet.length for packet in packets if packet.source == port),
        ]
        for leg, port in (("client", door), ("server", served))
    }
    return {**lengths, "whole": whole}


def main(folder: str, mss: str) -> None:
    for command in ("link set lo up", "link set lo gso_max_segs 1"):
        subprocess.run(["ip", *command.split()], check=True)
    upstreams = {version: Upstream(version) for version in VERSIONS}
    doors = [
        Door(str(version), upstream.address, listen=at(LOCALHOST[version], 0), more={"mss": int(mss)})
        for version, upstream in upstreams.items()
    ]
    wall = Wall(Path(folder), doors, "--quiet")
    told = {name: longest(wall, upstreams[int(name)], name) for name in ("4", "6")}
    print(json.dumps({**told, "exit": wall.stop()}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
