"""What is sent to the API: bodies and queries; docs/control.md tells of them, and OpenAPI is made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from bustedwall.control.endpoint import Asked

Value = StrictBool | StrictInt | StrictFloat | StrictStr
Values = dict[str, Value]

Use = StrictStr | Annotated[dict[str, Values], Field(min_length=1, max_length=1)]
"""A policy by its name, or `{NAME: {parameter: value}}`."""

MOST_POLICIES = 100
"""Of one proxy."""

MOST_PROXIES = 1000

PAGE = 100
MOST_PAGE = 1000

Flow = Annotated[int, Field(strict=True, ge=1)]
Number = Annotated[int, Field(ge=0, le=1 << 53)]


class ProxySent(Asked):
    """A proxy, as a config has it; its name is in the path, and files are not for the API."""

    listen: StrictStr
    """`HOST:PORT`; port 0 takes a free one."""
    upstream: StrictStr
    """`HOST:PORT`."""
    policies: Annotated[list[Use], Field(default_factory=list, max_length=MOST_POLICIES)]
    """Policies of the library or of the config, each with or without values for its parameters."""
    source: StrictStr | None = None
    """The address of this machine from which the upstream is connected."""
    mss: StrictInt | None = None
    """The longest segment of either leg."""
    proxy_protocol: dict[str, Value] | None = None
    """`{in: true, out: v2}`."""
    dry_run: StrictBool | None = None
    """Rules decide and are recorded, and nothing is done."""
    turns: StrictBool = False
    """Each turn of a client that the server was sent is a fact, `turn-sent`."""
    limits: Values = Field(default_factory=dict)
    """As in a config."""
    enabled: StrictBool = True
    """False: it has no door until somebody enables it."""


class PoliciesSent(Asked):
    """All policies of a proxy."""

    policies: Annotated[list[Use], Field(max_length=MOST_POLICIES)]
    """In their order."""


class UseSent(Asked):
    """How a policy is applied."""

    values: Values = Field(default_factory=dict)
    """Of its parameters; those that are left out have their defaults."""
    span: StrictStr | None = Field(None, alias="for")
    """As in `10s`: after so long it goes by itself; until then, unless somebody takes it away."""
    flow: Flow | None = None
    """The number of the only flow that it is to touch; it goes when the flow ends."""


class TextSent(Asked):
    """A policy, or a config, as somebody has written it."""

    text: StrictStr
    """YAML or JSON."""


class KillSent(Asked):
    """Which flows are to end, and how; without a selection all of them."""

    how: Literal["reset", "close", "vanish"] = "reset"
    """Both legs by RST, by FIN, or without a segment."""
    proxy: StrictStr | None = None
    """Only its flows."""
    flows: Annotated[list[Flow], Field(max_length=10_000)] | None = None
    """Only these, by number; `proxy` says of which proxy."""
    client: StrictStr | None = None
    """Only those of clients with this address or in this network, as in `10.0.0.0/8`."""


class FiredWaited(Asked):
    """A rule that is to fire."""

    rule: StrictStr
    """`POLICY/RULE`, or `POLICY` for any rule of it."""
    proxy: StrictStr | None = None
    """On this proxy; else on any."""
    times: Annotated[int, Field(strict=True, ge=1)] = 1
    """How often, since it was applied."""


class FlowsWaited(Asked):
    """Flows that are to be open."""

    proxy: StrictStr | None = None
    """Of this proxy; else of all together."""
    at_least: Annotated[int, Field(strict=True, ge=0)] | None = None
    at_most: Annotated[int, Field(strict=True, ge=0)] | None = None


class FactWaited(Asked):
    """A fact that is to come."""

    fact: StrictStr
    """Its name, as in docs/facts.md; or several, with commas between them."""
    proxy: StrictStr | None = None
    flow: Flow | None = None
    having: Annotated[dict[str, Value | None], Field(max_length=20)] = Field(default_factory=dict)
    """Its fields that must be so, as in `{leg: client}`."""
    times: Annotated[int, Field(strict=True, ge=1)] = 1
    """How many."""
    after: Annotated[int, Field(strict=True, ge=0, le=1 << 53)] | None = None
    """Those behind this number count, too; else only those that come from now on."""


class WaitSent(Asked):
    """What to wait for: one of the three."""

    fired: FiredWaited | None = None
    flows: FlowsWaited | None = None
    fact: FactWaited | None = None
    within: StrictStr = "10s"
    """How long at most, up to `10m`."""


class FactsAsked(Asked):
    """Which facts."""

    proxy: str | None = None
    """Only of this proxy."""
    flow: Annotated[int, Field(ge=1)] | None = None
    """Only of flows with this number."""
    fact: str | None = None
    """Only of these names, with commas between them."""
    after: Number | None = None
    """Only those behind this number."""
    limit: Annotated[int, Field(ge=1, le=MOST_PAGE)] = PAGE
    """How many at most; a stream has no limit."""


class FlowsAsked(Asked):
    """Which flows."""

    proxy: str | None = None
    """Only those of this proxy."""
    limit: Annotated[int, Field(ge=1, le=MOST_PAGE)] = PAGE
    """How many at most."""
    after: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[0-9]{1,15}$")] | None = None
    """Go on behind this one, `PROXY/NUMBER`, as the page before says in `next`."""


class DrainAsked(Asked):
    """How long open flows may go on."""

    drain: str | None = None
    """As in `5s`; without it as long as at the end of the run (`--drain`)."""


class FlowAsked(Asked):
    """Of which flow."""

    flow: Annotated[int, Field(ge=1)] | None = None
    """The policy that was applied to this flow alone."""
