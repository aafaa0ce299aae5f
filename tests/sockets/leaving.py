"""In network and mount namespaces of its own: arms every fault and kills the process. Prints JSON.

That is what is in the tables of the machine before, in the middle and after. Argument: a folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml
from tests.relay.peers import Upstream, dial, hang_up, send, until
from tests.relay.rig import Door, Talk, Wall, policy

from bustedwall.testing.written import examples, moment, read

OWN = (
    "mount -t tmpfs none /run",  # where `ip netns` keeps its names
    "ip link set lo up",
    "ip link add kept-a type veth peer name kept-b",
    "ip netns add kept",
    "ip rule add pref 100 blackhole",
    "ip -6 rule add pref 100 blackhole",
    "ip route add blackhole 203.0.113.0/24",
    "tc qdisc add dev lo root pfifo limit 777",
    "nft add table inet kept",
)
"""Something to be found in each table: two that are empty would always be the same."""

ASKED = (
    "nft list ruleset",
    "tc qdisc",
    "tc filter show dev lo",
    "ip rule",
    "ip -6 rule",
    "ip route show table all",
    "ip -6 route show table all",
    "ip netns",
    "ip address",
    "ip link",
)


def tables() -> dict[str, str]:
    """Ask each table what is in it."""
    return {
        question: subprocess.run(question.split(), check=True, capture_output=True, text=True).stdout
        for question in ASKED
    }


def namespaces(pid: int | str) -> dict[str, str]:
    """Return in which namespaces a process is."""
    return {each.name: str(each.readlink()) for each in Path(f"/proc/{pid}/ns").iterdir()}


def main(folder: Path) -> dict[str, object]:
    for command in OWN:
        subprocess.run(command.split(), check=True)
    # The kernel makes up its mind about a device a moment after it is up.
    until(lambda: "state UNKNOWN" in tables()["ip link"], "the loopback device is up")
    before = tables()
    upstream = Upstream(4)
    texts = {f"example-{number}": text for number, text in enumerate(examples())}
    doors = [
        Door(name, upstream.address, [policy(folder, name, [yaml.safe_load(text)], moment(read(text)))])
        for name, text in texts.items()
    ]
    wall = Wall(folder, doors, "--quiet")
    for name, text in texts.items():
        fault = read(text)
        if not fault.at_door:
            client = dial(wall.addresses[name])
            talk = Talk(wall, name, client, None if fault.at_accept else upstream.accept())
            talk.wait("fault-armed")
            for end in filter(None, (talk.client, talk.server)):
                send(end, b"in the middle of it")
    armed = until(lambda: each_armed(wall, set(texts)), "every fault is armed")
    middle, inside = tables(), namespaces(wall.pid)
    os.kill(wall.pid, signal.SIGKILL)
    code = wall.wait()
    after = tables()
    hang_up()
    upstream.sock.close()
    return {
        "armed": sorted(texts[name] for name in armed),
        "tables": [before, middle, after],
        "namespaces": [namespaces("self"), inside],
        "exit": code,
    }


def each_armed(wall: Wall, names: set[str]) -> set[str]:
    """Return which proxies have a fault, once all have."""
    have = {fact["proxy"] for fact in wall.facts() if fact["fact"] == "fault-armed"}
    return have if have >= names else set()


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))  # noqa: T201
