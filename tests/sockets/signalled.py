"""Run the proxies of a config, as `bustedwall run` does, and change them at ours. Argument: the config.

SIGUSR1 fires the signal `one`, SIGUSR2 `two`, on every proxy. SIGHUP takes all rules of the proxies
themselves away, and leaves those of flows; or gives them back.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from twisted.internet import reactor

from bustedwall.cli.recording import Recording
from bustedwall.policy.load import load_config
from bustedwall.record.form import Form
from bustedwall.relay.wall import Wall


def main(path: str) -> None:
    config = load_config(Path(path))
    recording = Recording(reactor, config.journal, Form.TEXT)
    recording.begin()
    wall = Wall(reactor, config.proxies, recording.record, seed=0, verbose=True)
    wall.startService()
    ruled = True

    def fire(name: str) -> None:
        for proxy in wall.proxies:
            proxy.signal(name)

    def change() -> None:
        nonlocal ruled
        ruled = not ruled
        for proxy, setup in zip(wall.proxies, config.proxies, strict=True):
            proxy.apply(tuple(rule for rule in setup.rules if ruled or not rule.of_policy))

    def announce() -> None:
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(fire, "one"))
        signal.signal(signal.SIGUSR2, lambda *_: reactor.callFromThread(fire, "two"))
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(change))
        for proxy in wall.proxies:
            print(f"listening {proxy.proxy_name} {proxy.address}", flush=True)  # noqa: T201

    reactor.addSystemEventTrigger("before", "shutdown", wall.stopService)
    reactor.callWhenRunning(announce)
    reactor.run()
    recording.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
