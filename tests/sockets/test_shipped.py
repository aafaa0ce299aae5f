"""Every policy that ships shows, on real sockets, the symptoms that its own file promises.

This knows no policy: what is played, and what must come, is read from the files.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from _pytest.mark.structures import ParameterSet
from tests.faults.written import guarded
from tests.relay.peers import FAMILY, HANG, abort, at, until
from tests.relay.rig import Fact, Rig, running
from tests.sockets.calls import QUIET
from tests.sockets.sides import Side

from bustedwall.faults.fault import Fault
from bustedwall.kernel.abilities import find_out
from bustedwall.policy import library
from bustedwall.policy.load import load_policy, load_use
from bustedwall.policy.model import PolicyFile
from bustedwall.policy.rules import Arm, AtRecord, AtRepeat, AtSignal, AtText, Rule, Wait
from bustedwall.policy.symptom import Symptom
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import duration

LONGEST, INTERVAL, MEMORY = 1.5, 3.0, 20.0
"""Seconds that the longest of a policy's scaled times is compressed to; of one that repeats, as it has pauses in it;
of one that a next connection has to be within."""

RECORD = 100
"""Bytes in a TLS record."""

MESSAGE = 3000
"""Bytes of a message: more than any default needs to pass, or lets pass."""


@dataclass(frozen=True)
class Play:
    """One policy with one of its choices."""

    name: str
    file: PolicyFile
    values: dict[str, str]

    @property
    def door(self) -> str:
        return "_".join([self.name, *(word.replace(" ", "-") for word in self.values.values() if " " in word)])

    @property
    def use(self) -> object:
        return {self.name: self.values} if self.values else self.name

    def rules(self) -> tuple[Rule, ...]:
        values = ",".join(f"{key}={value}" for key, value in self.values.items())
        return load_use(f"{self.name}:{values}" if values else self.name)

    def request(self) -> bytes:
        """Return what the client says: some bytes, and each text that a rule waits for."""
        moments = [rule.when for rule in self.rules()]
        texts = [when.text for when in moments if isinstance(when, AtText) and when.source is Leg.CLIENT]
        return b" ".join([random.Random(7).randbytes(100), *texts])

    def answer(self) -> bytes:
        """Return what the server says: some bytes, in TLS records where a rule counts those."""
        if not any(isinstance(rule.when, AtRecord) for rule in self.rules()):
            return ANSWER
        pieces = [ANSWER[at : at + RECORD] for at in range(0, MESSAGE, RECORD)]
        return b"".join(b"\x17\x03\x03" + len(piece).to_bytes(2) + piece for piece in pieces)

    def lasts(self) -> float:
        """Return the longest time that one of its steps takes."""
        steps = [step for rule in self.rules() for step in rule.steps]
        waits = [step.until for step in steps if isinstance(step, Wait) and isinstance(step.until, float)]
        spans = [step.span or 0.0 for step in steps if isinstance(step, Arm) and not step.fault.at_door]
        return max([*waits, *spans], default=0.0)

    def faults(self) -> list[Fault]:
        return [step.fault for rule in self.rules() for step in rule.steps if isinstance(step, Arm)]

    def symptom(self) -> Symptom:
        assert self.file.symptom is not None
        return self.file.symptom


def plays() -> Iterator[Play]:
    """Return each policy of the library, with each value of those parameters that have a choice."""
    for name in library.names():
        path = library.find(name)
        assert path is not None
        file = load_policy(path)
        scaled = {key: duration(each.default) for key, each in file.parameters.items() if each.scale}
        longest = max(scaled.values(), default=0.0)
        repeats = any(isinstance(rule.when, AtRepeat) for rule in Play(name, file, {}).rules())
        within = MEMORY if file.symptom and file.symptom.next else INTERVAL if repeats else LONGEST
        faster = max(1.0, longest / within)
        values = {key: f"{round(seconds / faster * 1000)}ms" for key, seconds in scaled.items()}
        choices = [(key, str(choice)) for key, each in file.parameters.items() for choice in each.choices]
        for choice in choices or [None]:
            yield Play(name, file, values | (dict([choice]) if choice else {}))


PLAYS = {play.door: play for play in plays()}
GUARDED = {door for door, play in PLAYS.items() if any(map(guarded, play.faults()))}
MISSING = find_out().missing()
ANSWER = random.Random(8).randbytes(MESSAGE)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    able = {
        door: [play.use] for door, play in PLAYS.items() if not any(fault.needs() & MISSING for fault in play.faults())
    }
    with running(tmp_path_factory.mktemp("wall"), able) as rig:
        yield rig


class Story:
    """One connection through one policy, as the proxy tells it."""

    def __init__(self, rig: Rig, play: Play, version: int) -> None:
        self.rig, self.rules, self.version = rig, play.rules(), version
        self.proxy = f"{play.door}-{version}"
        self.client_done = threading.Event()
        self.client_names: list[str] = []
        """Of each connection of the client."""
        self.client: Side | None = None
        self._signals = {rule.when.name for rule in self.rules if isinstance(rule.when, AtSignal)}
        """Which of its signals nobody has fired yet."""

    def facts(self) -> list[Fact]:
        """Return what is recorded of the connections, and of the door."""
        own = [fact for fact in self.rig.wall.facts() if fact["proxy"] == self.proxy]
        accepted = {f["client"]: f["flow"] for f in own if f["fact"] == "flow-accepted"}
        mine = [accepted[name] for name in self.client_names if name in accepted]
        return [fact for fact in own if fact["flow"] in (None, *mine)]

    def fired(self, rule: Rule) -> list[int]:
        """Return where in the facts the rule has fired."""
        facts = enumerate(self.facts())
        return [i for i, fact in facts if fact["fact"] == "rule-fired" and fact["rule"] == rule.name]

    def fire(self, rule: Rule) -> None:
        """Fire the signal that a rule waits for, once; of another rule nothing."""
        if isinstance(rule.when, AtSignal) and rule.when.name in self._signals:
            self._signals.remove(rule.when.name)
            self.rig.fire(rule.when.name)

    @property
    def address(self) -> tuple[str, int]:
        """Return where the proxy listens."""
        return self.rig.wall.addresses[self.proxy]

    def connected(self, sock: socket.socket) -> None:
        """Remember the client, whose flow it is."""
        self.client_names.append(at(*sock.getsockname()[:2]))

    def accept(self, within: float) -> socket.socket:
        """Take what the proxy has dialled."""
        upstream = self.rig.upstreams[self.version]
        upstream.sock.settimeout(within)
        try:
            return upstream.accept()
        finally:
            upstream.sock.settimeout(HANG)

    def strike(self, rule: str, side: Side) -> None:
        """Wait until a rule has struck; if it waits for a signal, the client fires it."""
        (named,) = (each for each in self.rules if each.name.endswith(f"/{rule}"))
        if side is self.client:
            self.fire(named)
        until(lambda: self.struck(named), f"rule {rule} has struck")

    def turn_away(self) -> None:
        """Accept whoever has come to the server meanwhile, or the next test would."""
        with suppress(TimeoutError):
            while True:
                abort(self.accept(QUIET))

    def is_open(self) -> bool:
        """Tell whether the door is as it was: a signal that another test has fired may have shut it for a while."""
        modes = [fact["mode"] for fact in self.facts() if fact["fact"] == "door-set"]
        return not self._signals or modes[-1:] in ([], ["open"])

    def struck(self, rule: Rule) -> bool:
        """Tell whether a rule has fired and the kernel has done what it asked."""
        for at_fact in self.fired(rule):
            later = [fact["fact"] for fact in self.facts()[at_fact:]]
            needs = any(step.fault.needs() for step in rule.steps if isinstance(step, Arm))
            if "fault-armed" in later and (not needs or {"loss-set", "leg-closed", "reset-sent"} & set(later)):
                return True
        return False


def played() -> list[ParameterSet]:
    """Return each play over both versions; what is guarded needs the privilege, and all of IPv6 time."""
    found = []
    for door in PLAYS:
        marks = [pytest.mark.root("CAP_NET_ADMIN")] if door in GUARDED else []
        found += [
            pytest.param(4, door, marks=marks, id=f"IPv4-{door}"),
            pytest.param(6, door, marks=[*marks, pytest.mark.long("a second each")], id=f"IPv6-{door}"),
        ]
    return found


@pytest.mark.parametrize(("version", "door"), played())
def test_a_policy_has_the_symptoms_of_its_file(rig: Rig, version: int, door: str) -> None:
    play = PLAYS[door]
    symptom, story, began = play.symptom(), Story(rig, play, version), time.monotonic()
    seen_by_server: list[dict[str, str]] = []
    with socket.socket(FAMILY[version]) as sock:
        if limit := symptom.given.tcp_user_timeout:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limit * 1000))
        answer = play.answer()
        client, server = Side(story, play.request(), answer, sock), Side(story, answer, play.request())
        story.client = client
        until(story.is_open, "the door is open")
        others = [rig.connect(play.door, version) for _ in range(symptom.given.others or 0)]
        serving = threading.Thread(target=lambda: seen_by_server.extend(server.play(symptom.server)), daemon=True)
        serving.start()
        try:
            assert client.play(symptom.client) == symptom.client
            story.client_done.set()
            if symptom.next:
                with socket.socket(FAMILY[version]) as again:
                    assert Side(story, play.request(), answer, again).play(symptom.next) == symptom.next
            serving.join(2 * HANG)
            assert seen_by_server == symptom.server
            if symptom.next:
                story.turn_away()  # now: before, it might take what the server is to accept
            took = time.monotonic() - began
        finally:
            story.client_done.set()
            serving.join(2 * HANG)
            for each in (sock, *(end for talk in others for end in (talk.client, talk.server) if end is not None)):
                abort(each)

    assert took >= play.lasts()
    until(lambda: all(story.fired(rule) for rule in story.rules), "every rule has fired")
