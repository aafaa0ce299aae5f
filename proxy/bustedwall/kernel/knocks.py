"""Make the kernel lose some of what comes to a listener: a filter that knows clients by their addresses.

A listener sees SYNs, and what ends handshakes: the ACK of a SYN-ACK passes its filter before there is a
socket for it. That socket inherits the filter (sk_clone_lock), which means nothing that it is sent; `let_go`
takes it away. Attaching needs what `kernel.filter` needs. Measured on Linux 6.18.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator

from bustedwall.kernel import bpf
from bustedwall.kernel.bpf import Do, Require, Step, block, written
from bustedwall.kernel.filter import detach
from bustedwall.kernel.sockets import Socket
from bustedwall.terms.door import Ignored, Knock
from bustedwall.terms.networks import Network

_SENDER = {4: 12, 6: 8}
"""Where in its IP header a packet of each version has its sender's address (RFC 791 §3.1, RFC 8200 §3)."""

_WHICH: dict[Knock, tuple[Step, ...]] = {
    Knock.SYN: (Do(bpf.LOAD_BYTE, bpf.FLAGS), Require(bpf.IF_ANY_BIT, bpf.SYN)),
    Knock.LAST_ACK: (Do(bpf.LOAD_BYTE, bpf.FLAGS), Require(bpf.IF_ANY_BIT, bpf.SYN | bpf.RST, so=False)),
}

_LOSE = written(Do(bpf.RETURN, 0))
_KEEP = written(Do(bpf.RETURN, bpf.U32))


def lose_some(listener: Socket, ignored: Iterable[Ignored]) -> None:
    """Lose what any of these means, in place of what was lost before; raises OSError where the kernel refuses."""
    bpf.attach(listener, compiled(ignored))


def lose_none(listener: Socket) -> None:
    """Lose nothing by a filter any more; raises OSError, ENOENT, if there is none."""
    detach(listener)


def let_go(accepted: Socket) -> None:
    """Take the filter away that a socket may have from its listener."""
    try:
        detach(accepted)
    except OSError as error:
        if error.errno != errno.ENOENT:  # it has none
            raise


def compiled(ignored: Iterable[Ignored]) -> bytes:
    """Return the program that loses what any of these means."""
    order = sorted(ignored, key=str)
    return b"".join(block((*_WHICH[each.what], *sender), _LOSE) for each in order for sender in _senders(each)) + _KEEP


def _senders(ignored: Ignored) -> Iterator[tuple[Step, ...]]:
    """Yield steps that go on where the sender is meant, for each range."""
    if not ignored.clients:
        yield ()
    for network in ignored.clients:
        yield _is_in(network)


def _is_in(network: Network) -> tuple[Step, ...]:
    """Return steps that go on where the sender is in a range; over IPv4 a socket of IPv6 sees IPv4 headers."""
    version = Require(bpf.IF_EQUAL, network.version)
    steps: list[Step] = [Do(bpf.LOAD_BYTE, bpf.NETWORK), Do(bpf.SHIFT_RIGHT, 4), version]
    address, mask = network.network_address.packed, network.netmask.packed
    for at in range(0, len(address), 4):
        bits = int.from_bytes(mask[at : at + 4])
        if bits:
            word = Do(bpf.LOAD_WORD, bpf.NETWORK + _SENDER[network.version] + at)
            steps += (word, Do(bpf.AND, bits), Require(bpf.IF_EQUAL, int.from_bytes(address[at : at + 4])))
    return tuple(steps)
