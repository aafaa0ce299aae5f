"""What users write as a config, as pydantic models."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bustedwall.policy.address import PASSED, Address, Listen, Passed, source, where_to_listen
from bustedwall.policy.capture import SNAPLEN
from bustedwall.policy.control import ControlDoor, where_to_control
from bustedwall.policy.limits import NO_LIMITS, NO_PROXY_LIMITS, WrittenLimits, WrittenProxyLimits
from bustedwall.policy.model import Name, Strict, Text, told
from bustedwall.policy.proxy_protocol import WrittenProxyProtocol
from bustedwall.policy.upstreams import Allowed
from bustedwall.policy.written import MARK
from bustedwall.terms.scalars import shown

_HOST_PORT = r"(?:\[[^\[\]]+\]|[^\s:/@\[\]]+):[0-9]{1,5}"


def _address(value: object) -> Address:
    if not isinstance(value, str):
        what = "expected HOST:PORT such as 127.0.0.1:8080, got {got}"
        raise PydanticCustomError("address", what, {"got": shown(value)})
    try:
        return Address.parse(value)
    except ValueError as error:
        raise PydanticCustomError("address", "{why}", {"why": str(error)}) from None


def _listen(value: object) -> Listen:
    if not isinstance(value, str):
        return _address(value)
    try:
        return where_to_listen(value)
    except ValueError as error:
        raise PydanticCustomError("address", "{why}", {"why": str(error)}) from None


def _control(value: object) -> ControlDoor:
    if not isinstance(value, str):
        return _address(value)
    try:
        return where_to_control(value)
    except ValueError as error:
        raise PydanticCustomError("address", "{why}", {"why": str(error)}) from None


def _source(value: object) -> str:
    if not isinstance(value, str):
        what = "expected an address without a port, such as 192.0.2.7 or 2001:db8::7, got {got}"
        raise PydanticCustomError("address", what, {"got": shown(value)})
    try:
        return source(value)
    except ValueError as error:
        raise PydanticCustomError("address", "{why}", {"why": str(error)}) from None


def _reachable(address: Address) -> Address:
    if address.port == 0:
        raise PydanticCustomError("address", "nobody can be reached at port 0; it is for listen only")
    return address


Where = Annotated[
    Address,
    PlainValidator(_address),
    told(_HOST_PORT, "HOST:PORT such as 127.0.0.1:8080", "127.0.0.1:8080", "[::1]:8080"),
]

Door = Annotated[
    Address | Passed,
    PlainValidator(_listen),
    told(f"{_HOST_PORT}|{PASSED}", "HOST:PORT such as 127.0.0.1:8080, or fd:NAME", "127.0.0.1:8080", "fd:web"),
]

Control = Annotated[
    ControlDoor,
    PlainValidator(_control),
    told(f"{_HOST_PORT}|unix:.+", "HOST:PORT such as 127.0.0.1:8474, or unix:PATH", "127.0.0.1:8474"),
]

Source = Annotated[
    str,
    PlainValidator(_source),
    WithJsonSchema({"type": "string", "title": "an address of this machine", "examples": ["127.0.0.2", "::1"]}),
]

MSS = (88, 32767)
"""What Linux takes as TCP_MAXSEG, the ends included (do_tcp_setsockopt; measured on 6.18)."""

Mss = Annotated[int, Field(strict=True, ge=MSS[0], le=MSS[1])]

Snaplen = Annotated[int, Field(strict=True, ge=SNAPLEN[0], le=SNAPLEN[1])]

SEEDS = 1 << 32
Seed = Annotated[int, Field(strict=True, ge=0, lt=SEEDS)]


class WrittenProxy(Strict):
    """One door and its upstream."""

    name: Name
    """What the proxy is called in the records."""
    listen: Door
    """Where clients connect, `HOST:PORT` or `"[v6]:PORT"`; port 0 takes a free one and prints it. `fd:NAME` is a
    socket that systemd has opened."""
    upstream: Annotated[Where, AfterValidator(_reachable)]
    """The real server, `HOST:PORT` or `"[v6]:PORT"`; a host name is resolved for each connection."""
    source: Source | None = None
    """The address of this machine from which the upstream is connected; the kernel chooses, unless it is given."""
    mss: Mss | None = None
    """The longest segment that either leg is to carry, in bytes, TCP's options included; the path decides, unless it
    is given."""
    proxy_protocol: WrittenProxyProtocol | None = None
    """Headers that tell whose connection this is: `in` from the client, `out` to the upstream."""
    pcap: Text | None = None
    """A folder: each flow is captured there to a pcap file of its own, both legs. It needs CAP_NET_RAW."""
    snaplen: Snaplen | None = None
    """Bytes that `pcap` keeps of each packet: 128, which is the headers, unless it is given; 65535 keeps all."""
    policies: list[Annotated[object, WithJsonSchema({MARK: "use"})]] = []
    """Policies of the library or of `define`, files such as `./mine.yaml`, or either with values for its parameters."""
    dry_run: Annotated[bool | None, Field(strict=True)] = None
    """True: the rules of this proxy decide and are recorded, and nothing is done; as the config has it unless set."""
    turns: Annotated[bool, Field(strict=True)] = False
    """True: each turn of a client that the server was sent is a fact, `turn-sent`; what clients send is looked at."""
    limits: WrittenProxyLimits = NO_PROXY_LIMITS
    """Limits of this proxy, where it has its own."""
    enabled: Annotated[bool, Field(strict=True)] = True
    """False: it has no door, until somebody enables it."""


def _allowed(value: object) -> Allowed:
    if not isinstance(value, str):
        what = "expected HOST, HOST:PORT or a network such as 10.0.0.0/8, got {got}"
        raise PydanticCustomError("upstreams", what, {"got": shown(value)})
    try:
        return Allowed.parse(value)
    except ValueError as error:
        raise PydanticCustomError("upstreams", "{why}", {"why": str(error)}) from None


Upstreams = Annotated[
    Allowed,
    PlainValidator(_allowed),
    told(r"\S+", "HOST, HOST:PORT, or a network such as 10.0.0.0/8", "db.internal:5432", "10.0.0.0/8"),
]


class WrittenControl(Strict):
    """The HTTP API for who changes a run while it runs."""

    listen: Control
    """`HOST:PORT`, or `unix:PATH` for a Unix socket; where others than this machine can come it takes a token."""
    upstreams: list[Upstreams] | None = None
    """Where proxies that come or change by it may lead: `HOST`, `HOST:PORT`, `10.0.0.0/8`; anywhere, unless it is
    given."""


class OnMissing(Enum):
    """What becomes of a step that this machine's kernel cannot do."""

    FAIL = "fail"
    """Nothing starts, and what is missing is told."""
    APPROXIMATE = "approximate"
    """The nearest fault that needs nothing takes its place; where there is none, as `fail`."""
    SKIP = "skip"
    """The step is left out."""


class ConfigFile(Strict):
    """What `bustedwall run` is given."""

    version: Literal[1]
    """Of this syntax: 1."""
    seed: Seed | None = None
    """Where all chance comes from, from 0 to 4294967295; drawn and told where it is not given."""
    time_scale: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] = 1.0
    """Divides the defaults of parameters marked `scale`, never a value that you wrote."""
    journal: Text = ""
    """A file to which every fact is appended, as JSON Lines."""
    control: WrittenControl | None = None
    """Where the HTTP API listens; there is none, unless it is given."""
    on_missing: OnMissing = OnMissing.FAIL
    """What becomes of a step that this machine's kernel cannot do: `fail`, `approximate` or `skip`."""
    define: list[Annotated[object, WithJsonSchema({MARK: "policy"})]] = []
    """Policies written here, each of the same shape as a policy file; found before those of the library."""
    dry_run: Annotated[bool, Field(strict=True)] = False
    """True: rules decide and are recorded, and nothing is done."""
    limits: WrittenLimits = NO_LIMITS
    """What the proxies themselves may use and keep."""
    proxies: Annotated[list[WrittenProxy], Field(min_length=1)]
    """Each with its own door, upstream and policies."""
