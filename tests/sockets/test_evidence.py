"""What the proxy says of its own losses and endings, and what its verdicts rest on."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from tests.relay.conftest import Connect
from tests.relay.peers import LOCALHOST, abort, read_exactly, recv, send, until
from tests.relay.rig import Rig, policy, running
from tests.sockets.calls import info

from bustedwall.kernel.peer import PeerCounts, peer_counts

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

SPAN = "400ms"

PROOFS = {
    "from": ("drop", {"what": "all", "from": "client"}, "drop all from client"),
    "to": ("drop", {"what": "all", "to": "client"}, "drop all to client"),
    "acks": ("drop", {"what": "acks", "to": "client"}, "drop acks to client"),
    "both": ("blackhole", {"leg": "client"}, "blackhole client"),
}

LONGER = 0.5
"""Seconds within which a kernel has sent again what was not acknowledged: twice, after 0.2 and 0.4 s."""

HEAL = [{"wait": {"contains": "HEAL", "from": "server", "deliver": False}}, "heal"]
"""At a word of the server's that nobody else hears."""

ENDS = dict.fromkeys(("from", "to", "both"), HEAL) | {
    "acks": [{"wait": {"bytes": "2B", "from": "client"}}, {"wait": f"{LONGER}s"}, "heal"]  # the server is not read
}

HEARD = {"bytes": "11B", "from": "server"}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("wall")
    uses: dict[str, list[object]] = {
        name: [policy(folder, name, [{word: options}, *ENDS[name]])] for name, (word, options, _) in PROOFS.items()
    }
    uses |= {
        f"{name}-span": [policy(folder, f"{name}-span", [{word: {**options, "for": SPAN}}])]
        for name, (word, options, _) in PROOFS.items()
    }
    at_byte = {"bytes": "1B", "from": "client"}
    uses |= {
        name: [policy(folder, name, steps, when)]
        for name, steps, when in (
            ("for-good", [{"drop": "all from client"}], "open"),
            ("lost-write", [{"drop": "next_write to client"}], "open"),
            ("reset", [{"reset": "client"}], at_byte),
            ("close", [{"close": "client"}], at_byte),
            ("vanish", [{"vanish": "client"}], at_byte),
            ("unread", [{"close_unread": "client"}], at_byte),
            ("muted-then-reset", [{"drop": "all to client"}, {"wait": HEARD}, {"reset": "client"}], "open"),
        )
    }
    with running(folder, uses) as rig:
        yield rig


def repeated(sock: socket.socket, before: int) -> int:
    """Wait until a peer's kernel has sent something again; return how often, since it was so many times."""
    return until(lambda: info(sock).total_retrans - before, "it is sent again")


@pytest.mark.parametrize("name", PROOFS)
def test_a_loss_that_met_traffic_is_effective_and_names_its_rule_and_fault(
    connect: Connect, version: int, name: str
) -> None:
    talk = connect(name, version)
    talk.wait("loss-set")
    began = time.monotonic()
    before = info(talk.client).total_retrans
    assert send(talk.client, b"up") == "ok"
    assert send(talk.server, b"down") == "ok"
    repeated(talk.client, before)
    lasted = LONGER
    if ENDS[name] is HEAL:
        lasted = time.monotonic() - began
        assert send(talk.server, b"HEAL") == "ok"
    assert read_exactly(talk.server, 2) == b"up"
    assert read_exactly(talk.client, 4) == b"down"
    fact = talk.wait("loss-evidence")

    assert fact["verdict"] == "effective"
    assert fact["causes"] == [f"{name}/rule: {PROOFS[name][2]}"]
    assert fact["leg"] == "client"
    assert fact["seconds"] > lasted - 0.001, "it took hold before we knew, and was lifted later"
    assert fact["acknowledged"] == 0
    if name in {"from", "both"}:
        assert fact["thrown_away"] > 0
        assert fact["arrived"] == 0


@pytest.mark.parametrize("name", ["from", "both"])
def test_the_peers_own_kernel_says_that_it_sent_again(connect: Connect, version: int, name: str) -> None:
    talk = connect(name, version)
    talk.wait("loss-set")
    before = info(talk.client).total_retrans
    assert send(talk.client, b"up") == "ok"
    repeated(talk.client, before)
    assert send(talk.server, b"HEAL") == "ok"
    assert read_exactly(talk.server, 2) == b"up"
    fact = talk.wait("loss-evidence")

    assert 1 <= fact["peer_sent_again"] <= info(talk.client).total_retrans - before
    assert fact["peer_unacknowledged"] >= 1


def test_the_peer_of_an_ipv4_client_at_an_ipv6_door_is_found() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as door:
        client = socket.create_connection(("127.0.0.1", door.getsockname()[1]))
        ours, _ = door.accept()
    with client, ours:
        assert peer_counts(ours) == peer_counts(client) == PeerCounts(0, 0)


def test_of_a_peer_that_is_gone_nothing_is_counted(version: int) -> None:
    with socket.create_server((LOCALHOST[version], 0), family=FAMILIES[version]) as door:
        client = socket.create_connection(door.getsockname()[:2])
        ours, _ = door.accept()
        with ours:
            abort(client)
            assert recv(ours) == "ECONNRESET"
            assert peer_counts(ours) is None, "not even the door's, which has that port"
        assert peer_counts(ours) is None


@pytest.mark.parametrize("name", PROOFS)
def test_a_loss_that_met_nothing_says_so(connect: Connect, version: int, name: str) -> None:
    talk = connect(f"{name}-span", version)
    fact = talk.wait("loss-evidence")

    assert fact["verdict"] == "no traffic met it"
    assert [fact[key] for key in ("thrown_away", "arrived", "sent", "first_sent", "sent_again")] == [0] * 5
    assert send(talk.client, b"still there") == "ok"
    assert read_exactly(talk.server, 11) == b"still there"


def test_a_flow_that_ends_while_a_loss_is_in_force_gets_its_verdict(connect: Connect, version: int) -> None:
    talk = connect("for-good", version)
    talk.wait("loss-set")
    assert send(talk.client, b"lost") == "ok"
    abort(talk.server)
    talk.wait("flow-closed")
    words = [fact["fact"] for fact in talk.facts()]

    assert talk.wait("loss-evidence")["verdict"] == "effective"
    assert words.index("loss-evidence") < words.index("ending-evidence") < words.index("flow-closed")
    assert words.count("loss-evidence") == 1


def test_a_write_that_was_lost_once_is_proven_by_its_repair(connect: Connect, version: int) -> None:
    talk = connect("lost-write", version)
    talk.wait("fault-armed")
    assert send(talk.server, b"answer") == "ok"
    assert read_exactly(talk.client, 6) == b"answer"
    fact = talk.wait("loss-evidence")

    assert fact["losses"] == ["next_write to"]
    assert fact["causes"] == ["lost-write/rule: drop next_write to client"]
    assert fact["verdict"] == "effective"
    assert (fact["first_sent"], fact["acknowledged"]) == (6, 0)
    assert fact["sent_again"] >= 1, "once, unless the machine is so busy that TCP repeats what is on its way"


@pytest.mark.parametrize(
    ("name", "how"), [("reset", "reset"), ("close", "close"), ("vanish", "vanish"), ("unread", "close-unread")]
)
def test_an_ending_says_what_it_ended_and_why(connect: Connect, version: int, name: str, how: str) -> None:
    talk = connect(name, version)
    assert send(talk.client, b"x") == "ok"
    if name == "unread":
        assert send(talk.client, b"yz") == "ok"
    fact = talk.wait("ending-evidence")

    assert fact["leg"] == "client"
    assert fact["how"] == how
    assert fact["cause"] == f"{name}/rule"
    assert fact["verdict"] == "effective"
    assert fact["state"] == "established"
    assert bool(fact["unread"]) is (name == "unread")


def test_an_ending_that_waits_for_something_unread_in_vain_met_no_traffic(connect: Connect, version: int) -> None:
    talk = connect("unread", version)
    assert send(talk.client, b"x") == "ok"
    talk.wait("fault-armed")
    talk.client.shutdown(socket.SHUT_WR)
    fact = talk.wait("ending-evidence")

    assert fact["verdict"] == "no traffic met it"
    assert fact["state"] == "close-wait"


def test_a_reset_lifts_what_would_swallow_it_and_says_what_was_lost_till_then(connect: Connect, version: int) -> None:
    talk = connect("muted-then-reset", version)
    talk.wait("loss-set")
    assert send(talk.server, b"never heard") == "ok"
    assert recv(talk.client) == "ECONNRESET"
    ending = talk.wait("ending-evidence")

    assert ending["verdict"] == "effective"
    assert ending["in_flight"] == 11
    assert talk.wait("loss-evidence")["verdict"] == "not proven", "nobody knows what became of it"
