"""`drop` on real sockets, call by call: who hears nothing, who is heard, whose own limit ends it.

The applications have a TCP_USER_TIMEOUT, or each test would take a quarter of an hour; the proxy has
none. What each call must give is the table of RFC 9293 and of measurements on Linux: an ACK that does
not come is a send that succeeds, then ETIMEDOUT once, to whatever call comes first, then EPIPE and
end of file.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import read_all, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running

LIMIT = 0.6
"""Seconds for which an application's kernel waits for an ACK."""

SPAN = 0.5
"""Seconds after which a loss ends."""

LEGS = ("client", "server")
OTHER = {"client": "server", "server": "client"}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    policies: dict[str, list[object]] = {}
    for leg in LEGS:
        for way in ("from", "to"):
            what = {"what": "all", way: leg}
            policies[f"{way}-{leg}"] = [{"drop": f"all {way} {leg}"}]
            policies[f"{way}-{leg}-span"] = [{"drop": {**what, "for": "500ms"}}]
            policies[f"{way}-{leg}-healed"] = [{"drop": what}, {"wait": "500ms"}, "heal"]
        told: dict[str, object] = {"wait": {"contains": "HEAL", "from": OTHER[leg], "deliver": False}}
        policies[f"from-{leg}-told"] = [{"drop": f"all from {leg}"}, told, "heal"]
        policies[f"both-{leg}"] = [{"drop": f"all from {leg}"}, {"drop": f"all to {leg}"}]
    with running(folder, {name: [policy(folder, name, steps)] for name, steps in policies.items()}) as rig:
        yield rig


def limit(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LIMIT * 1000))


def armed(connect: Connect, name: str, version: int, losses: int = 1) -> Talk:
    """Open a flow; its losses are in force."""
    talk = connect(name, version)
    fact = talk.wait("loss-set", losses)
    assert fact["error"] is None
    return talk


def silent(sock: socket.socket) -> bool:
    """Tell whether nothing has arrived: neither bytes nor an end."""
    return not select.select([sock], [], [], 0)[0]


def given_up(sock: socket.socket) -> bool:
    """Tell whether the kernel has given the connection up (its state is CLOSE), without a call that eats the error."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7


def test_drop_from_client_a_client_in_recv_times_out_and_the_server_hears_nothing(
    connect: Connect, version: int
) -> None:
    talk = armed(connect, "from-client", version)
    limit(talk.client)
    began = time.monotonic()
    assert send(talk.client, b"request") == "ok"
    assert recv(talk.client) == "ETIMEDOUT"
    assert time.monotonic() - began >= LIMIT
    assert send(talk.client, b"x") == "EPIPE"
    assert recv(talk.client) == "EOF"
    assert silent(talk.server)


def test_drop_from_client_two_sends_succeed_and_the_next_calls_fail(connect: Connect, version: int) -> None:
    talk = armed(connect, "from-client", version)
    assert [send(talk.client, b"one"), send(talk.client, b"two")] == ["ok", "ok"]
    limit(talk.client)
    assert [recv(talk.client), recv(talk.client), send(talk.client, b"three")] == ["ETIMEDOUT", "EOF", "EPIPE"]
    assert silent(talk.server)


def test_drop_from_client_what_the_server_says_still_arrives(connect: Connect, version: int) -> None:
    talk = armed(connect, "from-client", version)
    assert send(talk.server, b"do you hear me?") == "ok"
    assert read_exactly(talk.client, 15) == b"do you hear me?"
    assert send(talk.client, b"yes") == "ok"
    talk.server.settimeout(0.5)
    assert recv(talk.server) == "nothing"


def test_drop_to_client_the_server_has_the_request_and_the_client_cannot_know(connect: Connect, version: int) -> None:
    talk = armed(connect, "to-client", version)
    limit(talk.client)
    began = time.monotonic()
    assert send(talk.client, b"request") == "ok"
    assert recv(talk.server) == b"request"
    assert send(talk.server, b"answer") == "ok"
    assert recv(talk.client) == "ETIMEDOUT"
    assert time.monotonic() - began >= LIMIT
    assert send(talk.client, b"x") == "EPIPE"
    assert recv(talk.client) == "EOF"
    assert silent(talk.server), "the request was delivered once, though it was sent many times"


def test_drop_to_client_the_first_call_after_the_limit_may_be_a_send(connect: Connect, version: int) -> None:
    talk = armed(connect, "to-client", version)
    limit(talk.client)
    assert send(talk.client, b"one") == "ok"
    until(lambda: given_up(talk.client), "the client's kernel has given up")
    assert [send(talk.client, b"two"), send(talk.client, b"three"), recv(talk.client)] == ["ETIMEDOUT", "EPIPE", "EOF"]
    assert read_exactly(talk.server, 3) == b"one"
    assert silent(talk.server)


def test_drop_both_ways_of_the_client_is_a_pulled_cable(connect: Connect, version: int) -> None:
    talk = armed(connect, "both-client", version, 2)
    limit(talk.client)
    assert send(talk.client, b"request") == "ok"
    assert send(talk.server, b"news") == "ok"
    assert [recv(talk.client), send(talk.client, b"x"), recv(talk.client)] == ["ETIMEDOUT", "EPIPE", "EOF"]
    assert silent(talk.server)


def test_drop_from_server_the_client_waits_and_the_server_times_out(connect: Connect, version: int) -> None:
    talk = armed(connect, "from-server", version)
    limit(talk.client)
    limit(talk.server)
    assert send(talk.client, b"request") == "ok"
    assert recv(talk.server) == b"request"
    assert send(talk.server, b"answer") == "ok"
    assert [recv(talk.server), send(talk.server, b"x"), recv(talk.server)] == ["ETIMEDOUT", "EPIPE", "EOF"]
    assert silent(talk.client), "its request was ACKed, by the proxy: it waits for ever"
    assert not given_up(talk.client)


def test_drop_to_server_the_server_never_hears_and_nobody_times_out(connect: Connect, version: int) -> None:
    talk = armed(connect, "to-server", version)
    limit(talk.client)
    limit(talk.server)
    assert send(talk.client, b"request") == "ok"
    talk.client.settimeout(LIMIT + 0.5)
    assert recv(talk.client) == "nothing"
    assert silent(talk.server)
    assert not given_up(talk.client)
    assert not given_up(talk.server)
    assert send(talk.client, b"once more") == "ok"


def test_drop_to_server_what_the_server_says_arrives_and_it_cannot_know(connect: Connect, version: int) -> None:
    talk = armed(connect, "to-server", version)
    limit(talk.server)
    assert send(talk.server, b"news") == "ok"
    assert read_exactly(talk.client, 4) == b"news"
    assert recv(talk.server) == "ETIMEDOUT"
    assert silent(talk.client)


@pytest.mark.parametrize(("leg", "how"), [("client", "span"), ("client", "healed"), ("server", "span")])
@pytest.mark.parametrize("way", ["from", "to"])
def test_when_the_loss_ends_everything_arrives(connect: Connect, version: int, way: str, leg: str, how: str) -> None:
    # Heard again at the next retransmission: about as long again as the loss lasted.
    talk = armed(connect, f"{way}-{leg}-{how}", version)
    assert talk.server is not None
    lost = talk.wait("loss-set")
    assert lost["leg"] == leg
    assert lost["losses"] == [f"all {way}"]
    for end, data in ((talk.client, b"up" * 5000), (talk.server, b"down" * 5000)):
        assert send(end, data) == "ok"
    assert read_exactly(talk.server, 10_000) == b"up" * 5000
    assert read_exactly(talk.client, 20_000) == b"down" * 5000
    healed = talk.wait("loss-set", 2)
    assert healed["losses"] == []
    talk.client.close()
    assert recv(talk.server) == "EOF"
    talk.server.close()
    assert talk.wait("flow-closed")["seconds"] >= SPAN
    rest = [fact["fact"] for fact in talk.facts()]
    assert rest.index("fault-ended") < len(rest) - 1 - rest[::-1].index("loss-set")


@pytest.mark.parametrize("way", ["from", "to"])
def test_bytes_and_fins_sent_both_ways_while_the_loss_lasts_arrive_after_it(
    connect: Connect, version: int, way: str
) -> None:
    talks = {leg: armed(connect, f"{way}-{leg}-span", version) for leg in LEGS}
    for talk in talks.values():
        for end in (talk.client, talk.server):
            assert send(end, b"the last words") == "ok"
            end.shutdown(socket.SHUT_WR)
    for leg, talk in talks.items():
        got = {name: read_all(end) for name, end in (("client", talk.client), ("server", talk.server))}
        assert got == dict.fromkeys(LEGS, (b"the last words", "EOF")), f"loss {way} {leg}"


def test_a_blocked_upload_goes_on_after_the_loss(connect: Connect, version: int) -> None:
    talk = armed(connect, "from-client-told", version)
    data = bytes(range(251)) * 40_000
    talk.client.settimeout(0.2)
    sent = 0
    try:
        while sent < len(data):
            sent += talk.client.send(data[sent:])
    except TimeoutError:
        pass
    assert sent < len(data), "the client's buffer must fill"
    assert send(talk.server, b"HEAL") == "ok"
    talk.wait("loss-set", 2)
    talk.client.setblocking(False)  # noqa: FBT003 (its only argument)
    got = 0
    while got < len(data):
        with suppress(BlockingIOError):  # the server has to read first
            sent += talk.client.send(data[sent:]) if sent < len(data) else 0
        part = recv(talk.server, 1 << 18) if got < sent else b""
        assert isinstance(part, bytes)
        assert part == (data[got : got + len(part)])
        got += len(part)


def test_the_loss_is_gone_with_the_flow_and_the_next_one_has_its_own(connect: Connect, version: int) -> None:
    for _ in range(2):
        talk = armed(connect, "from-server", version)
        assert send(talk.client, b"request") == "ok"
        assert recv(talk.server) == b"request"
        talk.client.close()
        assert recv(talk.server) == "EOF"
