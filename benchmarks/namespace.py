"""A private network: its own loopback, its own ports, its own kernel settings; nothing else is in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from problem import CannotRunError

INSIDE = "BUSTEDWALL_BENCHMARKS_INSIDE"
IPV4 = Path("/proc/sys/net/ipv4")
SETTINGS = {
    # bbr paces even the loopback; then pacing is measured, not the relay.
    "tcp_congestion_control": "reno",
    # Each connection leaves a port in TIME_WAIT; with the usual 28,000 the connection rate collapses.
    "ip_local_port_range": "1024 65535",
}
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def enter() -> None:
    """Run this program again inside a new namespace, or, when it is there, prepare the namespace."""
    if INSIDE not in os.environ:
        _begin_again()
    _loopback_up()
    for name, value in SETTINGS.items():
        try:
            (IPV4 / name).write_text(value)
        except OSError as error:
            raise CannotRunError(f"cannot set {name} to {value} in the namespace: {error.strerror}") from error


def _begin_again() -> None:
    flags = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    unshare = shutil.which("unshare")
    if unshare is None:
        raise CannotRunError("unshare is missing (package util-linux)")
    trial = subprocess.run([unshare, *flags, "true"], capture_output=True, text=True, check=False)
    if trial.returncode:
        raise CannotRunError(f"no private network namespace: {trial.stderr.strip()}")
    os.environ[INSIDE] = "1"
    sys.stdout.flush()
    os.execv(unshare, [unshare, *flags, sys.executable, *sys.argv])


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = bytearray(struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(control, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("h", request, 16)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
