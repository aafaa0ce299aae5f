"""One decision: a rule's moment came on a flow, and the rule fired or did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bustedwall.flow.recorded import DOOR

SHARE, ORDER = 0, -1
"""Stand for the coming of a moment: whether the flow is in the rule's share; whether `above` and `after` hold."""

_OF_MATCH = {SHARE: ", its share", ORDER: ", its above and after"}


@dataclass(frozen=True, slots=True)
class Key:
    """Which decision it is; a run makes each but once."""

    proxy: str
    flow: int
    """Its number within the proxy; 0: at the door."""
    rule: str
    coming: int
    """How often the moment has come on this flow, from 1; SHARE or ORDER: what the rule's `match` decided."""

    def __str__(self) -> str:
        """Return it as a sentence begins."""
        where = f"{self.proxy} flow {self.flow}" if self.flow else f"the door of {self.proxy}"
        return f"{where}: {self.rule}" + _OF_MATCH.get(self.coming, f", time {self.coming}" if self.coming > 1 else "")


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, and what had come through by then."""

    draw: float | None
    from_client: int | None
    """Bytes that had passed; None: it did not fire, or at the door."""
    from_server: int | None
    fired: bool = field(kw_only=True)
    """Or, where a `match` decided, whether it touches the flow."""


def decision(fact: Mapping[str, Any]) -> tuple[Key, Decision] | None:
    """Return the decision that a line of a journal tells, None: it tells another thing."""
    proxy, flow = fact.get("proxy"), fact.get("flow") or DOOR
    if proxy is None:
        return None
    match fact.get("fact"):
        case "rule-fired":
            through = (fact["passed_from_client"], fact["passed_from_server"]) if flow else (None, None)
            return Key(proxy, flow, fact["rule"], fact["coming"]), Decision(fact["draw"], *through, fired=True)
        case "rule-spared":
            return Key(proxy, flow, fact["rule"], fact["coming"]), Decision(fact["draw"], None, None, fired=False)
        case "share-drawn":
            return Key(proxy, flow, fact["rule"], SHARE), Decision(fact["draw"], None, None, fired=fact["touched"])
        case "order-looked":
            return Key(proxy, flow, fact["rule"], ORDER), Decision(None, None, None, fired=fact["touched"])
        case _:
            return None
