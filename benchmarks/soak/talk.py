"""What is said on a flow, and an end of it that keeps account of every byte.

Each byte that is to come is known: a block of random bytes is said again and again, from a place
that the flow's number and the direction give. So bytes are compared as they arrive, and one that is
lost, doubled, changed or another flow's is seen at once, with its offset.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

_PERIOD = 1_048_573
"""A prime: nothing that is lost or doubled has the length of the block."""

_block = random.Random(5).randbytes(_PERIOD)
_said = memoryview(_block + _block)
_heard = memoryview(bytearray(1 << 18))
"""Shared by all ends: nothing stays in it between two calls."""

_HEADER = struct.Struct("<4sQHQQ")
_MAGIC = b"soak"

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: close() sends a RST."""


@dataclass(frozen=True)
class Header:
    """The first bytes of a flow: they tell the server its part."""

    number: int
    play: int
    up: int
    down: int

    def encode(self) -> bytes:
        return _HEADER.pack(_MAGIC, self.number, self.play, self.up, self.down)

    @classmethod
    def decode(cls, data: bytes) -> Header | None:
        if len(data) != HEADER_SIZE:
            return None
        magic, *rest = _HEADER.unpack(data)
        return cls(*rest) if magic == _MAGIC else None


HEADER_SIZE = _HEADER.size


class End:
    """One end of a flow."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sent = 0
        self.received = 0
        self.wrong: int | None = None
        """The offset of the first byte that is not what was said."""
        self.eof = False
        self.error: str | None = None
        """The first error that a call gave, by its name; `patience` where the end waited too long."""
        self._out = self._in = 0
        self._from = (0, 0)
        self._loop = asyncio.get_running_loop()

    def know(self, number: int, *, client: bool) -> None:
        """Know what is said by either side of this flow from now on."""
        places = (number * 7919 % _PERIOD, (number * 7919 + 524_287) % _PERIOD)
        self._from = places if client else places[::-1]

    async def speak(self, count: int) -> bool:
        """Say the next so many bytes; tell whether the kernel took them all."""
        rest = count
        while rest:
            start = (self._from[0] + self._out) % _PERIOD
            sent = await self._send(_said[start : start + min(rest, 1 << 18)])
            if sent is None:
                return False
            self._out += sent
            rest -= sent
        return True

    async def introduce(self, header: Header) -> bool:
        """Say what comes before all else."""
        return await self._send(memoryview(header.encode())) == HEADER_SIZE

    async def hear_header(self) -> Header | None:
        """Hear what comes before all else; None if it does not come."""
        data = b""
        while len(data) < HEADER_SIZE:
            count = await self._recv(HEADER_SIZE - len(data))
            if not count:
                return None
            data += bytes(_heard[:count])
        return Header.decode(data)

    async def hear(self, count: int) -> bool:
        """Hear the next so many bytes and compare them; tell whether they all came."""
        return await self._hear(count) == count

    async def hear_out(self) -> bool:
        """Hear all that comes; tell whether its end was a FIN."""
        await self._hear(1 << 62)
        return self.eof

    async def _hear(self, most: int) -> int:
        heard = 0
        while heard < most:
            count = await self._recv(min(most - heard, 1 << 18))
            if not count:
                break
            start = (self._from[1] + self._in) % _PERIOD
            if self.wrong is None and _heard[:count] != _said[start : start + count]:
                self.wrong = self._in
            self._in += count
            heard += count
        return heard

    def half_close(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.failed(error)

    def close(self) -> None:
        self.sock.close()

    def abort(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()

    # ---- one call

    async def _send(self, data: memoryview) -> int | None:
        while True:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)
            except OSError as error:
                self.failed(error)
                return None
            else:
                self.sent += sent
                await asyncio.sleep(0)  # others have their turn
                return sent

    async def _recv(self, most: int) -> int:
        """Return how many bytes came; 0 at the end, whatever it was."""
        while True:
            try:
                count = self.sock.recv_into(_heard, most)
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)
            except OSError as error:
                self.failed(error)
                return 0
            else:
                self.received += count
                self.eof = not count
                return count

    async def _ready(self, add: Callable[..., None], remove: Callable[[socket.socket], bool]) -> None:
        """Wait until a call can give something."""
        ready = asyncio.Event()
        add(self.sock, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self.sock)

    def failed(self, error: OSError) -> None:
        self.error = self.error or errno.errorcode.get(error.errno or 0, str(error))
