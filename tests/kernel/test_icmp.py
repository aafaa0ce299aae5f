"""What a client's connect gives when its SYN is answered by ICMP: RFC 792, RFC 4443, icmp_err_convert of Linux."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest
from tests.kernel.pairs import KINDS, door, target
from tests.relay.peers import until

from bustedwall.kernel import icmp
from bustedwall.kernel.answers import Answered
from bustedwall.kernel.icmp import Router
from bustedwall.kernel.loss import lose_arriving
from bustedwall.kernel.sockets import connected, outgoing
from bustedwall.terms.unreachable import Unreachable

pytestmark = pytest.mark.root("CAP_NET_RAW")

NOTHING = Answered(0, 0, more=False)
EXPECTED = {
    Unreachable.HOST: errno.EHOSTUNREACH,
    Unreachable.NETWORK: errno.ENETUNREACH,
    Unreachable.PORT: errno.ECONNREFUSED,
    Unreachable.PROHIBITED: errno.EHOSTUNREACH,
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """How the client comes."""
    return str(request.param)


@pytest.fixture
def listener(kind: str) -> Iterator[socket.socket]:
    """A door that loses SYNs."""
    with door(kind) as listener:
        lose_arriving(listener, lost=True)
        yield listener


def dial(where: tuple[str, int]) -> socket.socket:
    """Begin to connect."""
    sock = outgoing(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    assert sock.connect_ex(where) == errno.EINPROGRESS
    return sock  # type: ignore[return-value]  # a socket of the C module has what is used here


@pytest.mark.parametrize("why", Unreachable)
def test_each_reason_is_an_errno_of_connect(listener: socket.socket, kind: str, why: Unreachable) -> None:
    router = Router(listener, why)
    client = dial(target(listener, kind))
    answered = until(lambda: router.answer().answered, "it is answered")
    error = until(lambda: connected(client), "the client has heard of it")
    router.close()
    client.close()

    assert answered == 1
    assert error == (errno.EACCES if (kind, why) == ("IPv6", Unreachable.PROHIBITED) else EXPECTED[why])


def test_what_goes_to_another_port_or_address_and_what_is_no_syn_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        router = Router(listener, Unreachable.HOST)
        with (
            socket.create_server(("127.0.0.1", 0)) as elsewhere,
            socket.create_server(("127.0.0.2", port)) as neighbour,
        ):
            for other in (elsewhere, neighbour):
                socket.create_connection(other.getsockname(), timeout=10).close()
        assert router.answer() == NOTHING
        with socket.create_connection(listener.getsockname(), timeout=10) as client:  # its SYN is not lost
            assert router.answer().answered == 1
            client.send(b"x")
            assert router.answer() == NOTHING
        router.close()


def test_many_are_answered_in_turns(listener: socket.socket, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp, "_ROUNDS", 2)
    router = Router(listener, Unreachable.HOST)
    clients = [dial(target(listener, kind)) for _ in range(3)]

    assert router.answer() == Answered(2, 0, more=True)
    assert router.answer() == Answered(1, 0, more=False)
    for client in clients:
        until(lambda client=client: connected(client), "each has heard of it")
        client.close()
    router.close()


def test_what_our_kernel_does_not_take_is_counted(
    listener: socket.socket, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = ("fe80::1", 0, 0, 10**9) if kind == "IPv6" else ("255.255.255.255", 0)
    monkeypatch.setattr(icmp, "_where", lambda *_: nowhere)  # ENODEV, and EACCES without SO_BROADCAST
    router = Router(listener, Unreachable.HOST)
    client = dial(target(listener, kind))

    assert router.answer() == Answered(0, 1, more=False)
    client.close()
    router.close()
