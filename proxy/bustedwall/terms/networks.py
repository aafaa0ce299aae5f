"""Ranges of addresses as users write them: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bustedwall.terms.scalars import shown

Network = IPv4Network | IPv6Network


def _network(value: object) -> Network:
    if not isinstance(value, str):
        what = "expected an address such as 10.0.0.7 or 10.0.0.0/8, got {got}"
        raise PydanticCustomError("network", what, {"got": shown(value)})
    try:
        return ip_network(value)
    except ValueError as error:
        if "host bits" in str(error):
            whole = str(ip_network(value, strict=False))
            what = "'{got}' is an address within a network: did you mean '{whole}' or '{host}'?"
            context = {"got": value, "whole": whole, "host": value.partition("/")[0]}
            raise PydanticCustomError("network", what, context) from None
        what = "expected an address such as 10.0.0.7 or 10.0.0.0/8, got {got}"
        raise PydanticCustomError("network", what, {"got": shown(value)}) from None


def networks(value: object) -> tuple[Network, ...]:
    """Return the networks of one address or of a list; raises PydanticCustomError."""
    if isinstance(value, list) and not value:
        raise PydanticCustomError("network", "this must not be empty")
    return tuple(_network(one) for one in (value if isinstance(value, list) else [value]))


def _written(networks: tuple[Network, ...]) -> str | list[str]:
    """Write networks as users do."""
    one, *more = [str(network).removesuffix(f"/{network.max_prefixlen}") for network in networks] or [""]
    return [one, *more] if more else one


Networks = Annotated[
    tuple[Network, ...],
    PlainValidator(networks),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "minItems": 1,
            "title": "an address such as 10.0.0.7 or 10.0.0.0/8, or a list of them",
        }
    ),
]
