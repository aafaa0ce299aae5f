"""What flows carry, looked at again and again: there is no fact of a byte."""

from __future__ import annotations

from collections.abc import Mapping

from bustedwall.client import Client, ControlError
from bustedwall.suite.result import Sample

EVERY = 0.1
"""Seconds between two looks, at least."""

LOOKS = 400
"""Looks at most, so that a long case has no more than a short one."""

FLOWS = 20
"""Flows of a look; the first ones."""

ASKED = 3
"""Flows of a look of which the kernel's counters are asked for, too."""


class Sampling:
    """The samples of one case."""

    def __init__(self, within: float) -> None:
        """`within`: seconds that the case may take."""
        self._every = max(EVERY, within / LOOKS)
        self._next = 0.0
        self.samples: list[Sample] = []

    def take(self, at: float, client: Client, proxies: Mapping[str, str]) -> None:
        """Look, if it is time."""
        if at < self._next or len(self.samples) >= LOOKS * FLOWS:
            return
        self._next = at + self._every
        count = 0
        for told in client.flows():
            if told["proxy"] in proxies and count < FLOWS:
                state, name = told["state"], told["proxy"]
                again = _again(client, name, state["flow"]) if count < ASKED else (None, None)
                sample = Sample(
                    round(at, 3), proxies[name], state["flow"], state["from_client"], state["from_server"], *again
                )
                self.samples.append(sample)
                count += 1


def _again(client: Client, proxy: str, flow: int) -> tuple[int | None, int | None]:
    try:
        evidence = client.flow(proxy, flow)["evidence"]
    except ControlError:  # it has closed since, and is forgotten
        return None, None
    client_leg, server_leg = (evidence.get(leg, {}).get("retransmitted") for leg in ("client", "server"))
    return client_leg, server_leg
