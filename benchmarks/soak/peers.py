"""Clients and servers of the soak, in a process of their own: `python peers.py SEED`.

Says on stdout, as JSON Lines, where the server listens, and what each end has counted when it ends.
Reads on stdin what to do: `{"addresses": {PROXY: [HOST, PORT, WEIGHT, HOPEFUL, DOOR]}}`, then rounds:
`{"seconds": S, "at_once": N}`. A round is over, and said to be, when its last flow has ended.
"""

from __future__ import annotations

import asyncio
import errno
import json
import random
import socket
import sys
import time
from itertools import count
from typing import Any

from plays import PLAYS, Play
from talk import End, Header

PATIENCE = 90.0
"""Seconds after which a flow that is to come to its end hangs."""

PATIENCE_WITH_RESETS = 12.0
"""The same for a play that breaks off."""

PATIENCE_WITH_FAULTS = 3.0
"""The same where a fault may well make it hang."""

CONNECT = 60.0
"""Seconds for a connect, on a machine that may be busy."""

CONNECT_WITH_FAULTS = 2.0
"""The same where nobody may answer: a client whose SYN is lost repeats it after one."""

HEAVY = 4
"""Plays that move much, at once."""


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Peers:
    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._numbers = count(1)
        self._addresses: dict[str, list[Any]] = {}
        self._heavy = asyncio.Semaphore(HEAVY)
        self._servers: set[asyncio.Task[None]] = set()
        self._patience: dict[int, float] = {}
        """How long a server waits on the flow of this number."""

    async def listen(self) -> None:
        """Serve whoever comes, for ever."""
        loop = asyncio.get_running_loop()
        sock = socket.create_server(("127.0.0.1", 0), backlog=4096)
        sock.settimeout(0)
        say(port=sock.getsockname()[1])
        while True:
            peer, _ = await loop.sock_accept(sock)
            peer.settimeout(0)
            task = asyncio.create_task(self._serve(End(peer)))
            self._servers.add(task)
            task.add_done_callback(self._servers.discard)

    async def _serve(self, end: End) -> None:
        header = None
        try:
            async with asyncio.timeout(PATIENCE):
                header = await end.hear_header()
            if header is not None:
                end.know(header.number, client=False)
                async with asyncio.timeout(self._patience.get(header.number, PATIENCE_WITH_FAULTS)):
                    await PLAYS[header.play].server(end, header)
        except TimeoutError:
            end.error = "patience"
        if end.sock.fileno() >= 0:
            (end.close if header is None and end.error is None else end.abort)()
        say(end="server", number=header and header.number, **counted(end))

    async def round(self, seconds: float, at_once: int) -> None:
        """Have so many clients at once for a while; then let the last flow end."""
        self._until = time.monotonic() + seconds
        await asyncio.gather(*(self._clients() for _ in range(at_once)))
        while self._servers:
            await asyncio.wait(self._servers)
        say(round="over")

    async def _clients(self) -> None:
        names = list(self._addresses)
        weights = [self._addresses[name][2] for name in names]
        while time.monotonic() < self._until:
            proxy = self._dice.choices(names, weights)[0]
            play = self._dice.choices(PLAYS, [play.weight for play in PLAYS])[0]
            if play.heavy:
                async with self._heavy:
                    await self._client(proxy, play)
            else:
                await self._client(proxy, play)

    async def _client(self, proxy: str, play: Play) -> None:
        host, port, _, hopeful, door = self._addresses[proxy]
        number = next(self._numbers)
        patience = PATIENCE_WITH_FAULTS
        if hopeful:
            patience = PATIENCE if play.whole else PATIENCE_WITH_RESETS
        self._patience[number] = patience
        up, down = play.sizes(self._dice)
        sock = socket.socket()
        sock.settimeout(0)
        end = End(sock)
        name = None
        try:
            async with asyncio.timeout(CONNECT_WITH_FAULTS if door else CONNECT):
                await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except TimeoutError:
            end.error = "no answer"
        except OSError as error:
            end.failed(error)
            if error.errno == errno.ECONNRESET:  # it was connected, and we are told late
                name = "{}:{}".format(*sock.getsockname())
        else:
            name = "{}:{}".format(*sock.getsockname())
            await self._play(end, play, Header(number, PLAYS.index(play), up, down), patience)
        if sock.fileno() >= 0:
            end.abort()
        say(end="client", number=number, proxy=proxy, play=play.name, client=name, **counted(end))
        self._patience.pop(number, None)

    async def _play(self, end: End, play: Play, header: Header, patience: float) -> None:
        end.know(header.number, client=True)
        try:
            async with asyncio.timeout(patience):
                if play.mute or await end.introduce(header):
                    await play.client(end, header)
        except TimeoutError:
            end.error = "patience"

    async def obey(self) -> None:
        """Do what is asked for on stdin."""
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        serving = asyncio.create_task(self.listen())
        while line := await lines.readline():
            order = json.loads(line)
            if "addresses" in order:
                self._addresses = order["addresses"]
            else:
                await self.round(order["seconds"], order["at_once"])
        serving.cancel()


def counted(end: End) -> dict[str, Any]:
    return {
        "sent": end.sent,
        "received": end.received,
        "wrong": end.wrong,
        "eof": end.eof,
        "error": end.error,
        "at": time.monotonic(),
    }


async def main(seed: int) -> None:
    await Peers(seed).obey()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
