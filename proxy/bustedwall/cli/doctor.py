"""`bustedwall doctor`: what works on this machine, what does not, and how to get it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

import bustedwall
from bustedwall.cli.exits import Exit
from bustedwall.cli.layout import columns, section
from bustedwall.kernel.abilities import Abilities, Tried, find_out
from bustedwall.kernel.descriptors import room
from bustedwall.kernel.host import Host, look
from bustedwall.kernel.trials import Aid
from bustedwall.terms.needs import Ability, way_to

FOR: dict[Ability | Aid, str] = {
    Ability.LOSE_FROM: "drop: all from LEG; blackhole",
    Ability.LOSE_TO: "drop: all, acks or next_write to LEG; blackhole",
    Ability.LOSE_SOME: "drop: data, acks, fin, rst or keepalives from LEG; larger_than, probability, beyond",
    Ability.LOSE_ACKS: "drop: acks to LEG with hold: false",
    Ability.LOSE_SYN: "ignore, at the door",
    Ability.VANISH: "vanish",
    Ability.REJECT: "reject",
    Ability.UNREACHABLE: "unreachable",
    Ability.CAPTURE: "pcap",
    Aid.SPLICE: "bytes in bulk go by without being copied through the program",
    Aid.LARGE_PIPES: "the same, in pieces of 1 MiB",
    Aid.TIMER: "latency to a fraction of a millisecond",
}
"""What each is for."""

_WAYS = {
    "ENETUNREACH": "the loopback device is down: ip link set lo up",
    "EADDRNOTAVAIL": "the loopback device has no address: ip link set lo up",
    "EPERM": "something forbids it, a seccomp profile or a security module: run without that, or with another one",
    "EACCES": "something forbids it, a seccomp profile or a security module: run without that, or with another one",
    "EMFILE": "no descriptor is left: raise the limit, ulimit -n",
    "ENFILE": "the machine has no descriptor left: raise fs.file-max",
}
_WAY = (
    "this kernel does not do it, as those that run in user space (gVisor, WSL 1): run where Linux itself is the "
    "kernel, as with docker run --runtime=runc"
)
_PIPES_SPENT = (
    "this user's pipes hold as much as fs.pipe-user-pages-soft allows; further ones are small, and bytes are copied"
)
_PRIVILEGES = {
    "CAP_NET_BIND_SERVICE": "opens doors on ports below 1024",
    "CAP_NET_ADMIN": "is for losing some of what arrives, and ACKs alone",
    "CAP_NET_RAW": f"is for {', '.join(FOR[a] for a in Ability if a.privilege == 'CAP_NET_RAW')}",
    "CAP_SYS_ADMIN": "lifts the limit of this user's pipes, as CAP_SYS_RESOURCE does",
    "CAP_SYS_RESOURCE": "lifts the limit of this user's pipes",
}


def way(tried: Tried) -> str | None:
    """Return how to get what does not work; None where it works."""
    if tried.hindrance is None:
        return None
    if tried.what is Aid.LARGE_PIPES:
        return _PIPES_SPENT
    if isinstance(tried.what, Ability) and tried.what.privilege is not None and tried.hindrance == "EPERM":
        return f"it takes {way_to(tried.what.privilege)}"
    return _WAYS.get(tried.hindrance, _WAY)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def doctor(*, as_json: bool) -> None:
    """Tell what works on this machine, what does not, and how to get it.

    Every ability is tried on connections over loopback, in a few milliseconds. Exits 0 if all that
    needs no privilege works, and 1 if something does not.

    \b
    bustedwall doctor
    bustedwall doctor --json
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    host, abilities = look(), find_out()  # trying things may take a higher limit
    click.echo(_data(abilities, host) if as_json else _page(abilities, host), nl=as_json)
    sys.exit(Exit.OK if _works(abilities) else Exit.FINDING)


def _works(abilities: Abilities) -> bool:
    """Tell whether all works that needs no privilege."""
    return all(ability.privileged for ability in abilities.missing())


def _data(abilities: Abilities, host: Host) -> str:
    tried = [
        {
            "name": t.what.value,
            "family": t.family.value if isinstance(t.what, Ability) else None,
            "works": t.hindrance is None,
            "hindrance": t.hindrance,
            "way": way(t),
            "for": FOR[t.what],
        }
        for t in abilities.tried
    ]
    data = {
        "version": bustedwall.__version__,
        "works": _works(abilities),
        "families": [family.value for family in abilities.families],
        "seconds": round(abilities.seconds, 6),
        "abilities": tried,
        "host": asdict(host),
    }
    return json.dumps(data, indent=2)


def _page(abilities: Abilities, host: Host) -> str:
    head = f"bustedwall {bustedwall.__version__} on {host.kernel}, {host.machine}, Python {host.python}\n"
    faults = [(what.value, _outcome(abilities, what)) for what in Ability]
    aids = [(what.value, _outcome(abilities, what)) for what in Aid]
    took = f"tried on loopback in {abilities.seconds * 1000:.0f} ms"
    verdict = (
        "All that needs no privilege works here."
        if _works(abilities)
        else "Not all that needs no privilege works here: a policy that needs it is refused, or see on_missing."
    )
    parts = [
        head,
        section(f"What faults need, {took}", columns(faults)),
        section("What the relay likes", columns(aids)),
        section("This process", columns(_process(host))),
        section("This machine", columns(_machine(abilities, host))),
        f"\n{verdict}\n",
    ]
    return "".join(parts)


def _outcome(abilities: Abilities, what: Ability | Aid) -> str:
    """Return how the trials of one thing went; what differs between versions of IP is told apart."""
    of_it = [t for t in abilities.tried if t.what is what]
    works = [t for t in of_it if t.hindrance is None]
    if len(works) == len(of_it):
        return f"ok: {FOR[what]}"
    parts = [f"ok with {t.family.value}" for t in works]
    for t in of_it:
        if t.hindrance is not None:
            where = f" with {t.family.value}" if isinstance(what, Ability) else ""
            parts.append(f"missing{where}: {t.hindrance}; {way(t)}")
    return f"{'. '.join(parts)}. It is for: {FOR[what]}"


def _process(host: Host) -> list[tuple[str, str]]:
    rows = [("user", str(host.user))]
    rows += [(name, use) for name, use in _PRIVILEGES.items() if name in host.capabilities]
    if len(rows) == 1:
        rows.append(("capabilities", "none that matter"))
    more = "" if host.descriptors == host.descriptors_hard else f"; ulimit -n can make it {host.descriptors_hard:,}"
    rows.append(("descriptors", f"{host.descriptors:,}, enough for {room(host.descriptors):,} flows at once{more}"))
    return rows


def _machine(abilities: Abilities, host: Host) -> list[tuple[str, str]]:
    rows = [("IP", ", ".join(family.value for family in abilities.families))]
    if host.congestion_control is not None:
        rows.append(("congestion control", host.congestion_control))
    if host.retries is not None:
        rows.append(("tcp_retries2", f"{host.retries}: so often a peer on this machine sends again before ETIMEDOUT"))
    if host.backlog is not None:
        rows.append(("somaxconn", f"{host.backlog:,}: so many clients may wait at a door"))
    if host.pipe_bytes:
        rows.append(("pipes", f"{host.pipe_bytes >> 20} MiB for each user without CAP_SYS_RESOURCE"))
    return rows
