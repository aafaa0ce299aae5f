"""`stall` on real sockets: held and acknowledged, or a window that closes; neither is a loss.

The table is that of the research "zero window against blackhole" on Linux: with a closed window
nothing is unacknowledged and nothing is retransmitted, probes are answered, and TCP_USER_TIMEOUT
ends it all the same; the peer goes on at once when the window opens.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import abort, fill, hung_up, read_all, read_exactly, recv, send, until
from tests.relay.rig import Rig, Talk, policy, running
from tests.sockets.calls import Blocked, fill_up, info, play

LEGS = ("client", "server")
LIMIT = 1.0
SPAN = 1.5


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {}
    for leg in LEGS:
        for how in ("hold", "zero_window"):
            name = f"{how}-{leg}".replace("_", "-")
            step = {"how": how, "from": leg}
            uses[name] = [policy(folder, name, [{"stall": step}])]
            for span in ("1500ms", "3s"):
                each = f"{name}-{span}"
                uses[each] = [policy(folder, each, [{"stall": {**step, "for": span}}])]
            then = {"contains": "THEN", "from": {"client": "server", "server": "client"}[leg]}
            for fault in ("reset", "close", "close_unread", "vanish"):
                each = f"{name}-{fault}".replace("_", "-")
                uses[each] = [policy(folder, each, [{"stall": step}, {"wait": then}, {fault: leg}])]
    with running(folder, uses) as rig:
        yield rig


@pytest.fixture(params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    """Name the side whose bytes go nowhere."""
    return request.param


@pytest.fixture(params=["hold", "zero-window"])
def how(request: pytest.FixtureRequest) -> str:
    """Say how they do."""
    return request.param


def stalled(connect: Connect, name: str, version: int, leg: str) -> tuple[Talk, socket.socket, socket.socket]:
    """Return a flow, its stalled end and the other one."""
    talk = connect(name, version)
    talk.wait("fault-armed")
    assert talk.server is not None
    return (talk, talk.client, talk.server) if leg == "client" else (talk, talk.server, talk.client)


def test_a_few_bytes_are_acknowledged_and_go_nowhere(connect: Connect, version: int, leg: str, how: str) -> None:
    _, speaker, listener = stalled(connect, f"{how}-{leg}", version, leg)
    script = ["send: ok", "sent", "recv: nothing", "send: ok", "sent", "poll: OUT", "recv: nothing"]
    assert play(speaker, script, lambda: None) == script
    assert play(listener, ["poll: OUT", "recv: nothing"], lambda: None) == ["poll: OUT", "recv: nothing"]


def test_whose_socket_does_not_block(connect: Connect, version: int, leg: str, how: str) -> None:
    _, speaker, _ = stalled(connect, f"{how}-{leg}", version, leg)
    script = ["recv: EAGAIN", "send: ok", "sent", "recv: EAGAIN", "send: ok", "poll: OUT"]
    assert play(speaker, script, lambda: None, at_once=True) == script


def test_who_waits_in_recv_waits_on(connect: Connect, version: int, leg: str, how: str) -> None:
    _, speaker, listener = stalled(connect, f"{how}-{leg}", version, leg)
    blocked = Blocked(listener)
    assert send(speaker, b"are you there?") == "ok"
    assert blocked.waits
    listener.shutdown(socket.SHUT_RD)  # lets the thread go
    assert blocked.result() == "EOF"


def test_the_other_direction_goes_on(connect: Connect, version: int, leg: str, how: str) -> None:
    _, speaker, listener = stalled(connect, f"{how}-{leg}", version, leg)
    assert send(speaker, b"stalled") == "ok"
    assert send(listener, b"x" * 500_000) == "ok"
    assert read_exactly(speaker, 500_000) == b"x" * 500_000


def test_hold_takes_much_and_the_limit_of_the_program_never_strikes(connect: Connect, version: int, leg: str) -> None:
    _, speaker, _ = stalled(connect, f"hold-{leg}", version, leg)
    assert send(speaker, bytes(8 << 20)) == "ok"
    assert play(speaker, ["sent"], lambda: None) == ["sent"]
    # Not before: a busy machine may leave the window closed for so long, until it is the proxy's turn.
    speaker.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LIMIT * 1000))
    assert send(speaker, b"and more") == "ok"
    time.sleep(LIMIT)  # the limit has to have its chance
    assert send(speaker, b"and more") == "ok"


def test_hold_has_a_bound_and_then_the_window_closes(connect: Connect, version: int, leg: str) -> None:
    talk, speaker, _ = stalled(connect, f"hold-{leg}", version, leg)
    assert fill_up(speaker, talk.wall.pid) >= 16 << 20
    until(lambda: info(speaker).window == 0, "the window is closed")


@pytest.mark.long("more than a second each")
def test_zero_window_nothing_is_lost_and_the_limit_of_the_program_ends_it(
    connect: Connect, version: int, leg: str
) -> None:
    _, speaker, _ = stalled(connect, f"zero-window-{leg}", version, leg)
    fill(speaker)
    seen = until(lambda: found if (found := info(speaker)).window == 0 else None, "the window is closed")
    assert seen.notsent > 0
    later = until(lambda: found if (found := info(speaker)).backoff >= 2 else None, "it is probed")
    assert (later.unacked, later.retransmits, later.total_retrans) == (0, 0, seen.total_retrans)
    speaker.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LIMIT * 1000))
    began = time.monotonic()
    assert recv(speaker) == "ETIMEDOUT"
    assert time.monotonic() - began >= LIMIT / 2
    assert [send(speaker, b"x"), recv(speaker)] == ["EPIPE", "EOF"]


@pytest.mark.long("more than a second each")
def test_when_it_ends_everything_arrives_and_the_fin_behind_it(
    connect: Connect, version: int, leg: str, how: str
) -> None:
    began = time.monotonic()
    talk, speaker, listener = stalled(connect, f"{how}-{leg}-1500ms", version, leg)
    data = bytes(range(251)) * 40_000
    speaking = threading.Thread(target=lambda: (send(speaker, data), speaker.shutdown(socket.SHUT_WR)), daemon=True)
    speaking.start()
    got, ending = read_all(listener)
    assert time.monotonic() - began >= SPAN
    assert ending == "EOF"
    assert got == data
    speaking.join(10)
    assert send(listener, b"thanks") == "ok"
    assert recv(speaker) == b"thanks"
    listener.close()
    assert recv(speaker) == "EOF"
    assert talk.wait("flow-closed")["discarded"] == 0


@pytest.mark.long("more than a second each")
def test_a_rst_is_held_behind_the_bytes(connect: Connect, version: int, leg: str, how: str) -> None:
    talk, speaker, listener = stalled(connect, f"{how}-{leg}-3s", version, leg)
    assert send(speaker, b"last words") == "ok"
    assert play(speaker, ["sent"], lambda: None) == ["sent"]
    abort(speaker)
    assert play(listener, ["poll: OUT", "recv: nothing"], lambda: None) == ["poll: OUT", "recv: nothing"]
    assert read_all(listener) == (b"last words", "ECONNRESET")
    assert talk.wait("flow-closed")["discarded"] == 0


@pytest.mark.parametrize(
    ("fault", "script"),
    [
        ("reset", ["rst", "recv: data", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"]),
        ("close", ["recv: data", "recv: EOF", "send: ok", "rst", "send: EPIPE", "recv: EOF"]),
        ("vanish", ["recv: data", "send: ok", "rst", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"]),
    ],
)
def test_an_ending_of_the_stalled_leg(
    connect: Connect, version: int, leg: str, how: str, fault: str, script: list[str]
) -> None:
    talk, speaker, listener = stalled(connect, f"{how}-{leg}-{fault}", version, leg)
    assert send(speaker, b"into the stall") == "ok"
    assert play(speaker, ["sent"], lambda: None) == ["sent"]
    assert send(listener, b"THEN") == "ok"
    talk.wait("reset-sent" if fault == "reset" else "leg-closed")
    assert play(speaker, script, lambda: None) == script
    listener.close()


def test_close_in_a_closed_window_opens_it_so_that_what_comes_meets_a_rst(
    connect: Connect, version: int, leg: str
) -> None:
    talk, speaker, listener = stalled(connect, f"zero-window-{leg}-close", version, leg)
    fill(speaker)
    assert send(listener, b"THEN") == "ok"
    talk.wait("leg-closed")
    script = ["rst", "recv: data", "recv: EOF", "send: EPIPE"]
    assert play(speaker, script, lambda: None) == script


def test_close_unread_in_a_closed_window_is_a_rst_at_once(connect: Connect, version: int, leg: str) -> None:
    talk, speaker, listener = stalled(connect, f"zero-window-{leg}-close-unread", version, leg)
    fill(speaker)
    assert send(listener, b"THEN") == "ok"
    assert hung_up(speaker)
    script = ["recv: data", "recv: ECONNRESET", "recv: EOF", "send: EPIPE"]
    assert play(speaker, script, lambda: None) == script
    assert talk.wait("leg-closed")["how"] == "close-unread"
