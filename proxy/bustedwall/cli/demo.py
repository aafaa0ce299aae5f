"""`bustedwall demo`: real connections, broken before your eyes.

A small HTTP server and a client with plain blocking sockets, each in a thread; between them the
proxies, as `run` runs them. Each row asserts what every single call of the client returned.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import click

from bustedwall.cli.exits import Exit
from bustedwall.policy.address import Address
from bustedwall.policy.load import ProxySetup, load_use

if TYPE_CHECKING:
    from bustedwall.relay.poller import Reactor

BODY = b"x" * 2000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
REQUEST = b"GET / HTTP/1.1\r\nHost: demo\r\n\r\n"

PATIENCE = 8.0
"""Seconds that a call may wait before the row has failed."""

CLIENT_LIMIT = 1000
"""Milliseconds for which the client's kernel waits for an ACK (TCP_USER_TIMEOUT); its default is about 15 minutes."""


NEXT = """\
Every call returned what it must. Now before a server of your own:

    bustedwall run --listen 127.0.0.1:8081 --upstream 127.0.0.1:80 --policy reset-mid-response
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A policy, what the client does, and what each call of it must return."""

    policy: str
    """As on the command line; empty for none."""
    meaning: str
    expected: tuple[str, ...]
    """`call: result`, in order. The calls are made in this order, too."""
    at_least: float = 0.0
    """Seconds that the row takes, at least."""

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.policy.partition(":")[0] or "no policy"


WHOLE = f"recv: {len(ANSWER)} B"

ROWS = (
    Row("", "two requests on one connection", ("send: ok", WHOLE, "send: ok", WHOLE)),
    Row(
        "reset-mid-response:after=1000B",
        "a RST after exactly 1000 bytes of the response",
        ("send: ok", "recv: 1000 B", "recv: ECONNRESET", "send: EPIPE", "recv: EOF"),
    ),
    Row(
        "slow-link:delay=100ms",
        "100 ms each way: two requests take 400 ms",
        ("send: ok", WHOLE, "send: ok", WHOLE),
        at_least=0.4,
    ),
    Row(
        "cable-pull:after=1B",
        f"silence; the client's own kernel gives up after {CLIENT_LIMIT / 1000:g} s",
        ("send: ok", "recv: 1 B", "send: ok", "recv: ETIMEDOUT", "send: EPIPE", "recv: EOF"),
        at_least=CLIENT_LIMIT / 1000,
    ),
    Row(
        "gave-up-rst:give_up=1s",
        "our ACKs are lost; after 1 s the peer gives up and its RST gets through",
        ("send: ok", WHOLE, "recv: ECONNRESET", "send: EPIPE", "recv: EOF"),
        at_least=1.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row's client saw."""

    row: Row
    seen: tuple[str, ...]
    seconds: float

    @property
    def held(self) -> bool:
        """Tell whether all was as it must be."""
        return self.seen == self.row.expected and self.seconds >= self.row.at_least


def play(row: Row, address: Address) -> Outcome:
    """Make the row's calls and return what they gave."""
    began = time.monotonic()
    seen: list[str] = []
    with socket.create_connection((address.host, address.port), timeout=PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CLIENT_LIMIT)
        for expected in row.expected:
            call = expected.partition(":")[0]
            wanted = _bytes_wanted(expected)
            seen.append(f"{call}: {_send(sock) if call == 'send' else _recv(sock, wanted)}")
            if seen[-1] != expected:
                break
    return Outcome(row, tuple(seen), time.monotonic() - began)


def _bytes_wanted(expected: str) -> int:
    """Return how many bytes `recv: N B` speaks of; any other outcome of recv comes instead of bytes."""
    words = expected.split()
    return int(words[1]) if words[-1] == "B" else 1


def _send(sock: socket.socket) -> str:
    try:
        sock.sendall(REQUEST)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


def _recv(sock: socket.socket, wanted: int) -> str:
    """Call recv until the bytes are there; report them, or else what the last call gave."""
    got = 0
    while got < wanted:
        try:
            data = sock.recv(wanted - got)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
        if not data:
            return "EOF" if not got else f"{got} B, EOF"
        got += len(data)
    return f"{got} B"


class _Server:
    """Answers every request on every connection, until the process ends."""

    def __init__(self) -> None:
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._sock.getsockname()[:2])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._sock.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        asked = b""
        try:
            while data := client.recv(65536):
                asked += data
                *requests, asked = asked.split(b"\r\n\r\n")
                for _ in requests:
                    client.sendall(ANSWER)
        except OSError:
            pass  # the proxy broke the connection: that is the show
        finally:
            client.close()


@click.command()
def demo() -> None:
    """Show what a client gets, call by call, without a policy and with four.

    Needs no privilege and no network; ends by itself within ten seconds. Exits 0 only if every call
    of every row returned what it must.
    """
    from twisted.internet import reactor  # noqa: PLC0415 (importing it chooses the reactor of the process)

    from bustedwall.relay.wall import Wall  # noqa: PLC0415 (late, for a quick --help)

    server = _Server()
    door = Address("127.0.0.1", 0)
    setups = [ProxySetup(row.name, door, server.address, load_use(row.policy) if row.policy else ()) for row in ROWS]
    wall = Wall(cast("Reactor", reactor), setups, lambda *_: None, seed=0, verbose=False)
    wall.startService()
    outcomes: list[Outcome] = []

    def show() -> None:
        try:
            for row, proxy in zip(ROWS, wall.proxies, strict=True):
                outcomes.append(play(row, proxy.address))
                click.echo(_shown(outcomes[-1]))
        finally:
            wall.reactor.callFromThread(reactor.stop)

    click.echo(f"client ──> bustedwall ──> server {server.address}, HTTP, all on this machine\n")
    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.callWhenRunning(threading.Thread(target=show, daemon=True).start)
    reactor.run()
    held = len(outcomes) == len(ROWS) and all(outcome.held for outcome in outcomes)
    click.echo(NEXT if held else "Not every row held: this machine does something that the demo does not expect.")
    sys.exit(Exit.OK if held else Exit.FINDING)


def _shown(outcome: Outcome) -> str:
    row = outcome.row
    verdict = "ok" if outcome.held else "UNEXPECTED"
    lines = [
        f"{row.name:<20}{row.meaning}",
        f"{'':<20}{'   '.join(outcome.seen)}   [{outcome.seconds:.2f} s]  {verdict}",
    ]
    if not outcome.held:
        lines.append(f"{'':<20}must be: {'   '.join(row.expected)}, in at least {row.at_least:g} s")
    return os.linesep.join(lines) + os.linesep
