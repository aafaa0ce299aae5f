"""A real thing between two programs, and the symptom of a policy played against it."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Sequence

from tests.groundtruth.network import PORT, SERVER, Network
from tests.relay.peers import HANG, abort
from tests.sockets.sides import Side

from bustedwall.policy import library
from bustedwall.policy.load import load_policy
from bustedwall.policy.symptom import Symptom

REQUEST, ANSWER = random.Random(7).randbytes(100), random.Random(8).randbytes(1000)
LONG_ANSWER = random.Random(9).randbytes(3000)
"""One segment of an Ethernet each; and three of them, which recv may give one by one."""

Calls = list[dict[str, str]]


def symptom_of(name: str) -> Symptom:
    """Return what a policy of the library says that the programs get."""
    path = library.find(name)
    assert path is not None
    symptom = load_policy(path).symptom
    assert symptom is not None
    return symptom


def replaced(symptom: Symptom, client: Calls) -> Symptom:
    """Return it with other calls of the client."""
    return symptom.model_copy(update={"client": client})


class Real:
    """A network as the programs of a symptom meet it: what the policy's rules do, `happens` does there."""

    def __init__(
        self,
        network: Network,
        happens: Callable[[], object] | None = None,
        *,
        address: tuple[str, int] | None = None,
        long: bool = False,
    ) -> None:
        """`long`: the answer is longer than a segment, so that a part of it can come."""
        self.network = network
        self.long = long
        self.address = address or (SERVER, PORT)
        self.client_done = threading.Event()
        self.client: Side | None = None
        self.listener = network.server.listen("0.0.0.0")
        self.happens = happens
        """What the rule of the policy stands for."""
        self._happened = threading.Event()
        self._accepted: list[socket.socket] = []

    def connected(self, sock: socket.socket) -> None:
        pass

    def accept(self, within: float) -> socket.socket:
        self.listener.settimeout(within)
        sock, _ = self.listener.accept()
        self._accepted.append(sock)
        return sock

    def strike(self, rule: str, side: Side) -> None:
        """Let it happen when the client comes so far, once; the server waits for that."""
        if side is self.client:
            assert self.happens is not None, f"nothing stands for the rule {rule}"
            self.happens()
            self._happened.set()
        assert self._happened.wait(HANG), f"{rule} has not happened"

    def play(self, symptom: Symptom, server_calls: Calls) -> tuple[Calls, Calls]:
        """Return what each call gave to the client, and to the server."""
        seen_by_server: Calls = []
        answer = LONG_ANSWER if self.long else ANSWER
        server = Side(self, answer, REQUEST)
        with self.network.client.socket() as sock:
            if limit := symptom.given.tcp_user_timeout:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limit * 1000))
            self.client = Side(self, REQUEST, answer, sock)
            serving = threading.Thread(target=lambda: seen_by_server.extend(server.play(server_calls)), daemon=True)
            serving.start()
            try:
                seen_by_client = self.client.play(symptom.client)
                self.client_done.set()
                serving.join(2 * HANG)
            finally:
                self.client_done.set()
                self._happened.set()
                serving.join(2 * HANG)
                for each in (sock, *self._accepted, self.listener):
                    if each.fileno() >= 0:
                        abort(each)
        return seen_by_client, seen_by_server


def compare(name: str, real: Real, *, server: Sequence[dict[str, str]] | None = None) -> None:
    """Hold the real thing against a policy's symptom, call by call.

    `server`: the calls of the real server's program, where the policy stands for that program, or for its host.
    """
    symptom = symptom_of(name)
    calls = list(symptom.server if server is None else server)
    assert real.play(symptom, calls) == (symptom.client, calls)
