"""Proxies that are changed while they run: all that was asked for, or nothing, and no open flow is lost."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
import pytest_twisted
from tests.relay.inside import so
from tests.relay.peers import Upstream, at, dial, read_all, read_exactly, recv, send
from twisted.internet.threads import deferToThread

from bustedwall.kernel.passed import PassedSockets
from bustedwall.policy.address import Address, Passed
from bustedwall.policy.load import load_typed
from bustedwall.policy.proxy_protocol import ProxyProtocol
from bustedwall.policy.rules import Rule
from bustedwall.policy.setup import ProxySetup
from bustedwall.relay.wall import CannotStartError, Changes, Wall
from bustedwall.terms.facts import Fact, FaultArmed, FlowAccepted, ProxyListening, RulesChanged
from bustedwall.terms.limits import Limits
from bustedwall.terms.proxy_header import Version

pytestmark = pytest.mark.deadline(30)

ANY = Address("127.0.0.1", 0)


@pytest.fixture
def upstreams() -> Iterator[tuple[Upstream, Upstream]]:
    """Two servers, where nobody has to accept."""
    both = Upstream(4), Upstream(4)
    yield both
    for upstream in both:
        upstream.sock.close()


def proxy(name: str, upstream: Upstream, listen: Address = ANY, rules: tuple[Rule, ...] = ()) -> ProxySetup:
    return ProxySetup(name, listen, Address.parse(upstream.address), rules)


def typed(*faults: str, when: str | None = None) -> tuple[Rule, ...]:
    """A rule as on a command line."""
    return load_typed((), faults, when).rules


class Facts:
    """Keeps facts, by proxy."""

    def __init__(self) -> None:
        self.all: list[tuple[str | None, int | None, Fact]] = []

    def __call__(self, proxy: str | None, flow: int | None, fact: Fact) -> None:
        self.all.append((proxy, flow, fact))

    def of(self, name: str, kind: type[Fact]) -> list[Fact]:
        return [fact for proxy, _, fact in self.all if proxy == name and isinstance(fact, kind)]


@contextmanager
def running(*setups: ProxySetup) -> Iterator[tuple[Wall, Facts]]:
    from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

    facts = Facts()
    wall = Wall(reactor, setups, facts, seed=0, verbose=True)
    wall.startService()
    try:
        yield wall, facts
    finally:
        wall.stopService()


def address(wall: Wall, name: str) -> tuple[str, int]:
    where = next(proxy.address for proxy in wall.proxies if proxy.proxy_name == name)
    return where.host, where.port


Pair = tuple[socket.socket, socket.socket]


def connect(where: tuple[str, int], upstream: Upstream) -> Pair:
    return dial(where), upstream.accept()


def talk(pair: Pair, text: bytes = b"hello") -> None:
    """Pass some bytes, both ways."""
    for sender, receiver in (pair, pair[::-1]):
        assert send(sender, text) == "ok"
        assert recv(receiver) == text


def refused(where: tuple[str, int]) -> None:
    with pytest.raises(ConnectionRefusedError):
        dial(where)


async def blocking(act: Callable[..., Pair | None], *args: object) -> Pair | None:
    """Do what blocks in a thread, as the peers of a proxy in this process have to."""
    return await deferToThread(partial(act, *args))


@pytest_twisted.ensureDeferred
async def test_another_upstream_is_for_new_flows(upstreams: tuple[Upstream, Upstream]) -> None:
    old, new = upstreams
    with running(proxy("web", old)) as (wall, _):
        where = address(wall, "web")
        before = await blocking(connect, where, old)
        assert wall.change([proxy("web", new)], 0.0) == Changes((), (), ("web",), ())
        assert address(wall, "web") == where, "a port that the kernel picked stays"
        after = await blocking(connect, where, new)
        await blocking(talk, before)
        await blocking(talk, after)


@pytest_twisted.ensureDeferred
async def test_a_header_and_a_source_are_for_new_flows(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    plain = proxy("web", upstream)
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"

    def told() -> None:
        client = dial(where)
        assert send(client, header) == "ok"
        server = upstream.accept()
        assert server.getpeername()[0] == "127.0.0.2"
        assert read_exactly(server, len(header)) == header
        talk((client, server))

    with running(plain) as (wall, _):
        where = address(wall, "web")
        before = await blocking(connect, where, upstream)
        spoken = ProxyProtocol(hears=True, tells=Version.V1)
        changed = wall.change([replace(plain, proxy_protocol=spoken, source="127.0.0.2")], 0.0)
        assert changed == Changes((), (), ("web",), ())
        await blocking(talk, before)
        await blocking(told)
        wall.change([plain], 0.0)
        await blocking(talk, await blocking(connect, where, upstream))


@pytest_twisted.ensureDeferred
async def test_a_source_that_this_machine_has_not_changes_nothing(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    plain = proxy("web", upstream)
    with running(plain) as (wall, _):
        with pytest.raises(CannotStartError, match=r"cannot connect from 192\.0\.2\.1: "):
            wall.change([proxy("new", upstream), replace(plain, source="192.0.2.1")], 0.0)
        assert [one.proxy_name for one in wall.proxies] == ["web"]
        await blocking(talk, await blocking(connect, address(wall, "web"), upstream))


@pytest_twisted.ensureDeferred
async def test_a_door_that_moves_loses_no_flow(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    with running(proxy("web", upstream)) as (wall, facts):
        old = address(wall, "web")
        before = await blocking(connect, old, upstream)
        assert wall.change([proxy("web", upstream, Address("127.0.0.2", 0))], 0.0) == Changes(
            (), (), ("web",), ("web",)
        )
        await blocking(refused, old)
        await blocking(talk, before)
        await blocking(talk, await blocking(connect, address(wall, "web"), upstream))
        assert len(facts.of("web", ProxyListening)) == 2


@pytest_twisted.ensureDeferred
async def test_a_door_may_move_to_where_it_was_in_part_already(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    with running(proxy("web", upstream)) as (wall, _):
        host, port = address(wall, "web")
        before = await blocking(connect, (host, port), upstream)
        for wider, reached in (("0.0.0.0", "127.0.0.2"), ("127.0.0.3", "127.0.0.3")):
            wall.change([proxy("web", upstream, Address(wider, port))], 0.0)
            await blocking(talk, await blocking(connect, (reached, port), upstream))
        await blocking(refused, (host, port))
        await blocking(talk, before)


@pytest_twisted.ensureDeferred
async def test_two_doors_at_one_address_change_nothing_even_where_one_of_them_has_its_port(
    upstreams: tuple[Upstream, Upstream],
) -> None:
    """Whoever moves beside a door of its own shares the port with it: the kernel would let the other in, too."""
    upstream, other = upstreams
    with running(proxy("one", upstream), proxy("two", other, Address("0.0.0.0", 0))) as (wall, _):
        where = Address("127.0.0.1", address(wall, "two")[1])
        with pytest.raises(CannotStartError, match=f"'two' cannot listen on {where}: another proxy listens there"):
            wall.change([proxy("one", upstream, where), proxy("two", other, where)], 0.0)
        wider = Address("0.0.0.0", where.port)
        with pytest.raises(CannotStartError, match="another proxy listens there"):
            wall.change([proxy("one", upstream, where), proxy("three", other, wider)], 0.0)
        await blocking(talk, await blocking(connect, (where.host, where.port), other))


@pytest_twisted.ensureDeferred
async def test_a_fault_of_the_door_goes_with_it(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    rules = typed("refuse", when="applied")
    with running(proxy("web", upstream, ANY, rules)) as (wall, _):
        await blocking(refused, address(wall, "web"))
        wall.change([proxy("web", upstream, Address("127.0.0.2", 0), rules)], 0.0)
        await blocking(refused, address(wall, "web"))


@pytest_twisted.ensureDeferred
async def test_proxies_may_swap_their_doors(upstreams: tuple[Upstream, Upstream]) -> None:
    left, right = upstreams
    with running(proxy("left", left), proxy("right", right)) as (wall, _):
        at_left, at_right = address(wall, "left"), address(wall, "right")
        flows = [await blocking(connect, at_left, left), await blocking(connect, at_right, right)]
        wall.change([proxy("left", left, Address(*at_right)), proxy("right", right, Address(*at_left))], 0.0)
        flows += [await blocking(connect, at_right, left), await blocking(connect, at_left, right)]
        for pair in flows:
            await blocking(talk, pair)


@pytest_twisted.ensureDeferred
async def test_a_proxy_may_take_the_door_of_one_that_goes(upstreams: tuple[Upstream, Upstream]) -> None:
    old, new = upstreams
    with running(proxy("old", old)) as (wall, _):
        where = address(wall, "old")
        before = await blocking(connect, where, old)
        changes = wall.change([proxy("new", new, Address(*where))], 3600.0)
        assert changes == Changes(("new",), ("old",), (), ("new",))
        after = await blocking(connect, where, new)
        await blocking(talk, before)
        await blocking(talk, after)


@pytest_twisted.ensureDeferred
async def test_the_flows_of_a_proxy_that_goes_drain(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    with running(proxy("stays", upstream), proxy("goes", upstream)) as (wall, facts):
        where = address(wall, "goes")
        pair = await blocking(connect, where, upstream)
        wall.change([proxy("stays", upstream)], 3600.0)
        await blocking(refused, where)
        await blocking(talk, pair)
        assert len(wall.leaving) == 1
        for end in pair:
            end.close()
        await so(lambda: not wall.leaving, "the proxy has gone")
        # One of the same name that comes later goes on counting: a flow's number is its own in all records.
        wall.change([proxy("stays", upstream), proxy("goes", upstream)], 0.0)
        await blocking(connect, address(wall, "goes"), upstream)
        assert [flow for name, flow, fact in facts.all if name == "goes" and isinstance(fact, FlowAccepted)] == [1, 2]


@pytest_twisted.ensureDeferred
async def test_an_address_that_cannot_be_had_changes_nothing(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, other = upstreams
    with running(proxy("web", upstream), proxy("goes", upstream)) as (wall, facts):
        where, going = address(wall, "web"), address(wall, "goes")
        before = list(facts.all)
        taken = Address.parse(other.address)
        wanted = [
            proxy("first", upstream),
            proxy("web", other, Address("0.0.0.0", where[1]), typed("reset client")),
            proxy("last", upstream, taken),
        ]
        with pytest.raises(CannotStartError, match=f"proxy 'last' cannot listen on {taken}: Address already in use"):
            wall.change(wanted, 0.0)
        assert facts.all == before
        for place in (where, going):
            await blocking(talk, await blocking(connect, place, upstream))


@pytest_twisted.ensureDeferred
async def test_unchanged_rules_run_on_and_the_others_end_on_open_flows(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    stays = typed("reset {leg: client, flush: true}", when="bytes 8B from server")
    goes = load_typed(["stalled-peer"]).rules
    with running(proxy("web", upstream, ANY, stays + goes)) as (wall, facts):
        client, server = await blocking(connect, address(wall, "web"), upstream)
        await blocking(send, server, b"12345")
        await so(lambda: facts.of("web", FaultArmed), "the server is stalled")
        comes = load_typed(["slow-link"]).rules
        wall.change([proxy("web", upstream, ANY, stays + comes)], 0.0)
        (told,) = facts.of("web", RulesChanged)
        assert told == RulesChanged(tuple(r.name for r in comes), tuple(r.name for r in goes), 1)
        await blocking(send, server, b"678")
        assert await deferToThread(read_all, client) == (b"12345678", "ECONNRESET")


@pytest_twisted.ensureDeferred
async def test_other_limits_are_for_open_flows_too(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    setup = proxy("web", upstream)
    with running(setup) as (wall, _):
        client, server = await blocking(connect, address(wall, "web"), upstream)
        wall.change([replace(setup, limits=Limits(idle=0.05))], 0.0)
        for end in (client, server):
            assert await deferToThread(recv, end) == "ECONNRESET"


def test_setups_that_are_the_same_change_nothing(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    setup = proxy("web", upstream, ANY, load_typed(["slow-link"]).rules)
    again = proxy("web", upstream, ANY, load_typed(["slow-link"]).rules)
    with running(setup) as (wall, facts):
        before = list(facts.all)
        assert wall.change([again], 0.0) == Changes((), (), (), ())
        assert facts.all == before


def test_what_was_cleared_comes_back(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    setup = proxy("web", upstream, ANY, load_typed(["slow-link"]).rules)
    with running(setup) as (wall, facts):
        wall.clear()
        assert wall.change([setup], 0.0) == Changes((), (), ("web",), ())
        names = tuple(rule.name for rule in setup.rules)
        assert facts.of("web", RulesChanged) == [RulesChanged((), names, 0), RulesChanged(names, (), 0)]


def test_where_nobody_listens_any_more_is_free_for_others(upstreams: tuple[Upstream, Upstream]) -> None:
    upstream, _ = upstreams
    with running(proxy("web", upstream), proxy("goes", upstream)) as (wall, _):
        where = address(wall, "goes")
        wall.change([proxy("web", upstream)], 0.0)
        with socket.create_server(where) as other:
            assert at(*other.getsockname()) == at(*where)


def test_a_socket_that_is_passed_on_has_one_proxy_and_is_known(upstreams: tuple[Upstream, Upstream]) -> None:
    from twisted.internet import reactor  # noqa: PLC0415 (as above)

    upstream, other = upstreams
    passed = PassedSockets({"web": [os.dup(other.sock.fileno())]})
    where = ProxySetup("a", Passed("web"), Address.parse(upstream.address), ())
    wall = Wall(reactor, [where], Facts(), seed=0, verbose=True, passed=passed)
    wall.startService()
    try:
        assert at(*address(wall, "a")) == other.address
        with pytest.raises(CannotStartError, match="'b' cannot listen on fd:web: another proxy listens there"):
            wall.change([where, replace(where, name="b")], 0.0)
        with pytest.raises(CannotStartError, match="'a' cannot listen on fd:wbe: no socket of this name was passed on"):
            wall.change([replace(where, listen=Passed("wbe"))], 0.0)
        assert wall.change([replace(where, name="c")], 0.0).opened == ("c",), "a reload can take it again"
    finally:
        wall.stopService()
        passed.close()
