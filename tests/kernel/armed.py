"""Run with some privileges or none: arms every example of every fault, and prints as JSON what became of each.

Arguments: a folder; then, if it is a network namespace of its own, `lo`. A step that the kernel cannot
do is left out and told (`on_missing: skip`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from tests.relay.peers import HANG, Upstream, dial, hang_up, send, until
from tests.relay.rig import Door, Fact, Talk, Wall, policy

from bustedwall.faults.fault import Fault, Shared
from bustedwall.terms.dice import Dice
from bustedwall.testing.written import examples, moment, read

ARMED, LEFT_OUT = "armed", "left out"

BURST = 60.0
"""Seconds within which the first burst comes: the time before it is exponential, 2 s in the mean, and e^-30 longer."""


def main(folder: Path) -> dict[str, str]:
    """Return for each example what became of it."""
    texts = {f"example-{number}": text for number, text in enumerate(examples())}
    upstream = Upstream(4)
    doors = [
        Door(
            name, upstream.address, [policy(folder, name, [yaml.safe_load(text), {"wait": "10m"}], moment(read(text)))]
        )
        for name, text in texts.items()
    ]
    wall = Wall(folder, doors, "--quiet", "--on-missing", "skip", "--seed", "7")
    try:
        return {text: outcome(wall, upstream, name, read(text)) for name, text in texts.items()}
    finally:
        hang_up()
        upstream.sock.close()
        assert wall.stop() == 0


def outcome(wall: Wall, upstream: Upstream, name: str, fault: Fault) -> str:
    """Arm one, unless it was left out; require that the kernel took it."""

    def told(*names: str) -> list[Fact]:
        return [fact for fact in wall.facts() if fact["proxy"] == name and fact["fact"] in names]

    damage = fault.arm(Dice.seeded(0), Shared())
    if damage.table is not None:  # its door is shut when it is full
        return judged(lambda: told("step-unmet", "fault-armed"), "it is armed or left out")
    if damage.door is not None:
        mode = damage.door.mode.value
        return judged(
            lambda: told("step-unmet") + [fact for fact in told("door-set") if fact["mode"] == mode], "its door is set"
        )
    talk = Talk(wall, name, dial(wall.addresses[name]), None if fault.at_accept else upstream.accept())
    if judged(lambda: told("step-unmet", "fault-armed"), "it is armed or left out") == LEFT_OUT:
        return LEFT_OUT
    for end in filter(None, (talk.client, talk.server)):
        send(end, b"some words")
    for leg in damage.losses:
        said = judged(
            lambda leg=leg: [fact for fact in told("loss-set", "write-lost") if fact["leg"] == leg.value],
            f"its loss on the leg of the {leg.value} is set",
            HANG if damage.spells is None else BURST,
        )
        if said != ARMED:
            return said
    return ARMED


def judged(facts: Callable[[], list[Fact]], what: str, within: float = HANG) -> str:
    """Return that it is armed or left out, or the error that the kernel gave."""
    fact = until(facts, what, within)[0]
    return LEFT_OUT if fact["fact"] == "step-unmet" else str(fact.get("error") or ARMED)


if __name__ == "__main__":
    if sys.argv[2:]:
        subprocess.run(["ip", "link", "set", sys.argv[2], "up"], check=True)
    doctor = subprocess.run(
        [sys.executable, "-m", "bustedwall", "doctor", "--json"], capture_output=True, text=True, check=False
    )
    print(json.dumps({"doctor": json.loads(doctor.stdout), "faults": main(Path(sys.argv[1]))}))  # noqa: T201
