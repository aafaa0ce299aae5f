"""The proxies of the soak: which policies, and what a flow through them may still count on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Promise(Enum):
    """What becomes of the bytes of a flow on which a rule has fired; without that all of them arrive."""

    WHOLE = "whole"
    """All of them arrive: they are slow, late or sent again."""
    PREFIX = "prefix"
    """What arrives is the beginning of what was said."""
    DAMAGED = "damaged"
    """Anything."""


@dataclass(frozen=True)
class Proxy:
    """One proxy of the config."""

    name: str
    promise: Promise
    policies: Sequence[object]
    weight: int = 2
    door: bool = False
    """Whether clients may be refused, or not be answered: then not each that connected was accepted."""


def own(name: str, *rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy that is written in the config."""
    numbered = [{"name": f"rule-{n}", **rule} for n, rule in enumerate(rules, 1)]
    return {"version": 1, "name": name, "summary": "The soak's own.", "rules": numbered}


DEFINED = [
    own(
        "waits",
        {"when": {"idle": "350s"}, "do": [{"reset": "both"}]},
        {"when": {"contains": "this is never said", "from": "client"}, "do": [{"reset": "both"}]},
        {"when": {"bytes": "100GB", "from": "server"}, "do": [{"reset": "both"}]},
    ),
    own(
        "narrow",
        {"do": [{"bandwidth": {"rate": "40MB/s", "from": "server", "shared": True}}]},
        {"do": [{"bandwidth": "20MB/s from client"}]},
    ),
    own(
        "short-losses",
        {"when": {"repeat": "1s"}, "do": [{"drop": {"what": "all", "to": "server", "for": "100ms"}}]},
        {"match": {"flows": {"every": 3}}, "do": [{"drop": "next_write to client"}]},
    ),
    own("pauses", {"do": [{"stall": {"how": "zero_window", "from": "client", "for": "200ms"}}]}),
    own(
        "damage",
        {
            "match": {"flows": {"every": 2}},
            "do": [{"corrupt": "0.1% from server"}, {"duplicate": "1KiB from server"}],
        },
        {"when": {"bytes": "300B", "from": "client"}, "do": [{"discard": "100B from client"}]},
    ),
    own(
        "on-signal",
        {"when": {"signal": "one"}, "match": {"flows": {"share": "50%"}}, "do": [{"reset": "both"}]},
        {"when": {"signal": "two"}, "do": [{"stall": {"from": "server", "for": "100ms"}}]},
    ),
    own("ends-late", {"when": {"flow_age": "6s"}, "do": [{"reset": "both"}]}),
    own("slams", {"when": {"repeat": "3s"}, "do": [{"refuse": "400ms"}]}),
    own("sleeps", {"when": {"repeat": "3s"}, "do": [{"ignore": "400ms"}]}),
]


def policies(turn: int) -> list[Proxy]:
    """Return the proxies; every other turn some of their policies are different."""
    odd = turn % 2
    whole, prefix = Promise.WHOLE, Promise.PREFIX
    guests = [Proxy("guest", whole, [], 0)] if odd else []  # its door comes and goes
    return [
        *guests,
        Proxy("plain", whole, [], 16),
        Proxy("waits", whole, ["waits"], 8),
        Proxy("slow-link", whole, [{"slow-link": {"delay": "8ms" if odd else "5ms"}}], 4),
        Proxy("byte-by-byte", whole, [{"byte-by-byte": {"size": "16KiB", "delay": "2ms" if odd else "1ms"}}]),
        Proxy("narrow", whole, ["narrow"], 4),
        Proxy("blip", whole, [{"blip": {"after": "1B", "lasts": "300ms"}}]),
        Proxy("flapping-link", whole, [{"flapping-link": {"every": "2s", "down": "300ms"}}]),
        Proxy("short-losses", whole, ["short-losses"] if odd else ["short-losses", "waits"]),
        Proxy("stalled-peer", whole, [{"stalled-peer": {"stalled": "300ms"}}]),
        Proxy("pauses", whole, ["pauses"]),
        Proxy("damage", Promise.DAMAGED, ["damage"], 4),
        Proxy("on-signal", prefix, ["on-signal"], 6),
        Proxy("slams", prefix, ["slams"], door=True),
        Proxy("sleeps", prefix, ["sleeps"], door=True),
        Proxy("reset-mid-response", prefix, [{"reset-mid-response": {"after": "2000B" if odd else "1000B"}}]),
        Proxy("fin-mid-message", prefix, ["fin-mid-message"]),
        Proxy("accept-then-reset", prefix, ["accept-then-reset"], 1),
        Proxy("gave-up-rst", prefix, [{"gave-up-rst": {"give_up": "80ms" if odd else "50ms"}}]),
        Proxy("closed-before-data", prefix, ["closed-before-data"]),
        Proxy("unread-close-rst", prefix, ["unread-close-rst"]),
        Proxy("half-close-policy", prefix, ["half-close"]),
        Proxy("lost-commit-ack", prefix, [{"lost-commit-ack": {"text": "\x01", "give_up": "100ms"}}]),
        Proxy("stalled-reader", prefix, [{"stalled-reader": {"after": "1000B"}}, "ends-late"], 1),
        Proxy("vanished-host", prefix, ["vanished-host"]),
        # Without that it is the kernel's patience that ends it, after a quarter of an hour.
        Proxy("cable-pull", prefix, [{"cable-pull": {"after": "1000B"}}, "ends-late"], 1),
        Proxy("connect-refused", prefix, ["connect-refused"], 1, door=True),
        Proxy("connect-blackhole", prefix, ["connect-blackhole"], 1, door=True),
    ]


def config(proxies: Sequence[Proxy], upstream: str, journal: str) -> dict[str, Any]:
    """Return the config of these proxies."""
    return {
        "version": 1,
        "seed": 7,
        "journal": journal,
        # A door's fault would end after the half hour of the default, and more be open than at the base.
        "limits": {"fault": "24h"},
        "define": DEFINED,
        "proxies": [
            {"name": p.name, "listen": "127.0.0.1:0", "upstream": upstream, "policies": list(p.policies)}
            for p in proxies
        ],
    }
