"""Flows whose peers send, stall, half-close and reset as they like; no fault touches them: `random_peers FLOWS FOLDER`.

A program, because so many flows use up the ports of a network namespace; see test_random_peers.py.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random

from tests.relay.peers import HANG, until

PAIRS = 6
"""So many clients, each with a proxy and an upstream of its own, so that both ends of a flow are known."""

LINGER_ZERO = struct.pack("ii", 1, 0)
TEXT = Random(6).randbytes(1 << 17)


class End:
    """One end of a flow: what it has sent and got, and how it has ended."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sent = self.got = 0
        self.finished = self.heard_end = False

    def send(self, size: int) -> None:
        """Send the next bytes of the text."""
        self.sock.sendall(TEXT[self.sent : self.sent + size])
        self.sent += size

    def read(self, other: End, *, to_end: bool = False) -> None:
        """Read what the other end has sent and require that it is that; to its end, where it has one."""
        while self.got < other.sent or (to_end and not self.heard_end):
            data = self.sock.recv(1 << 16)
            assert data == TEXT[self.got : self.got + len(data)]
            self.got += len(data)
            if not data:
                assert other.finished
                assert self.got == other.sent, "bytes are lost"
                self.heard_end = True
                return

    def finish(self) -> None:
        """Send a FIN and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)
        self.finished = True

    def reset(self) -> None:
        """End with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.sock.close()

    def hears_a_reset(self, other: End) -> None:
        """Read on: what comes is the beginning of what the other has sent, then the error, unless a FIN came before."""
        self.sock.settimeout(HANG)
        try:
            while data := self.sock.recv(1 << 16):
                assert data == TEXT[self.got : self.got + len(data)]
                self.got += len(data)
        except ConnectionResetError:
            pass
        assert self.got <= other.sent


def play(one: End, two: End, chance: Random) -> None:
    """Have a random conversation, and end it in a random way."""
    for _ in range(chance.randrange(4)):
        speaker, listener = chance.sample((one, two), 2)
        if not speaker.finished:
            speaker.send(chance.choice((1, 10, 1000, 20_000)))
        match chance.randrange(8):
            case 0:
                pass  # it stalls: nobody reads for now
            case 1 if not speaker.finished:
                speaker.finish()
            case _:
                listener.read(speaker)
    first, second = chance.sample((one, two), 2)
    if chance.randrange(3):
        for end, other in ((first, second), (second, first)):
            if not end.finished:
                end.finish()
            other.read(end, to_end=True)
    else:
        first.reset()
        second.hears_a_reset(first)


@contextmanager
def proxies(folder: Path, upstreams: Sequence[socket.socket]) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """Run a proxy before each upstream, without a journal: half a million facts are another test's."""
    told = [
        {"name": f"p{number}", "listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream.getsockname()[1]}"}
        for number, upstream in enumerate(upstreams)
    ]
    config = folder / "config.yaml"
    config.write_text(json.dumps({"version": 1, "proxies": told}))
    command = [sys.executable, "-m", "bustedwall", "run", str(config), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in upstreams]
        yield child.pid, [("127.0.0.1", int(line.rpartition(":")[2])) for line in lines]
        child.terminate()
        _, errors = child.communicate(timeout=2 * HANG)
        assert (child.returncode, errors) == (0, "")


def descriptors(pid: int) -> int:
    """Return how many it has open, but for the pipes that it keeps for splice."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += not str(link.readlink()).startswith("pipe:")
    return count


def client(address: tuple[str, int], upstream: socket.socket, seed: int, count: int) -> int:
    """Have so many flows, one after the other; return how many."""
    chance = Random(seed)
    for _ in range(count):
        with socket.create_connection(address, HANG) as near, upstream.accept()[0] as far:
            far.settimeout(HANG)
            play(End(near), End(far), chance)
    return count


def main(flows: int, folder: Path) -> None:
    """Have so many flows; raise AssertionError where a byte is wrong or lost, or a descriptor is left."""
    with ExitStack() as closing:
        upstreams = [closing.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(PAIRS)]
        for upstream in upstreams:
            upstream.settimeout(HANG)
        pid, addresses = closing.enter_context(proxies(folder, upstreams))
        before = descriptors(pid)
        share = flows // PAIRS + 1
        with ThreadPoolExecutor(PAIRS) as pool:
            clients = pool.map(client, addresses, upstreams, range(PAIRS), [share] * PAIRS)
            assert sum(clients) >= flows
        until(lambda: descriptors(pid) == before, "as many descriptors as before")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
