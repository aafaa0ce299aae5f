"""What it takes to arm a loss on an open connection, and to lift it: `python benchmarks/arming.py`, see README.md.

Exit status: 0 all targets met, 1 not all met.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet import asyncioreactor

from bustedwall.kernel.abilities import find_out
from bustedwall.policy.address import Address
from bustedwall.policy.setup import ProxySetup
from bustedwall.record.journal import Journal
from bustedwall.record.stream import Stream
from bustedwall.relay.perform import perform
from bustedwall.relay.plane import DataPlane
from bustedwall.relay.service import Proxy
from bustedwall.relay.tcpflow import TcpFlow
from bustedwall.terms.commands import SetLoss
from bustedwall.terms.dice import Dice
from bustedwall.terms.facts import Fact
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS, Loss, Losses, Way, What
from bustedwall.terms.needs import Ability

MOST_MICROSECONDS = 50.0
TIMES = 4000
WARM = 200

HOSTS = {"IPv4": "127.0.0.1", "IPv6": "::1"}
LOSSES: dict[str, Losses] = {
    "all from": frozenset({Loss(Way.FROM)}),
    "all to": frozenset({Loss(Way.TO)}),
    "both": frozenset({Loss(Way.FROM), Loss(Way.TO)}),
}
SOME: dict[str, Losses] = {
    "data from": frozenset({Loss(Way.FROM, What.DATA)}),
    "1% of data from": frozenset({Loss(Way.FROM, What.DATA, probability=0.01)}),
    "keepalives from": frozenset({Loss(Way.FROM, What.KEEPALIVES)}),
}
"""Where the kernel lets us filter."""

Record = Callable[[str | None, int | None, Fact], None]


async def opened(proxy: Proxy, upstream: socket.socket) -> tuple[TcpFlow, list[socket.socket]]:
    """Return a flow with both legs up, and its two peers."""
    loop = asyncio.get_running_loop()
    client = socket.socket(upstream.family)
    client.setblocking(False)  # noqa: FBT003 (its only argument)
    await loop.sock_connect(client, (proxy.address.host, proxy.address.port))
    server, _ = await loop.sock_accept(upstream)
    server.setblocking(False)  # noqa: FBT003 (as above)
    await loop.sock_sendall(client, b"?")
    await loop.sock_recv(server, 1)  # by now both legs are up
    (flow,) = proxy.flows
    return flow, [client, server]


def microseconds(flow: TcpFlow, losses: Losses) -> tuple[list[float], list[float]]:
    """Return what each arming took, and each lifting: the counters read, the kernel told, the facts made."""
    arm, lift = (SetLoss(Leg.CLIENT, losses, ("bench: loss",)),), (SetLoss(Leg.CLIENT, NO_LOSS, ()),)
    armed, lifted = [], []
    for _ in range(WARM + TIMES):
        begin = time.perf_counter()
        perform(flow, arm)
        between = time.perf_counter()
        perform(flow, lift)
        armed.append((between - begin) * 1e6)
        lifted.append((time.perf_counter() - between) * 1e6)
    return armed[WARM:], lifted[WARM:]


async def measure(
    plane: DataPlane, host: str, record: Record, losses: dict[str, Losses]
) -> dict[str, tuple[float, float]]:
    """Return the medians for each loss, arming and lifting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as upstream:
        upstream.setblocking(False)  # noqa: FBT003 (as above)
        port = upstream.getsockname()[1]
        proxy = Proxy(
            plane, ProxySetup("bench", Address(host, 0), Address(host, port), ()), dice=Dice.seeded(0), record=record
        )
        proxy.startService()
        try:
            flow, peers = await opened(proxy, upstream)
            found = {
                name: (statistics.median(times[0]), statistics.median(times[1]))
                for name, times in ((name, microseconds(flow, loss)) for name, loss in losses.items())
            }
            for peer in peers:
                peer.close()
        finally:
            proxy.stopService()
    return found


async def measure_all(plane: DataPlane) -> bool:
    """Measure, print, judge."""
    met = True
    losses = LOSSES | ({} if Ability.LOSE_SOME in find_out().missing() else SOME)
    with tempfile.TemporaryDirectory(prefix="bustedwall-benchmarks-") as folder:
        journal = Journal(Path(folder) / "journal.jsonl", lambda _: None)
        for kept, record in (("no journal", Stream([]).record), ("journal", Stream([journal]).record)):
            for version, host in HOSTS.items():
                for name, (arm, lift) in (await measure(plane, host, record, losses)).items():
                    good = max(arm, lift) <= MOST_MICROSECONDS
                    met &= good
                    said = f"{version}, {kept}, lose {name}: armed in {arm:.1f} us, lifted in {lift:.1f} us"
                    print(f"{said}, wanted <= {MOST_MICROSECONDS:.0f}: {'met' if good else 'NOT MET'}")
        journal.close()
    return met


def main() -> int:
    """Run in a reactor, as bustedwall does."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    from twisted.internet import reactor  # noqa: PLC0415 (it has just been chosen)

    reactor.startRunning()
    plane = DataPlane(reactor)
    try:
        return 0 if loop.run_until_complete(measure_all(plane)) else 1
    finally:
        plane.close()


if __name__ == "__main__":
    sys.exit(main())
