"""Every policy that ships shows, on real sockets, the symptoms that its own file promises."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import recv, send
from tests.relay.rig import Rig, Talk, running

from bustedwall.policy.load import load_policy

ROOT = Path(__file__).parents[2]
LIBRARY = {path.stem: path for path in (ROOT / "policies").rglob("*.yaml")}

USES: dict[str, tuple[object, float, tuple[str, int]]] = {
    "cable-pull": ("cable-pull", 1.0, ("loss-set", 2)),
    "gave-up-rst": ({"gave-up-rst": {"give_up": "600ms"}}, 0.6, ("loss-set", 1)),
    "gave-up-rst-lost-acks": ({"gave-up-rst": {"give_up": "600ms", "lost": "all to client"}}, 0.6, ("loss-set", 1)),
    "reset-mid-response": ("reset-mid-response", 0.0, ("reset-sent", 1)),
    "slow-link": ({"slow-link": {"delay": "150ms"}}, 0.3, ("fault-armed", 2)),
}
"""How it is used, how long it takes at least, and which fact tells, after the first answer, that it has struck."""

ANSWER = b"x" * 3000


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("wall"), {name: [use] for name, (use, _, _) in USES.items()}) as rig:
        yield rig


def test_every_policy_that_ships_is_played_here() -> None:
    assert {name if isinstance(use, str) else next(iter(use)) for name, (use, _, _) in USES.items()} == set(LIBRARY)


def play(sock: socket.socket, calls: list[dict[str, str]], message: bytes, talk: Talk, struck: tuple[str, int]) -> list:
    """Make each call; say what it gave, in the words of the policy files."""
    seen = []
    for ((call, expected),) in (each.items() for each in calls):
        result = recv(sock) if call == "recv" else send(sock, message)
        while isinstance(result, bytes) and expected != "data":
            result = recv(sock)  # `recv: data` is one message, however many reads it takes
        seen.append({call: "data" if isinstance(result, bytes) else result})
        if seen[-1] != {call: expected}:
            break
        if expected == "data" and sock is talk.client:
            talk.wait(*struck)  # a byte may be there a moment before the rule that it triggers is done
    return seen


@pytest.mark.parametrize("name", list(USES))
def test_a_policy_has_the_symptoms_of_its_file(connect: Connect, version: int, name: str) -> None:
    use, at_least, struck = USES[name]
    symptom = load_policy(LIBRARY[use if isinstance(use, str) else next(iter(use))]).symptom
    assert symptom is not None
    began = time.monotonic()
    talk = connect(name, version)
    talk.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000)
    seen_by_server: list[dict[str, str]] = []
    serving = threading.Thread(
        target=lambda: seen_by_server.extend(play(talk.server, symptom.server, ANSWER, talk, struck)), daemon=True
    )
    serving.start()
    assert play(talk.client, symptom.client, b"request", talk, struck) == symptom.client
    serving.join(10)
    assert seen_by_server == symptom.server
    assert time.monotonic() - began >= at_least
