"""What `chaos discover` lists."""

from __future__ import annotations

import importlib
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from chaoslib.discovery.discover import (
    discover_actions,
    discover_probes,
    initialize_discovery_result,
    portable_type_name,
)
from chaoslib.types import Discovery

import bustedwall


def discovered() -> Discovery:
    """Return the actions and probes with their arguments and types."""
    told = initialize_discovery_result("bustedwall", bustedwall.__version__, "bustedwall")
    found = [*discover_actions("bustedwall.chaos.actions"), *discover_probes("bustedwall.chaos.probes")]
    told["activities"] = [_typed(one) for one in found]
    return told


def _typed(activity: dict[str, Any]) -> dict[str, Any]:
    """Name the types, which the Toolkit does not see where they are written as text, or may be None."""
    hints = get_type_hints(getattr(importlib.import_module(activity["mod"]), activity["name"]))
    for argument in activity["arguments"]:
        argument["type"] = portable_type_name(_bare(hints[argument["name"]]))
    activity["return_type"] = portable_type_name(_bare(hints["return"]))
    return activity


def _bare(hint: Any) -> Any:  # noqa: ANN401 (whatever an annotation is)
    if hint is NoneType:
        return None
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    besides = [one for one in get_args(hint) if one is not NoneType]
    if len(besides) < len(get_args(hint)) and len(besides) == 1:
        return _bare(besides[0])
    return get_origin(hint) or hint
