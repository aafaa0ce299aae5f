"""What holds for every fault on real sockets, whichever there are: each example of each page is done.

Killed by SIGKILL in the middle, bustedwall leaves nothing behind: all that it does to a connection is
an option of a socket, and gone with its descriptor.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from tests.faults.written import marked
from tests.relay.conftest import Connect
from tests.relay.peers import HANG, VERSIONS, Upstream, at, dial, hang_up, read_exactly, recv, send, until
from tests.relay.rig import Door, Fact, Rig, Talk, Wall, policy, running

from bustedwall.faults.fault import Fault, LastingFault, Shared
from bustedwall.kernel.abilities import find_out
from bustedwall.terms.dice import Dice
from bustedwall.terms.leg import Leg
from bustedwall.testing.written import examples, lasting, moment, read, spanning, written

Possible = TypeVar("Possible", bound=Fault)

SPAN = 0.4
WORDS = b"some words " * 2000


def named(faults: Iterator[Fault]) -> dict[str, Fault]:
    """Number faults, so that each has a name that a policy may have."""
    return {f"{fault.word}-{number}".replace("_", "-"): fault for number, fault in enumerate(faults)}


EXAMPLES = named(map(read, examples()))
LASTING = named(lasting(SPAN))
LOSSLESS = {name: fault for name, fault in EXAMPLES.items() if isinstance(fault, LastingFault) and fault.lossless}


MISSING = find_out().missing()
"""What this machine's kernel does not give us, such as a privilege."""


def able(faults: Mapping[str, Possible]) -> dict[str, Possible]:
    """Return those that can be done here; `.ci/run` does them all, as root."""
    return {name: fault for name, fault in faults.items() if not fault.needs() & MISSING}


HERE_DONE = able(EXAMPLES)

STEADY = {
    name: fault
    for name, fault in EXAMPLES.items()
    if (damage := fault.arm(Dice.seeded(0), Shared())).spells is None and damage.table is None
}
"""Those that are in force from the beginning; when a burst comes is drawn, `test_bursts.py` waits for some, and
`test_table.py` fills tables."""


def step(fault: Fault, *, span: bool = False) -> object:
    """Write a fault as a step, with its span or without."""
    return written(fault if span else endless(fault))


def endless(fault: Fault) -> Fault:
    """Return a fault that does not end by itself."""
    return spanning(fault, None) if isinstance(fault, LastingFault) else fault


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {}
    for name, fault in able(LASTING).items():
        uses[f"for-{name}"] = [policy(folder, f"for-{name}", [step(fault, span=True)], moment(fault))]
    for name, fault in able(LOSSLESS).items():
        twice = [step(fault), step(fault), {"wait": "300ms"}, "heal", "heal"]
        uses[f"twice-{name}"] = [policy(folder, f"twice-{name}", twice, moment(fault))]
    for name, fault in HERE_DONE.items():
        steps = [step(fault), {"wait": "300ms"}, "heal"]
        uses[f"shown-{name}"] = [policy(folder, f"shown-{name}", steps, moment(fault))]
    with running(folder, uses) as rig:
        yield rig


def converse(client: socket.socket, server: socket.socket) -> None:
    """Have both speak, and listen."""
    for speaker in (client, server):
        assert send(speaker, WORDS) == "ok"
    for listener in (server, client):
        assert read_exactly(listener, len(WORDS)) == WORDS


def ended(rig: Rig, proxy: str) -> list[str]:
    """Return why the faults of a proxy have ended, those that have."""
    facts = [fact for fact in rig.wall.facts() if fact["proxy"] == proxy]
    return [fact["why"] for fact in facts if fact["fact"] == "fault-ended"]


@pytest.mark.parametrize("name", marked(LASTING))
def test_for_ends_it_and_the_next_bytes_pass(rig: Rig, connect: Connect, version: int, name: str) -> None:
    if LASTING[name].at_door:
        until(lambda: ended(rig, f"for-{name}-{version}"), "the door is open again")
    talk = connect(f"for-{name}", version)
    assert until(lambda: ended(rig, f"for-{name}-{version}"), "it ends") == ["its time is over"]
    converse(talk.client, talk.server)


@pytest.mark.parametrize("name", marked(LOSSLESS))
def test_armed_twice_and_healed_twice_every_byte_arrives(rig: Rig, connect: Connect, version: int, name: str) -> None:
    if LOSSLESS[name].at_door:
        until(lambda: ended(rig, f"twice-{name}-{version}")[1:], "the door is open again")
    talk = connect(f"twice-{name}", version)
    converse(talk.client, talk.server)
    talk.client.close()
    assert recv(talk.server) == "EOF"
    talk.server.close()
    assert talk.wait("flow-closed")["discarded"] == 0


@pytest.mark.parametrize("name", marked(STEADY))
def test_what_it_does_to_a_leg_or_to_the_door_has_its_evidence(
    rig: Rig, connect: Connect, version: int, name: str
) -> None:
    fault = EXAMPLES[name]
    damage = fault.arm(Dice.seeded(0), Shared())
    if damage.door is not None:
        mode = damage.door.mode.value

        def shut() -> list[Fact]:
            own = [fact for fact in rig.wall.facts() if fact["proxy"] == f"shown-{name}-{version}"]
            return [fact for fact in own if fact["fact"] == "door-set" and fact["mode"] == mode]

        assert until(shut, "the door is so")[0]["error"] is None
        return
    talk = connect(f"shown-{name}", version)
    talk.wait("fault-armed")
    for end in (talk.client, talk.server):
        send(end, WORDS)
    for leg in damage.losses:
        until(
            lambda leg=leg: [f for f in told_of(talk, "loss-evidence", leg) if names(f, endless(fault))], "its counters"
        )
    for leg, ending in damage.endings.items():
        facts = until(lambda leg=leg: told_of(talk, "ending-evidence", leg), "what was ended")
        assert facts[0]["how"] == ending.how.value


def told_of(talk: Talk, name: str, leg: Leg) -> list[Fact]:
    """Return the facts of this name about one leg."""
    return [fact for fact in talk.facts() if fact["fact"] == name and fact["leg"] == leg.value]


def names(fact: Fact, fault: Fault) -> bool:
    """Tell whether a fault is among the causes that a fact tells."""
    return any(cause.endswith(f": {fault}") for cause in fact["causes"])


# ---- kill -9

ORPHANS = {"04", "05", "06", "09", "0B"}
"""FIN_WAIT1, FIN_WAIT2, TIME_WAIT, LAST_ACK, CLOSING: what a kernel finishes by itself (net/tcp_states.h)."""


HERE = {4: "127.77.0.1", 6: "::1"}
"""Where this test listens: others have the ports of 127.0.0.1 for their clients, and there is one ::1 only."""


def sockets() -> list[tuple[int, int, str, str, str]]:
    """Return local and remote port, state, timer and inode of all TCP sockets; no inode: of no process."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            here, there = (int(end.rpartition(":")[2], 16) for end in fields[1:3])
            found.append((here, there, fields[3], fields[5].partition(":")[0], fields[9]))
    return found


def orphans(pairs: set[tuple[int, int]]) -> list[tuple[str, str]]:
    """Return state and timer of those between these local and remote ports that belong to no process.

    Of both ports: what waits to be accepted at another's listener of the same number has no inode, either.
    """
    return [(state, timer) for port, there, state, timer, inode in sockets() if (port, there) in pairs and inode == "0"]


def restarted(folder: Path, doors: list[Door]) -> Wall:
    """Run the same doors again, but for those whose port another test's process has taken meanwhile."""
    deadline = time.monotonic() + 3 * HANG
    while True:
        try:
            return Wall(folder, doors, "--quiet")
        except AssertionError as error:
            refused = re.search(r"proxy '([^']+)' cannot listen on \S+: Address already in use", str(error))
            if refused is None or time.monotonic() > deadline:
                raise
        ports = {int(door.listen.rpartition(":")[2]) for door in doors}
        taken = {str(port) for port, _, _, _, inode in sockets() if port in ports and inode != "0"}
        # Whoever is bound and does not listen, such as a door that refuses, is in no table of the kernel's.
        names = {door.name for door in doors if door.listen.rpartition(":")[2] in taken} or {refused[1]}
        doors = [door for door in doors if door.name not in names]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"IPv{version}")
def test_a_process_that_is_killed_in_the_middle_leaves_nothing_behind(tmp_path: Path, version: int) -> None:
    upstream = Upstream(version)
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    doors = [
        Door(name, upstream.address, [policy(tmp_path, name, [step(fault)], moment(fault))], at(HERE[version], 0))
        for name, fault in HERE_DONE.items()
    ]
    first = Wall(folders[0], doors, "--quiet")
    talks = {}
    for name, fault in HERE_DONE.items():
        if not (fault.at_door or fault.at_accept):  # or there is no server to talk to
            talks[name] = Talk(first, name, dial(first.addresses[name]), upstream.accept())
            talks[name].wait("fault-armed")
            for end in (talks[name].client, talks[name].server):
                send(end, b"in the middle of it")
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    pairs = {(first.addresses[name][1], talk.ports[0]) for name, talk in talks.items()}
    odd = [each for each in orphans(pairs) if each[0] not in ORPHANS or each[1] == "00"]
    assert not odd, "every socket that is left has a timer that ends it"

    second = restarted(folders[1], [Door(name, upstream.address, (), at(*first.addresses[name])) for name in HERE_DONE])
    try:
        assert second.addresses.items() <= first.addresses.items()
        assert len(second.addresses) > len(first.addresses) / 2, "others have not taken that many"
        for name in second.addresses:
            talk = Talk(second, name, dial(second.addresses[name]), None)
            talk.server = upstream.accept()
            converse(talk.client, talk.server)
        for name, talk in talks.items():
            # The client's next segments meet a RST at the latest when the orphan is heard, or has gone.
            if not _lost(EXAMPLES[name]):
                until(lambda talk=talk: _over(talk), f"the peers of {name} are told")
    finally:
        hang_up()
        upstream.sock.close()
        assert second.stop() == 0


def _lost(fault: Fault) -> bool:
    """Tell whether segments of the legs are lost, so that their peers are not told."""
    return bool(fault.arm(Dice.seeded(0), Shared()).losses)


def _over(talk: Talk) -> bool:
    """Tell whether both ends get an end: data, then EOF or an error; who has not heard speaks once more."""
    for end in (talk.client, talk.server):
        end.settimeout(0.05)
        got = recv(end)
        if got == "nothing":
            send(end, b"?")
            return False
        if isinstance(got, bytes):
            return False
    return True
