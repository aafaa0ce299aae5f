"""`bustedwall` with its own arguments, in which SIGUSR2 fires the signals `one` and `two` in turn on every proxy."""

from __future__ import annotations

import signal
from itertools import cycle

from bustedwall.cli.main import main
from bustedwall.relay import wall


class SignalledWall(wall.Wall):
    """A wall that the operating system's signals reach."""

    def startService(self) -> None:  # noqa: N802 (Twisted's name)
        super().startService()
        names = cycle(("one", "two"))

        def fire() -> None:
            name = next(names)
            for proxy in self.proxies:
                proxy.signal(name)

        signal.signal(signal.SIGUSR2, lambda *_: self.reactor.callFromThread(fire))


wall.Wall = SignalledWall  # type: ignore[misc]  # `run` takes it from there
main()
