"""In a network namespace of its own: a link-local address, a proxy at it, and what its client gets. Prints JSON.

Arguments: the folder of the config; the fault, as a step in short form; the leg that it is for; what the client's
send, the server's recv and the client's recv are to give.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.relay.peers import HANG, abort, recv, send, until
from tests.relay.rig import Door, Wall, policy

DEVICE = "veth-a"


def address() -> str:
    """Return the link-local address of the device; empty while it is tentative."""
    command = ["ip", "-6", "-o", "address", "show", "dev", DEVICE, "scope", "link", "-tentative"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return found.partition("inet6 ")[2].partition("/")[0]


def main(folder: str, word: str, value: str, *expected: str) -> None:
    for command in (
        "link set lo up",
        f"link add {DEVICE} type veth peer name veth-b",
        f"link set {DEVICE} up",
        "link set veth-b up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    host = until(address, "the address is no longer tentative")
    scope = socket.if_nametoindex(DEVICE)
    upstream = socket.socket(socket.AF_INET6)
    upstream.bind((host, 0, 0, scope))
    upstream.listen()
    uses = [policy(Path(folder), "scoped", [{word: value}])]
    door = Door("scoped", f"[{host}%{DEVICE}]:{upstream.getsockname()[1]}", uses, f"[{host}%{DEVICE}]:0")
    wall = Wall(Path(folder), [door], "--quiet")
    shown, port = wall.addresses["scoped"]
    client = socket.create_connection((shown, port), HANG)
    server, _ = upstream.accept()
    until(lambda: [fact for fact in wall.facts() if fact["fact"] == "fault-armed"], "the fault")
    seen = [send(client, b"request")]
    for sock, given in zip((server, client), expected[1:], strict=True):
        sock.settimeout(1 if given == "nothing" else HANG)
        seen.append(str(recv(sock)))
    errors = [fact["error"] for fact in wall.facts() if fact["fact"] == "loss-set"]
    abort(client)
    abort(server)
    print(json.dumps({"shown": shown.partition("%")[2], "seen": seen, "errors": errors, "exit": wall.stop()}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
