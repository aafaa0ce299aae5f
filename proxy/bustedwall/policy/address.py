"""Where to listen and where to connect: `HOST:PORT`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SHAPE = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\s:/@\[\]]+)):(?P<port>[0-9]{1,5})")
PASSED = r"fd:[^\s:]+"
_MOST = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by name or number, and a TCP port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that `HOST:PORT` or `[v6]:PORT` means; raises ValueError with a sentence for users."""
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise ValueError(_advice(text))
        if int(match["port"]) > _MOST:
            raise ValueError(f"the port is at most {_MOST}, got {match['port']}")
        if match["v6"] is not None:
            return cls(_checked(ipaddress.IPv6Address, match["v6"], "an IPv6 address"), int(match["port"]))
        host = match["host"]
        if re.fullmatch(r"[0-9.]+", host):
            host = _checked(ipaddress.IPv4Address, host, "an IPv4 address")
        return cls(host, int(match["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def source(text: str) -> str:
    """Return an address without a port; raises ValueError with a sentence for users."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        what = f"expected an address without a port, such as 192.0.2.7 or 2001:db8::7, got '{text}'"
        raise ValueError(what) from None
    if ip.is_unspecified or ip.is_multicast:
        raise ValueError(f"nothing can come from {text}")
    return text


@dataclass(frozen=True, slots=True)
class Passed:
    """A socket that listens already and is passed on by whoever starts us, such as systemd."""

    name: str
    """What the service manager calls it; or the descriptor's number."""

    def __str__(self) -> str:
        return f"fd:{self.name}"


Listen = Address | Passed
"""Where a proxy's clients come."""


def one_door(listen: Listen, other: Listen) -> bool:
    """Tell whether only one of two can be listened at, as far as their words say it; port 0 is another each time."""
    if isinstance(listen, Passed) or isinstance(other, Passed):
        return listen == other
    if listen.port != other.port or not listen.port:
        return False
    here, there = _ip(listen.host), _ip(other.host)
    if here is None or there is None:
        return listen.host == other.host
    return here == there or (here.version == there.version and (here.is_unspecified or there.is_unspecified))


def contradictions(listen: Listen, upstream: Address, source: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield which of a proxy's keys contradicts the others, how, and what to do about it."""
    there = _ip(upstream.host)
    if there is not None and source is not None:
        version = ipaddress.ip_address(source).version
        if version != there.version:
            what = f"from an IPv{version} address nothing can be sent to {upstream}, which is IPv{there.version}"
            yield "source", what, f"give an IPv{there.version} address of this machine, or leave 'source' out"
    if isinstance(listen, Passed):
        return  # who knows where that is
    same = listen.host == upstream.host or (there is not None and _ip(listen.host) == there)
    if same and listen.port == upstream.port:
        yield "upstream", "the upstream is this proxy itself: each flow would open the next one", ""


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def where_to_listen(text: str) -> Listen:
    """Return what `HOST:PORT`, `[v6]:PORT` or `fd:NAME` means; raises ValueError with a sentence for users."""
    if not text.startswith("fd:"):
        return Address.parse(text)
    if re.fullmatch(PASSED, text) is None:
        raise ValueError(f"expected the name of a socket, as in fd:web, got '{text}'")
    return Passed(text.removeprefix("fd:"))


def _checked(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address], text: str, name: str) -> str:
    try:
        kind(text)
    except ValueError:
        raise ValueError(f"'{text}' is not {name}") from None
    return text


def _advice(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F:]*::?[0-9a-fA-F:]*:[0-9]+", text) and text.count(":") > 1:
        host, _, port = text.rpartition(":")
        return f"an IPv6 address needs brackets: did you mean '[{host}]:{port}'?"
    if re.fullmatch(r":[0-9]+", text):
        return f"which host? Did you mean '127.0.0.1{text}' or '0.0.0.0{text}'?"
    return f"expected HOST:PORT such as 127.0.0.1:8080, got '{text}'"
