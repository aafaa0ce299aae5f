"""The programs on both sides of a policy: they make the calls of its `symptom`, and say what each gave.

What is between them they do not know: a bustedwall, or the real thing that it is compared with.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from typing import Protocol

from tests.relay.peers import HANG, abort, connect, recv, send
from tests.sockets.calls import QUIET, polled

from bustedwall.policy.symptom import CHANGED, DATA, PART, REST, WAITS, Does

ENDS: dict[Does, Callable[[socket.socket], None]] = {
    Does.SHUTDOWN: lambda sock: sock.shutdown(socket.SHUT_WR),
    Does.CLOSE: socket.socket.close,
    Does.RESET: abort,
}


class Scene(Protocol):
    """What is between the two programs, and what of it they have to know."""

    client_done: threading.Event
    """The client has made all of its calls."""

    @property
    def address(self) -> tuple[str, int]:
        """Where the client connects to."""

    def connected(self, sock: socket.socket) -> None:
        """Hear that the client is connected."""

    def accept(self, within: float) -> socket.socket:
        """Take the connection that has come to the server; raises TimeoutError if none comes in time."""

    def strike(self, rule: str, side: Side) -> None:
        """Return once what this rule of the policy stands for has happened to this side."""


class Side:
    """One of the two programs: it makes the calls of its script, each after the other."""

    def __init__(self, scene: Scene, message: bytes, other: bytes, sock: socket.socket | None = None) -> None:
        self.scene = scene
        self.message, self.other = message, other
        """What it says with each send, and what each message of the other side is."""
        self.sock = sock
        """None: its first call is, or implies, accept."""
        self.got = b""

    def play(self, calls: list[dict[str, str]]) -> list[dict[str, str]]:
        """Return what each call gave, in the words of the policy files, up to the first surprise."""
        seen: list[dict[str, str]] = []
        for ((word, expected),) in (each.items() for each in calls):
            seen.append({word: self.call(Does(word), expected)})
            if seen[-1] != {word: expected}:
                break
        return seen

    def call(self, does: Does, expected: str) -> str:
        if does is Does.RULE:
            self.scene.strike(expected, self)
            return expected
        if self.sock is None:
            if does is Does.ACCEPT and expected == WAITS:
                # Whatever the client does, nobody comes here.
                assert self.scene.client_done.wait(HANG)
                return self.accept(QUIET)
            self.accept(HANG)
        if does is Does.CONNECT:
            return self.connect()
        if does is Does.POLL:
            return self.poll(expected)
        assert self.sock is not None
        if does in ENDS:
            return self.end(does)
        self.sock.settimeout(2 * QUIET if expected == WAITS else HANG)
        return self.send(expected) if does is Does.SEND else self.recv(expected)

    def accept(self, within: float) -> str:
        try:
            self.sock = self.scene.accept(within)
        except TimeoutError:
            return WAITS
        return "ok"

    def connect(self) -> str:
        assert self.sock is not None
        given = connect(self.sock, self.scene.address)
        if given == "ok":
            self.scene.connected(self.sock)
        return WAITS if given == "nothing" else given

    def poll(self, expected: str) -> str:
        assert self.sock is not None
        return polled(self.sock, expected)

    def send(self, expected: str) -> str:
        assert self.sock is not None
        given = send(self.sock, self.message)
        while expected == WAITS and given == "ok":
            given = send(self.sock, bytes(1 << 20))
        return WAITS if given == "nothing" else given

    def end(self, does: Does) -> str:
        """End the connection, or its half."""
        assert self.sock is not None
        try:
            ENDS[does](self.sock)
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "ok"

    def recv(self, expected: str) -> str:
        """Call recv, as often as the word asks; bytes that belong to a message of an earlier word are no answer."""
        assert self.sock is not None
        while isinstance(given := recv(self.sock), bytes):
            self.got += given
            inside = len(self.got) % len(self.other) != 0
            if expected in (DATA, PART, WAITS):
                return DATA if expected == DATA or not inside else PART
            if expected == CHANGED and len(self.got) >= len(self.other):
                return CHANGED if self.got[: len(self.other)] != self.other else REST
            if expected == REST and not inside:
                return REST if self.got == self.other * (len(self.got) // len(self.other)) else "other bytes"
        return WAITS if given == "nothing" else given
