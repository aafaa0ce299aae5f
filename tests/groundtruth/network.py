"""Three hosts in network namespaces: a client, a router and a server. They need root.

A namespace here has no name, but a descriptor: it is gone with that and with the last socket in it, however
the process ends, and those of two processes never meet.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Given = TypeVar("Given")

CLIENT, SERVER = "192.0.2.2", "198.51.100.2"
NEAR, FAR = "192.0.2.1", "198.51.100.1"
"""The router's addresses, on the client's side and on the server's."""
PORT = 80

_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of linux/sched.h."""

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


class Host:
    """A host of its own: interfaces, routes, filters and sockets."""

    def __init__(self) -> None:
        self._fd = _elsewhere(self._make)
        self.ip("link set lo up")

    @staticmethod
    def _make() -> int:
        _call("unshare", _NEW_NETWORK)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @property
    def path(self) -> str:
        """Where other programs find the namespace."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def inside(self, act: Callable[[], Given]) -> Given:
        """Do something on this host; a socket that is made there stays there."""

        def go() -> Given:
            _call("setns", self._fd, _NEW_NETWORK)
            return act()

        return _elsewhere(go)

    def run(self, *command: str, given: str | None = None) -> str:
        """Run a program on this host; return what it says."""
        done = self.inside(
            lambda: subprocess.run(command, input=given, capture_output=True, text=True, timeout=30, check=False)
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def ip(self, *commands: str) -> None:
        self.run("ip", "-batch", "-", given="\n".join(commands))

    def nft(self, kind: str, hook: str, *rules: str, policy: str = "accept") -> None:
        """Have the packets of a hook go by these rules: filter or nat; prerouting, forward or output."""
        head = f"type {kind} hook {hook} priority {'dstnat' if kind == 'nat' else 'filter'}; policy {policy};"
        table = f"table ip {kind}-{hook}"
        self.run("nft", "-f", "-", given="\n".join([table + " {", f"chain {hook} {{", head, *rules, "}", "}"]))

    def set(self, name: str, value: int) -> None:
        """Set a sysctl below net, such as `ipv4/ip_forward`."""
        self.inside(lambda: Path("/proc/sys/net", name).write_text(str(value)))

    def tracked(self) -> str:
        """Return the flows that conntrack knows; one whose time is over is not among them."""
        return self.run("conntrack", "-L", "-p", "tcp")

    def forget(self) -> None:
        """Lose the state of all flows."""
        self.run("conntrack", "-F")

    def socket(self, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        return self.inside(lambda: socket.socket(socket.AF_INET, kind, protocol))

    def listen(self, address: str, port: int = PORT) -> socket.socket:
        listener = self.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
        return listener

    def close(self) -> None:
        os.close(self._fd)


def _elsewhere(act: Callable[[], Given]) -> Given:
    """Do something in a thread of its own: a namespace is a thread's, and it ends with it."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(act).result()


@dataclass
class Network:
    """A client, a router and a server, at two cables."""

    client: Host
    router: Host
    server: Host

    hosts: list[Host] = field(default_factory=list)
    """All, of whatever time."""

    def lay(self, host: Host, here: str, there: str, name: str) -> None:
        """Put a cable between the router's interface of this name, which is down, and a host behind the router."""
        self.router.ip(f"link add {name} type veth peer name eth0 netns {host.path}")
        # Each segment is a packet of its own, as on a real cable.
        host.ip("link set eth0 gso_max_segs 1", f"addr add {here}/24 dev eth0", "link set eth0 up")
        host.ip(f"route add default via {there}")

    def plug(self, there: str, name: str, *before: str) -> None:
        """Bring the router's interface up, with its address; other commands come before that."""
        up = (f"link set {name} gso_max_segs 1", f"addr add {there}/24 dev {name}", f"link set {name} up")
        self.router.ip(*before, *up)

    def prepare_boot(self) -> None:
        """Make the host that will have the server's address, and knows nothing of what was before."""
        self.hosts.append(Host())
        self.lay(self.hosts[-1], SERVER, FAR, "booted")

    def boot_server(self) -> None:
        """Have it take the server's place, in one step: a client repeats what it sends ever more seldom."""
        self.plug(FAR, "booted", "link del server")


@contextmanager
def built() -> Iterator[Network]:
    """Build it, and take it down."""
    hosts: list[Host] = []
    try:
        for _ in range(3):
            hosts.append(Host())  # noqa: PERF401 (what there is of them is closed if one fails)
        network = Network(*hosts)
        network.router.set("ipv4/ip_forward", 1)
        network.hosts = hosts
        network.lay(network.client, CLIENT, NEAR, "client")
        network.plug(NEAR, "client")
        network.lay(network.server, SERVER, FAR, "server")
        network.plug(FAR, "server")
        yield network
    finally:
        for host in hosts:
            host.close()
