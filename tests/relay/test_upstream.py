"""Names that are not answered, or answered badly; the address that flows come from; upstreams that lead back."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from tests.relay.inside import FakeNames, Records, descriptors, relaying, relaying_all, so
from tests.relay.peers import LOCALHOST, Upstream, dial, hang_up, recv, send, until
from tests.relay.rig import Door, Wall
from twisted.internet.threads import deferToThread

from bustedwall.kernel.sockets import outgoing
from bustedwall.policy.address import Address
from bustedwall.policy.setup import ProxySetup
from bustedwall.relay import doors as meeting
from bustedwall.relay import names as resolving
from bustedwall.relay import upstream as upstreams
from bustedwall.relay.doors import Doors
from bustedwall.relay.names import Names, Target, Tell
from bustedwall.relay.service import Proxy
from bustedwall.relay.wall import CannotStartError
from bustedwall.relay.wall import Wall as Proxies
from bustedwall.terms.facts import AddressesLeftOut, AddressFailed, FlowClosed, FlowOpened

pytestmark = pytest.mark.deadline(20)

NAME = Address("db.internal", 5432)


@pytest.fixture
def upstream(version: int) -> Iterator[Upstream]:
    upstream = Upstream(version)
    yield upstream
    upstream.sock.close()


def where(upstream: Upstream) -> tuple[str, int]:
    address = Address.parse(upstream.address)
    return address.host, address.port


def client_of(proxy: Proxy) -> socket.socket:
    return dial((proxy.address.host, proxy.address.port))


def errors(records: Records) -> list[str]:
    return [fact.error for _, fact in records.facts if isinstance(fact, AddressFailed)]


# ---- a resolver that hangs


@pytest_twisted.ensureDeferred
async def test_while_a_name_is_not_answered_it_is_asked_once_and_nobody_else_waits(
    upstream: Upstream, version: int
) -> None:
    names = FakeNames(where(upstream), at_once=False)
    here = Address(LOCALHOST[version], 0)
    setups = [ProxySetup("named", here, NAME, ()), ProxySetup("literal", here, Address(*where(upstream)), ())]
    await deferToThread(int)  # the reactor's threads have their descriptors now
    base = descriptors()
    with relaying_all(setups, names) as ((named, records), (literal, _)):
        waiting = [await deferToThread(client_of, named) for _ in range(20)]
        await so(lambda: len(named.flows) == 20, "all of them wait")
        assert names.asked == [("db.internal", 5432)]
        client = await deferToThread(client_of, literal)
        server = await deferToThread(upstream.accept)
        assert await deferToThread(send, client, b"hello") == "ok"
        assert await deferToThread(recv, server) == b"hello"
        names.answer()
        await so(lambda: records.count(FlowOpened) == 20, "one answer is for all of them")
        late = await deferToThread(client_of, named)
        await so(lambda: len(names.asked) == 2, "the next flow has it asked anew")
        for sock in (*waiting, client, server, late):
            sock.close()
    hang_up()
    upstream.forget()
    assert descriptors() == base


@pytest.mark.parametrize("version", [4])
@pytest_twisted.ensureDeferred
async def test_a_name_is_not_waited_for_for_ever(
    upstream: Upstream, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstreams, "PATIENCE", 0.2)
    names = FakeNames(where(upstream), at_once=False)
    with relaying(NAME, names, version) as (proxy, records):
        clients = [await deferToThread(client_of, proxy) for _ in range(3)]
        for client in clients:
            assert await deferToThread(recv, client) == "ECONNRESET"
        await so(lambda: records.count(FlowClosed) == 3, "all flows are closed")
        assert set(errors(records)) == {"the resolver has not answered for 0.2 s"}
        seconds = [fact.seconds for _, fact in records.facts if isinstance(fact, FlowClosed)]
        assert max(seconds) >= 0.2
        asked = len(names.asked)
        names.answer()  # too late for anybody
        assert records.count(FlowOpened) == 0
        monkeypatch.setattr(upstreams, "PATIENCE", 60.0)
        await deferToThread(client_of, proxy)
        await so(lambda: len(names.asked) == asked + 1, "it is asked again")
        names.answer()
        await so(lambda: records.count(FlowOpened) == 1, "and the answer counts")


@pytest.mark.parametrize("version", [4])
@pytest_twisted.ensureDeferred
async def test_clients_that_give_up_leave_the_question_to_those_that_come(upstream: Upstream, version: int) -> None:
    names = FakeNames(where(upstream), at_once=False)
    with relaying(NAME, names, version) as (proxy, records):
        for number in range(1, 6):
            client = await deferToThread(client_of, proxy)
            await so(lambda: proxy.flows, "it waits")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            await so(lambda number=number: records.count(FlowClosed) == number, "it has gone")
        assert len(names.asked) == 1
        assert not proxy.upstream._askers
        await deferToThread(client_of, proxy)
        await so(lambda: proxy.flows, "the next one waits")
        names.answer()
        await so(lambda: records.count(FlowOpened) == 1, "for the first question's answer")
        assert len(names.asked) == 1


def test_a_process_does_not_wait_for_a_resolver_that_hangs(tmp_path: Path) -> None:
    upstream = Upstream(4)
    program = (
        "import socket, time\n"
        "real = socket.getaddrinfo\n"
        "def hang(host, *a, **k):\n"
        "    if host.endswith('.internal') and not k.get('flags'): time.sleep(1000)\n"
        "    return real(host, *a, **k)\n"
        "socket.getaddrinfo = hang\n"
        "from bustedwall.cli.main import main\n"
        "main()\n"
    )
    doors = [Door(f"hangs-{i}", f"db-{i}.internal:5432") for i in range(12)]  # more than Twisted has threads
    doors += [Door("named", upstream.address.replace("127.0.0.1", "localhost"))]
    config = tmp_path / "config.yaml"
    command = [sys.executable, "-c", program, "run", str(config), "--quiet", "--drain", "0s"]
    wall = Wall(tmp_path, doors, program=command)
    waiting = [dial(wall.addresses[f"hangs-{i}"]) for i in range(12) for _ in range(3)]
    until(lambda: sum(fact["fact"] == "flow-accepted" for fact in wall.facts()) == len(waiting), "all wait")
    client = dial(wall.addresses["named"])
    server = upstream.accept()
    assert send(client, b"hello") == "ok"
    assert recv(server) == b"hello"
    threads = len(list(Path(f"/proc/{wall.pid}/task").iterdir()))
    assert threads <= 12 + 6, "a thread for each name, not for each flow"
    assert wall.stop() == 0
    for sock in waiting:
        assert recv(sock) == "ECONNRESET"
    upstream.sock.close()


# ---- a resolver that lies


@pytest.mark.parametrize("version", [4])
@pytest_twisted.ensureDeferred
async def test_of_hundreds_of_addresses_some_are_tried(version: int) -> None:
    with socket.socket() as refusing:
        refusing.bind((LOCALHOST[version], 0))
        names = FakeNames(*[refusing.getsockname()] * 300)
        with relaying(NAME, names) as (proxy, records):
            assert await deferToThread(recv, await deferToThread(client_of, proxy)) == "ECONNRESET"
            await so(lambda: records.count(FlowClosed), "the flow is closed")
            assert errors(records) == ["ECONNREFUSED"] * 16
            assert [fact for _, fact in records.facts if isinstance(fact, AddressesLeftOut)] == [
                AddressesLeftOut("db.internal:5432", 284)
            ]


@pytest_twisted.ensureDeferred
async def test_a_name_that_moves_takes_new_flows_along_and_leaves_open_ones(upstream: Upstream, version: int) -> None:
    moved = Upstream(version)
    names = FakeNames(where(upstream))
    with relaying(NAME, names, version) as (proxy, _):
        old = await deferToThread(client_of, proxy)
        server = await deferToThread(upstream.accept)
        names.addresses = (where(moved),)
        new = await deferToThread(client_of, proxy)
        other = await deferToThread(moved.accept)
        for client, end in ((old, server), (new, other)):
            assert await deferToThread(send, client, b"hello") == "ok"
            assert await deferToThread(recv, end) == b"hello"
    moved.sock.close()


# ---- the resolver itself


class Loop:
    """A reactor that does what threads ask for when it is told to."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._called = threading.Semaphore(0)

    def callFromThread(self, call: Callable[..., None], *args: object) -> None:  # noqa: N802 (Twisted's name)
        self._calls.append(partial(call, *args))
        self._called.release()

    def turn(self) -> None:
        assert self._called.acquire(timeout=10)
        self._calls.pop(0)()


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "Temporary failure in name"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (UnicodeError("label too long"), "label too long"),
        (None, "host name not found"),
    ],
)
def test_however_a_name_is_not_found_it_is_answered(
    failure: Exception | None, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*_: object, **__: object) -> list[Any]:
        if failure is not None:
            raise failure
        return [(socket.AF_UNIX, 1, 0, "", "/run/x")]  # of no use

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    told: list[tuple[list[Target], str]] = []
    loop = Loop()
    Names(loop).ask("db.internal", 5432, lambda *answer: told.append(answer))
    loop.turn()
    ((targets, said),) = told
    assert list(targets) == []
    assert said.startswith(why)


def test_there_are_only_so_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    freed = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: freed.wait(10) and [])
    monkeypatch.setattr(resolving, "_MOST", 3)
    told: list[str] = []
    loop = Loop()
    names = Names(loop)
    for _ in range(4):
        names.ask("db.internal", 5432, lambda _, why: told.append(why))
    assert told == ["3 names wait for the resolver already"]
    freed.set()
    for _ in range(3):
        loop.turn()
    names.ask("db.internal", 5432, lambda _, why: told.append(why))
    loop.turn()
    assert told[1:] == ["host name not found"] * 4


def test_threads_without_a_question_end_and_new_ones_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_IDLE", 0.01)
    told: list[str] = []
    loop = Loop()
    names = Names(loop)
    for number in range(200):  # some come in the very moment in which a thread ends
        names.ask("127.0.0.1", 9, lambda targets, _: told.append(targets[0][2]))
        loop.turn()
        if number % 20 == 0:
            until(lambda: names._threads == 0, "no thread is left")
    assert told == ["127.0.0.1:9"] * 200


def test_a_thread_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    told: list[str] = []
    Names(Loop()).ask("db.internal", 5432, lambda _, why: told.append(why))
    assert told == ["can't start new thread"]


# ---- where flows come from


@pytest_twisted.ensureDeferred
async def test_flows_come_from_the_source_address(upstream: Upstream, version: int) -> None:
    source = {4: "127.0.0.2", 6: "::1"}[version]
    with relaying(Address(*where(upstream)), version=version, source=source) as (proxy, _):
        clients = [await deferToThread(client_of, proxy) for _ in range(3)]
        for client in clients:
            server = await deferToThread(upstream.accept)
            assert server.getpeername()[0] == source
            client.close()


def test_a_source_takes_no_port_before_it_is_known_where_it_goes(version: int) -> None:
    family = {4: socket.AF_INET, 6: socket.AF_INET6}[version]
    source = {4: ("127.0.0.2", 0), 6: ("::1", 0, 0, 0)}[version]
    sock = outgoing(int(family), source)
    assert sock.getsockname()[:2] == (source[0], 0)
    sock.close()


@pytest.mark.parametrize("version", [4])
@pytest_twisted.ensureDeferred
async def test_an_address_that_the_source_cannot_reach_is_passed_over(upstream: Upstream, version: int) -> None:
    names = FakeNames(("::1", 9), where(upstream))
    with relaying(NAME, names, version, source="127.0.0.2") as (proxy, records):
        await deferToThread(client_of, proxy)
        server = await deferToThread(upstream.accept)
        assert server.getpeername()[0] == "127.0.0.2"
        assert records.of(1)[1] == AddressFailed("[::1]:9", "not of the source's IP version")


@pytest.mark.parametrize(
    ("source", "why"),
    [("192.0.2.1", "Cannot assign requested address"), ("fe80::1%nowhere", "No such interface")],
)
def test_a_source_that_this_machine_has_not_is_told_at_the_start(source: str, why: str) -> None:
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    base = descriptors()
    setup = ProxySetup("shop", Address("127.0.0.1", 0), NAME, (), source=source)
    wall = Proxies(reactor, [setup], Records(), seed=0, verbose=True)
    with pytest.raises(CannotStartError) as caught:
        wall.startService()
    assert str(caught.value) == (
        f"proxy 'shop' cannot connect from {source}: {why}; `ip address` lists the addresses that this machine has"
    )
    assert descriptors() == base


# ---- upstreams that lead back


@pytest_twisted.ensureDeferred
async def test_a_name_that_leads_back_to_its_own_proxy_is_not_dialled(version: int) -> None:
    names = FakeNames()
    with relaying(NAME, names, version) as (proxy, records):
        names.addresses = ((proxy.address.host, proxy.address.port),)
        assert await deferToThread(recv, await deferToThread(client_of, proxy)) == "ECONNRESET"
        await so(lambda: records.count(FlowClosed), "the flow is closed")
        assert errors(records) == ["leads back to this proxy"]
        assert proxy.table.admitted == 1


@pytest_twisted.ensureDeferred
async def test_a_circle_of_proxies_ends_at_the_first_turn(upstream: Upstream, version: int) -> None:
    here = Address(LOCALHOST[version], 0)
    setups = [ProxySetup("first", here, NAME, ()), ProxySetup("second", here, Address("other.internal", 1), ())]
    names = FakeNames()
    with relaying_all(setups, names) as ((first, _), (second, records)):
        doors = {"db.internal": (second.address.host, second.address.port)}
        doors["other.internal"] = (first.address.host, first.address.port)

        def ask(host: str, port: int, tell: Tell) -> None:
            names.addresses = (doors[host],)
            FakeNames.ask(names, host, port, tell)

        names.ask = ask
        assert await deferToThread(recv, await deferToThread(client_of, first)) == "ECONNRESET"
        await so(lambda: records.count(FlowClosed), "the flow of the second is closed")
        assert errors(records) == ["leads back to this proxy"]
        assert (first.table.admitted, second.table.admitted) == (1, 1)
        doors["other.internal"] = where(upstream)  # a chain, and no circle any more
        client = await deferToThread(client_of, first)
        server = await deferToThread(upstream.accept)
        assert await deferToThread(send, client, b"hello") == "ok"
        assert await deferToThread(recv, server) == b"hello"


def test_where_a_door_is_met() -> None:
    doors = Doors()
    doors.open("any", ("0.0.0.0", 80))
    doors.open("all", ("::", 81, 0, 0))
    doors.open("one", ("127.0.0.1", 82))
    doors.open("mapped", ("::ffff:127.0.0.1", 83, 0, 0))
    for proxy, port, met, not_met in [
        ("any", 80, ["127.0.0.1", "127.9.9.9", "0.0.0.0"], ["::1", "192.0.2.1"]),
        ("all", 81, ["::1", "127.0.0.1", "::", "0.0.0.0"], ["192.0.2.1", "2001:db8::1"]),
        ("one", 82, ["127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"], ["127.0.0.2", "::1"]),
        ("mapped", 83, ["127.0.0.1"], ["127.0.0.2", "::1"]),
    ]:
        assert {host: doors.leads_back(proxy, (host, port)) for host in met} == dict.fromkeys(met, True)
        assert {host: doors.leads_back(proxy, (host, port)) for host in not_met} == dict.fromkeys(not_met, False)
        assert not doors.leads_back(proxy, (met[0], 9))
        doors.shut(proxy)
        assert not doors.leads_back(proxy, (met[0], port))


def test_whether_an_address_is_ours_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(meeting, "is_here", lambda host: bool(asked.append(host)))
    doors = Doors()
    doors.open("a", ("0.0.0.0", 80))
    for _ in range(3):
        assert not doors.leads_back("a", ("192.0.2.1", 80))
    assert asked == ["192.0.2.1"]
    doors.open("b", ("0.0.0.0", 81))
    assert not doors.leads_back("a", ("192.0.2.1", 80))
    assert len(asked) == 2, "and anew when a door opens"
    for number in range(1000):
        doors.leads_back("a", (f"192.0.2.{number % 200}", 80))
        doors.leads_back("a", (f"198.51.100.{number % 200}", 80))
    assert len(doors._ours) <= 256


def test_without_a_descriptor_nothing_is_concluded(monkeypatch: pytest.MonkeyPatch) -> None:
    doors = Doors()
    doors.open("a", ("0.0.0.0", 80))
    with monkeypatch.context() as exhausted:
        exhausted.setattr(socket, "socket", lambda *_: (_ for _ in ()).throw(OSError(24, "Too many open files")))
        assert not doors.leads_back("a", ("127.0.0.1", 80))
    assert doors.leads_back("a", ("127.0.0.1", 80))


def test_what_a_proxy_led_to_once_is_forgotten() -> None:
    doors = Doors()
    for proxy, port in (("a", 1), ("b", 2), ("c", 3)):
        doors.open(proxy, ("127.0.0.1", port))
    assert not doors.leads_back("a", ("127.0.0.1", 2))
    assert not doors.leads_back("b", ("127.0.0.1", 3))
    assert doors.leads_back("c", ("127.0.0.1", 1)), "a -> b -> c -> a"
    assert not doors.leads_back("b", ("127.0.0.1", 9)), "b goes elsewhere by now"
    assert not doors.leads_back("c", ("127.0.0.1", 1))
    doors.shut("a")
    doors.open("a", ("127.0.0.1", 1))
    assert not doors.leads_back("b", ("127.0.0.1", 3))
