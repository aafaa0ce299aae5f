"""A chaos session from Python: each thing is waited for, nothing sleeps, and each block undoes itself.

bustedwall run my.yaml --control 8474 &
python configs/scripts/chaos.py PROXY [WITHIN]      with traffic through the proxy

BUSTEDWALL_CONTROL says where the run is, WITHIN for how many seconds the traffic may take to meet a fault.
"""

from __future__ import annotations

import sys

from bustedwall import Client, NotMetError


def main(name: str, within: float) -> None:
    """Break the proxy's connections in three ways, one after the other."""
    with Client() as client:
        proxy = client.proxy(name)
        client.wait_flows(1, proxy=name, within=within)

        with proxy.policy("slow-link", delay="20ms"):
            told = client.wait_fired("slow-link", proxy=name, within=within)
            print(f"slow link: met after {told['waited']:.1f} s")

        with proxy.policy("reset-mid-response", after="100B"):
            told = client.wait_fired("reset-mid-response", proxy=name, times=3, within=within)
            print(f"resets in the middle of a response: {told['count']}")

        before = client.last()
        print(f"lost without a word: {client.kill('vanish', proxy=name)} flows")

        fact = client.wait_fact("peer-finished", proxy=name, after=before, within=within)
        print(f"recovered: flow {fact['flow']} was served")


if __name__ == "__main__":
    try:
        main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60.0)  # noqa: PLR2004 (the second word)
    except IndexError:
        sys.exit("usage: chaos.py PROXY [WITHIN]")
    except NotMetError as error:
        sys.exit(f"chaos.py: {error}")
