"""A run as a config that `run` accepts: what is in force now, whatever it was started with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bustedwall.policy import library
from bustedwall.policy.applied import Applied
from bustedwall.policy.capture import SNAPLEN
from bustedwall.policy.proxy_protocol import SILENT, WITHIN
from bustedwall.policy.setup import Config, ProxySetup
from bustedwall.policy.template import Template
from bustedwall.terms.limits import Limits
from bustedwall.terms.units import written_duration, written_size

Written = dict[str, Any]


def export(config: Config, setups: Iterable[ProxySetup]) -> Written:
    """Return a config with these proxies; what is for one flow alone is left out, for it ends with the flow.

    Policies of files, of `define` and of command lines are in its own `define`.
    """
    defined: dict[str, Written] = {}
    proxies = [_proxy(setup, defined) for setup in setups]
    told: Written = {"version": 1}
    if config.seed is not None:
        told["seed"] = config.seed
    told["time_scale"] = config.terms.time_scale
    told["on_missing"] = config.terms.on_missing.value
    if config.journal is not None:
        told["journal"] = str(config.journal)
    if config.control is not None:
        told["control"] = {"listen": str(config.control)}
        if config.upstreams is not None:
            told["control"]["upstreams"] = [str(one) for one in config.upstreams]
    told["limits"] = _limits(config.limits) | {"held": written_size(config.limits.held)}
    if defined:
        told["define"] = list(defined.values())
    return told | {"proxies": proxies}


def _proxy(setup: ProxySetup, defined: dict[str, Written]) -> Written:
    told: Written = {"name": setup.name, "listen": str(setup.listen), "upstream": str(setup.upstream)}
    if not setup.enabled:
        told["enabled"] = False
    if setup.source is not None:
        told["source"] = setup.source
    if setup.mss is not None:
        told["mss"] = setup.mss
    spoken = setup.proxy_protocol
    if spoken != SILENT:
        told["proxy_protocol"] = {
            **({"in": True} if spoken.hears else {}),
            **({"out": spoken.tells.value} if spoken.tells else {}),
            **({"within": written_duration(spoken.within)} if spoken.hears and spoken.within != WITHIN else {}),
        }
    if setup.capture is not None:
        told["pcap"] = str(setup.capture.folder)
        if setup.capture.snaplen != SNAPLEN[0]:
            told["snaplen"] = setup.capture.snaplen
    if setup.dry_run:
        told["dry_run"] = True
    if setup.turns:
        told["turns"] = True
    told["policies"] = [_use(policy, defined) for policy in setup.policies if policy.flow is None]
    told["limits"] = _limits(setup.limits)
    return told


def _use(policy: Applied, defined: dict[str, Written]) -> object:
    name = policy.name if is_of_library(policy.template) else _defined(policy, defined)
    return {name: dict(policy.given)} if policy.given else name


def is_of_library(template: Template) -> bool:
    """Tell whether a policy came with the program."""
    return Path(template.document.source.name).parent.parent == library.folder()


def _defined(policy: Applied, defined: dict[str, Written]) -> str:
    """Have a policy be defined, under another name where there is another of its own."""
    data = policy.template.document.data
    assert isinstance(data, dict)
    name, number = policy.name, 1
    while defined.setdefault(name, data | {"name": name}) != data | {"name": name}:
        number += 1
        name = f"{policy.name}-{number}"
    return name


def _limits(limits: Limits) -> Written:
    told: Written = {"flows": limits.flows, "flow_held": written_size(limits.flow_held)}
    for name in ("connect", "fault", "orphan", "idle"):
        if (seconds := getattr(limits, name)) is not None:
            told[name] = written_duration(seconds)
    return told
