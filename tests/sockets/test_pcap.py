"""Each flow's pcap file, read by tshark: both legs, every segment, also those that our kernel is made to lose.

What has to be in it follows from RFC 9293: a handshake on each leg, data and its ACK, FINs or a RST; and what is
lost is sent again. It needs root.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.relay.peers import (
    LOCALHOST,
    Upstream,
    abort,
    at,
    dial,
    hang_up,
    read_all,
    read_exactly,
    recv,
    send,
    until,
)
from tests.relay.rig import Door, Fact, Talk, Wall, policy

pytestmark = [pytest.mark.root, pytest.mark.real("tshark")]

ROOT = Path(__file__).parents[2]
FIELDS = (
    *("frame.time_epoch", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len"),
    *("frame.len", "frame.cap_len", "tcp.seq_raw", "ip.id"),
)
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
SNAPLEN = 128
"""What is kept of a packet unless the config says otherwise: RFC 793's and RFC 8200's headers with their options."""


@dataclass(frozen=True)
class Segment:
    """A segment as tshark reads it out of a file."""

    stamp: int
    source: int
    target: int
    flags: int
    carried: int
    length: int
    there: int
    seq: int
    identification: int
    """Of an IPv4 packet; the next one has another, also if it carries the same (RFC 6864), but 0 says nothing."""


def segments(file: str | Path, *, growing: bool = False) -> list[Segment]:
    """Return what tshark reads; it must have nothing to complain of, unless the file is being written."""
    fields = [word for name in FIELDS for word in ("-e", name)]
    command = ["tshark", "-r", str(file), "-n", "-T", "fields", "-E", "occurrence=f", *fields]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert growing or (done.returncode == 0 and "cut short" not in done.stderr), done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert all(all(row[:-1]) for row in rows), "each packet is one of TCP"
    return [
        Segment(
            *(int(row[0].replace(".", "")), int(row[1]), int(row[2]), int(row[3], 16)),
            *map(int, row[4:-1]),
            int(row[-1] or "0", 16),
        )
        for row in rows
    ]


def once(found: Sequence[Segment]) -> list[Segment]:
    """Return each segment the first time that it was sent: on a busy machine TCP repeats what is on its way."""
    return [*{(each.source, each.seq, each.carried, each.flags & FIN): each for each in reversed(found)}.values()]


def captured(talk: Talk, count: int = 1) -> tuple[Fact, list[Segment]]:
    """Return the fact about a flow's file, and what is in that."""
    fact = talk.wait("captured", count)
    assert (fact["lost"], fact["error"]) == (0, None)
    found = segments(fact["file"])
    assert len(found) == fact["packets"]
    assert Path(fact["file"]).stat().st_size == fact["size"]
    assert [segment.stamp for segment in found] == sorted(segment.stamp for segment in found)
    return fact, found


def of_leg(found: Sequence[Segment], port: int) -> list[Segment]:
    """Return the segments of the leg on which one end has this port."""
    return [segment for segment in found if port in (segment.source, segment.target)]


def with_flags(found: Sequence[Segment], flags: int) -> list[Segment]:
    return [segment for segment in found if segment.flags & flags == flags]


def handshake(found: Sequence[Segment]) -> list[int]:
    return [segment.flags & (SYN | ACK | FIN | RST) for segment in found[:3]]


class Captured:
    """Proxies that capture, before an upstream."""

    def __init__(
        self, folder: Path, version: int, steps: Sequence[object] = (), *, listen: str = "", **more: object
    ) -> None:
        self.folder = folder
        self.pcaps = folder / "pcaps"
        self.upstream = Upstream(version)
        uses = [policy(folder, "faults", steps)] if steps else []
        where = listen or at(LOCALHOST[version], 0)
        self.door = Door("web", self.upstream.address, uses, where, {"pcap": str(self.pcaps), **more})
        self.wall = Wall(folder, [self.door], "--quiet", "--drain", "0s")

    def connect(self) -> Talk:
        talk = Talk(self.wall, "web", dial(self.wall.addresses["web"]), None)
        talk.server = self.upstream.accept()
        talk.wait("flow-opened")
        return talk

    def close(self) -> None:
        hang_up()
        self.upstream.sock.close()
        assert self.wall.stop() == 0


@pytest.fixture
def made() -> Iterator[list[Captured]]:
    """A list for those that are to be stopped."""
    each: list[Captured] = []
    yield each
    for one in each:
        one.close()


@pytest.fixture(params=[4, 6])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_a_flow_from_its_first_syn_to_its_last_ack_with_both_legs(
    tmp_path: Path, made: list[Captured], version: int
) -> None:
    made.append(rig := Captured(tmp_path, version))
    talk = rig.connect()
    assert talk.server is not None
    ports = [talk.client.getsockname()[1], talk.server.getpeername()[1]]
    assert send(talk.client, b"x" * 300) == "ok"
    assert read_exactly(talk.server, 300) == b"x" * 300
    talk.server.close()
    assert read_all(talk.client) == (b"", "EOF")
    talk.client.close()
    fact, found = captured(talk)
    assert fact["file"] == str(rig.pcaps / "web-1.pcap")
    assert {segment.source for segment in found} & set(ports) == set(ports)
    for port in ports:
        leg = of_leg(found, port)
        assert handshake(leg) == [SYN, SYN | ACK, ACK]
        assert sum(segment.carried for segment in once(leg)) == 300
        assert len(with_flags(once(leg), FIN)) == 2
        assert leg[-1].flags & (FIN | ACK) == ACK, "the ACK of the last FIN"
        assert not with_flags(leg, RST)
    assert len(found) == sum(len(of_leg(found, port)) for port in ports), "and nothing else, nothing twice"
    assert {segment.there for segment in found if segment.length > SNAPLEN} == {SNAPLEN}
    assert any(segment.stamp % 1000 for segment in found), "nanoseconds"


@pytest.mark.parametrize("step", ["all from client", "data from client", "all to client"])
def test_what_is_lost_is_in_it_each_time_that_it_is_sent(
    tmp_path: Path, made: list[Captured], version: int, step: str
) -> None:
    made.append(rig := Captured(tmp_path, version, [{"drop": step}]))
    talk = rig.connect()
    assert talk.server is not None
    talk.wait("loss-set")
    lost = b"lost" * 10
    speaker = talk.client if "from" in step else talk.server
    assert send(speaker, lost) == "ok"
    talk_ports = talk.ports if "from" in step else talk.ports[::-1]

    def sent() -> list[Segment]:
        path = rig.pcaps / "web-1.pcap"
        whole = segments(path, growing=True) if path.exists() else []
        return [each for each in whole if (each.source, each.target) == talk_ports and each.carried]

    until(lambda: len(sent()) >= 3, "it is sent and sent again, and is in the file while the flow is open", 30)
    talk.client.settimeout(0.01)
    assert recv(talk.client) == "nothing"
    abort(talk.client)
    abort(talk.server)
    _, found = captured(talk)
    again = [each for each in found if (each.source, each.target) == talk_ports and each.carried]
    assert len(again) >= 3
    assert {each.carried for each in again} == {len(lost)}


def test_a_reset_of_each_leg_is_in_it(tmp_path: Path, made: list[Captured], version: int) -> None:
    made.append(rig := Captured(tmp_path, version, [{"reset": "both"}]))
    talk = rig.connect()
    assert talk.server is not None
    _, found = captured(talk)
    for port in (talk.client.getsockname()[1], talk.server.getsockname()[1]):
        assert len(with_flags(of_leg(found, port), RST)) == 1


def test_an_upstream_that_refuses_is_in_it(tmp_path: Path, made: list[Captured], version: int) -> None:
    made.append(rig := Captured(tmp_path, version))
    port = rig.upstream.sock.getsockname()[1]
    rig.upstream.sock.close()
    talk = Talk(rig.wall, "web", dial(rig.wall.addresses["web"]), None)
    assert recv(talk.client) == "ECONNRESET"
    _, found = captured(talk)
    assert [each.flags for each in of_leg(found, port)] == [SYN, RST | ACK]
    assert handshake(of_leg(found, talk.ports[0])) == [SYN, SYN | ACK, ACK]


def test_a_client_of_ipv4_at_a_door_of_ipv6_is_in_it(tmp_path: Path, made: list[Captured]) -> None:
    made.append(rig := Captured(tmp_path, 6, listen="[::]:0"))
    client = dial(("127.0.0.1", rig.wall.addresses["web"][1]))
    port = client.getsockname()[1]
    rig.upstream.accept()
    abort(client)
    fact = rig.wall.fact("captured")
    leg = of_leg(segments(fact["file"]), port)
    assert handshake(leg) == [SYN, SYN | ACK, ACK]
    assert len(with_flags(leg, RST)) == 1


def test_all_bytes_of_a_packet_are_kept_where_that_is_asked_for(tmp_path: Path, made: list[Captured]) -> None:
    made.append(rig := Captured(tmp_path, 4, snaplen=65535))
    talk = rig.connect()
    assert talk.server is not None
    text = os.urandom(20_000)
    assert send(talk.client, text) == "ok"
    assert read_exactly(talk.server, len(text)) == text
    abort(talk.client)
    fact, found = captured(talk)
    assert all(each.there == each.length for each in found)
    data = Path(fact["file"]).read_bytes()
    assert min(data.count(text[:500]), data.count(text[-500:])) >= 2, "on each leg"


def test_flows_that_are_open_when_the_process_ends_are_whole_and_each_has_its_file(
    tmp_path: Path, made: list[Captured]
) -> None:
    made.append(rig := Captured(tmp_path, 4))
    talks = [rig.connect() for _ in range(5)]
    servers = [talk.server.getpeername()[1] for talk in talks if talk.server is not None]
    rig.wall.signal(signal.SIGTERM)
    assert rig.wall.wait() == 0
    for talk, server in zip(talks, servers, strict=True):
        _, found = captured(talk)
        for port in (talk.ports[0], server):
            leg = of_leg(found, port)
            assert handshake(leg) == [SYN, SYN | ACK, ACK]
            assert len(with_flags(leg, RST)) == 1
    assert len([*rig.pcaps.iterdir()]) == 5


def test_a_reload_begins_and_ends_it_for_flows_that_come_and_leaves_those_that_are_open(
    tmp_path: Path, made: list[Captured]
) -> None:
    made.append(rig := Captured(tmp_path, 4))
    before = rig.connect()
    elsewhere = tmp_path / "elsewhere"
    reloads = 0

    def reload(**more: object) -> None:
        nonlocal reloads
        reloads += 1
        address = at(*rig.wall.addresses["web"])
        rig.wall.configure([Door("web", rig.upstream.address, [], address, more)])
        rig.wall.signal(signal.SIGHUP)
        rig.wall.fact("reloaded", reloads)

    reload(pcap=str(elsewhere))
    moved = rig.connect()
    reload()
    without = rig.connect()
    for talk in (before, moved, without):
        assert talk.server is not None
        assert send(talk.client, b"after the reloads") == "ok"
        assert read_exactly(talk.server, 17) == b"after the reloads"
        abort(talk.client)
    for talk, folder, number in ((before, rig.pcaps, 1), (moved, elsewhere, 2)):
        fact, found = captured(talk)
        assert fact["file"] == str(folder / f"web-{number}.pcap")
        leg = of_leg(found, talk.ports[0])
        assert handshake(leg) == [SYN, SYN | ACK, ACK]
        assert sum(each.carried for each in once(leg)) == 17
    without.wait("flow-closed")
    assert {path.name for path in (*rig.pcaps.iterdir(), *elsewhere.iterdir())} == {"web-1.pcap", "web-2.pcap"}


def test_a_reload_of_something_else_goes_on_and_follows_the_upstream_to_another_port(
    tmp_path: Path, made: list[Captured]
) -> None:
    made.append(rig := Captured(tmp_path, 4))
    address = at(*rig.wall.addresses["web"])
    other = Upstream(4)
    more = rig.door.more
    for reloads, upstream in enumerate((rig.upstream, other), 1):
        rig.wall.configure([Door("web", upstream.address, ["slow-link"], address, more)])
        rig.wall.signal(signal.SIGHUP)
        rig.wall.fact("reloaded", reloads)
        client = dial(rig.wall.addresses["web"])
        server = upstream.accept()
        talk = Talk(rig.wall, "web", client, server)
        talk.wait("flow-opened")
        abort(client)
        fact, found = captured(talk)
        assert fact["file"] == str(rig.pcaps / f"web-{reloads}.pcap")
        for port in (talk.ports[0], upstream.sock.getsockname()[1]):
            assert handshake(of_leg(found, port)) == [SYN, SYN | ACK, ACK]
    other.sock.close()


def test_the_first_client_of_a_door_that_opens_is_in_it_from_its_first_syn(
    tmp_path: Path, made: list[Captured]
) -> None:
    made.append(rig := Captured(tmp_path, 4))
    address = rig.wall.addresses["web"]
    new = ("127.0.0.2", address[1])
    doors = [Door("web", rig.upstream.address, [], at(*address), rig.door.more)]
    rig.wall.configure([*doors, Door("new", rig.upstream.address, [], at(*new), rig.door.more)])
    rig.wall.signal(signal.SIGHUP)

    def first() -> socket.socket | None:
        with suppress(ConnectionRefusedError):
            return socket.create_connection(new, 10)
        return None

    client = until(first, "the door is open")
    port = client.getsockname()[1]
    rig.upstream.accept()
    abort(client)
    leg = of_leg(segments(rig.wall.fact("captured")["file"]), port)
    assert handshake(leg) == [SYN, SYN | ACK, ACK]


def test_a_folder_that_cannot_be_keeps_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--pcap", str(tmp_path / "file")]
    command = [sys.executable, "-m", "bustedwall", "run", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert done.stderr == f"bustedwall: proxy 'proxy' cannot capture to {tmp_path / 'file'}: File exists\n"


def test_a_reload_to_a_folder_that_cannot_be_is_refused_and_all_goes_on(tmp_path: Path, made: list[Captured]) -> None:
    made.append(rig := Captured(tmp_path, 4))
    (tmp_path / "file").write_text("")
    rig.wall.configure([Door("web", rig.upstream.address, [], rig.door.listen, {"pcap": str(tmp_path / "file")})])
    rig.wall.signal(signal.SIGHUP)
    assert "cannot capture to" in rig.wall.fact("reload-failed")["why"]
    talk = rig.connect()
    abort(talk.client)
    assert captured(talk)[0]["file"] == str(rig.pcaps / "web-1.pcap")


def test_a_folder_that_is_gone_is_a_fact_and_flows_go_on(tmp_path: Path, made: list[Captured]) -> None:
    made.append(rig := Captured(tmp_path, 4))
    rig.pcaps.rmdir()
    talk = rig.connect()
    trouble = rig.wall.fact("capture-troubled")
    assert (trouble["file"], trouble["error"]) == (str(rig.pcaps), "ENOENT")
    assert talk.server is not None
    assert send(talk.client, b"x") == "ok"
    assert read_exactly(talk.server, 1) == b"x"
    abort(talk.client)
    fact = talk.wait("captured")
    assert (fact["file"], fact["packets"], fact["error"]) == (None, 0, "ENOENT")
    assert fact["lost"] >= 6, "two handshakes"


def test_without_the_capability_it_does_not_start_and_says_how_to_get_it(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    proxy = {"name": "web", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "pcap": str(tmp_path / "pcaps")}
    config.write_text(json.dumps({"version": 1, "proxies": [proxy]}))
    typed = ["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--pcap", str(tmp_path / "pcaps")]
    for words in ([str(config)], typed):
        command = ["setpriv", "--inh-caps=-all", "--bounding-set", "-net_raw"]
        command += [sys.executable, "-m", "bustedwall", "run", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 4, done.stderr
        for words in (
            "'pcap' needs capture",
            "CAP_NET_RAW",
            "--cap-add NET_RAW",
            "AmbientCapabilities",
            "unshare -Urn",
        ):
            assert words in done.stderr
    assert not (tmp_path / "pcaps").exists()


def test_between_machines_each_packet_is_in_it_once_also_through_a_bridge(tmp_path: Path) -> None:
    program = Path(__file__).with_name("bridged.py")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, str(program), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    found = segments(told["file"])
    for port in told["ports"]:
        leg = of_leg(found, port)
        assert handshake(leg) == [SYN, SYN | ACK, ACK]
        first = min(each.seq for each in with_flags(leg, SYN) if each.flags & ACK == 0)
        sender = next(each.source for each in leg if each.flags & (SYN | ACK) == SYN)
        sent = {
            each.seq + each.carried - first - 1 & 0xFFFFFFFF
            for each in leg
            if each.source == sender and not each.flags & SYN
        }
        assert max(sent) in (told["bytes"], told["bytes"] + 1), "all of it, and a FIN or what is behind it"
        assert with_flags(leg, FIN)
        numbered = [(each.source, each.identification) for each in leg if each.identification]
        assert len(numbered) == len(set(numbered)), "no packet twice"
        assert len(numbered) >= told["bytes"] / 65536
