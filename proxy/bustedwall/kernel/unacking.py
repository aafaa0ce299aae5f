"""Make the kernel lose the bare ACKs of some sockets, and nothing else that they send.

No option of a socket knows an ACK from data. So the sockets have a bit of their mark set (SO_MARK), and a
table of nftables discards what has this bit, ACK alone, and is as long as its headers. There is no
expression for that length, so each length of a TCP header has a rule. What has no such bit passes the
first rule.
The table has the flag `owner` (Linux 5.12): nobody else can change it, and it is gone with the descriptor
that made it. It is the network namespace's, and asks CAP_NET_ADMIN, as the mark does. Two processes have a
table each, of the same bit: what one discards the other's sockets are to lose, too.
linux/netfilter/nf_tables.h; measured on Linux 6.18.
"""

from __future__ import annotations

import atexit
import os
import socket
import struct
from functools import cache

from bustedwall.kernel.sockets import Socket

MARK = 1 << 27
"""The bit. Who routes by marks meets it while the loss lasts."""

_NETFILTER = 12  # NETLINK_NETFILTER
_BATCH_BEGIN, _BATCH_END, _ERROR = 16, 17, 2
_NFTABLES = 10
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = (_NFTABLES << 8 | kind for kind in (0, 3, 6))
_REQUEST, _WITH_ANSWER, _CREATE_LAST = 1, 4, 0xC00
_NESTED = 0x8000
_INET = 1
_OWNER = 2
_CHAIN = "out"
_LOCAL_OUT = 3
_DROP, _ACCEPT = 0, 1
_REGISTER, _VERDICT_REGISTER = 1, 0
_SAME = 0
_META_MARK, _META_VERSION, _META_PROTOCOL = 3, 15, 16
_NETWORK_HEADER, _TRANSPORT_HEADER = 1, 2
_TCP_OFFSET, _TCP_FLAGS = 12, 13
_FLAGS, _ACK_ALONE = b"\x17", b"\x10"
"""FIN, SYN, RST and ACK, and the last of them."""

_HEADER = struct.Struct("=IHHII")
_ERRNO = struct.Struct("=i")
_WORDS = range(5, 16)
"""How many 32-bit words a TCP header may have (RFC 9293 §3.1)."""
_VERSIONS = ((socket.AF_INET, 20, 2), (socket.AF_INET6, 0, 4))
"""Of IP: bytes of its own header that its length counts, and where that is."""
_ANSWERS = 1 << 16


def lose_acks(sock: Socket, *, lost: bool) -> None:
    """Lose the bare ACKs that a socket sends from now on, or no longer. Raises OSError, mostly EPERM."""
    if lost:
        _own_table()
    mark(sock, lost=lost)


def mark(sock: Socket, *, lost: bool) -> None:
    """Set the bit that a table goes by, or clear it; the others stay. Raises OSError."""
    now = sock.getsockopt(socket.SOL_SOCKET, socket.SO_MARK)
    wanted = now | MARK if lost else now & ~MARK
    if wanted != now:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, wanted)


@cache
def _own_table() -> socket.socket:
    """Make this process's table, when it is first needed; it goes with the process."""
    table = open_table()
    atexit.register(table.close)
    return table


def open_table() -> socket.socket:
    """Make a table; it is there until what is returned is closed. Raises OSError."""
    asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETFILTER)
    try:
        asking.bind((0, 0))
        # The kernel gives each such socket of a namespace another number.
        asking.send(_table(f"bustedwall-{asking.getsockname()[0]}"))
        _raise_refusal(asking)
    except BaseException:
        asking.close()
        raise
    return asking


def _raise_refusal(asking: socket.socket) -> None:
    """Read the answers, which are there as soon as the batch is sent; one refusal undoes all of it."""
    while True:
        try:
            answers = asking.recv(_ANSWERS)
        except BlockingIOError:
            return
        while answers:
            size, kind, *_ = _HEADER.unpack_from(answers)
            error = -_ERRNO.unpack_from(answers, _HEADER.size)[0] if kind == _ERROR else 0
            if error:
                raise OSError(error, os.strerror(error))
            answers = answers[size + 3 & ~3 :]


def _table(name: str) -> bytes:
    hook = _nest(4, _number(1, _LOCAL_OUT), _number(2, 0))
    parts = [
        _message(_BATCH_BEGIN, b"", of=_NFTABLES),
        _message(_NEW_TABLE, _text(1, name) + _number(2, _OWNER)),
        _message(_NEW_CHAIN, _text(1, name) + _text(3, _CHAIN) + hook + _text(7, "filter")),
        _rule(name, _load_mark(), _compare(_SAME, bytes(4)), _verdict(_ACCEPT)),
    ]
    for family, own, length_at in _VERSIONS:
        parts += (
            _rule(
                name,
                _expression("meta", _number(2, _META_VERSION), _number(1, _REGISTER)),
                _compare(_SAME, bytes([family])),
                _expression("meta", _number(2, _META_PROTOCOL), _number(1, _REGISTER)),
                _compare(_SAME, bytes([socket.IPPROTO_TCP])),
                _load(_TRANSPORT_HEADER, _TCP_FLAGS, 1),
                _masked(_FLAGS),
                _compare(_SAME, _ACK_ALONE),
                _load(_TRANSPORT_HEADER, _TCP_OFFSET, 1),
                _masked(b"\xf0"),
                _compare(_SAME, bytes([words << 4])),
                _load(_NETWORK_HEADER, length_at, 2),
                _compare(_SAME, struct.pack("!H", own + 4 * words)),
                _verdict(_DROP),
            )
            for words in _WORDS
        )
    return b"".join([*parts, _message(_BATCH_END, b"", of=_NFTABLES)])


def _rule(table: str, *expressions: bytes) -> bytes:
    return _message(_NEW_RULE, _text(1, table) + _text(2, _CHAIN) + _nest(4, *expressions))


def _load_mark() -> bytes:
    mark = _expression("meta", _number(2, _META_MARK), _number(1, _REGISTER))
    return mark + _masked(struct.pack("=I", MARK))


def _load(header: int, at: int, size: int) -> bytes:
    return _expression("payload", _number(1, _REGISTER), _number(2, header), _number(3, at), _number(4, size))


def _masked(mask: bytes) -> bytes:
    what = _number(1, _REGISTER) + _number(2, _REGISTER) + _number(3, len(mask))
    return _expression("bitwise", what, _nest(4, _attribute(1, mask)), _nest(5, _attribute(1, bytes(len(mask)))))


def _compare(how: int, value: bytes) -> bytes:
    return _expression("cmp", _number(1, _REGISTER), _number(2, how), _nest(3, _attribute(1, value)))


def _verdict(which: int) -> bytes:
    return _expression("immediate", _number(1, _VERDICT_REGISTER), _nest(2, _nest(2, _number(1, which))))


def _expression(name: str, *data: bytes) -> bytes:
    return _nest(1, _text(1, name), _nest(2, *data))


def _message(kind: int, body: bytes, of: int = 0) -> bytes:
    flags = _REQUEST if of else _REQUEST | _WITH_ANSWER | _CREATE_LAST
    body = struct.pack("!BBH", 0 if of else _INET, 0, of) + body
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def _nest(kind: int, *parts: bytes) -> bytes:
    return _attribute(kind | _NESTED, b"".join(parts))


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!I", value))
