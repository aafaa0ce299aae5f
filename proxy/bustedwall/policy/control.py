"""`control`: where the HTTP API listens."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from bustedwall.policy.address import Address

SOCKET = "unix:"


@dataclass(frozen=True, slots=True)
class SocketFile:
    """A Unix socket: who may open the file may command."""

    path: Path
    """As it was written: a relative path is relative to the working directory."""

    def __str__(self) -> str:
        return f"{SOCKET}{self.path}"


ControlDoor = Address | SocketFile


def where_to_control(text: str) -> ControlDoor:
    """Return what `HOST:PORT`, `PORT` (of 127.0.0.1) or `unix:PATH` means; raises ValueError, a sentence for users."""
    if text.startswith(SOCKET):
        path = text.removeprefix(SOCKET)
        if not path or "\0" in path:
            raise ValueError("expected a path behind 'unix:', as in unix:/run/bustedwall/control")
        return SocketFile(Path(path))
    return Address.parse(f"127.0.0.1:{text}" if text.isascii() and text.isdigit() else text)


def is_local(door: ControlDoor) -> bool:
    """Tell whether only this machine can come to a door."""
    if isinstance(door, SocketFile) or door.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(door.host).is_loopback
    except ValueError:
        return False
