"""`bustedwall` with its own arguments; each SIGUSR1 sets the wall clock that it sees back by a day.

Once that is done it removes the file that the environment names in TO_JUMP.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_real = time.time
_back = [0.0]


def _time() -> float:
    return _real() - sum(_back)


def _jump(*_: object) -> None:
    _back.append(86400.0)
    Path(os.environ["TO_JUMP"]).unlink()  # which needs no descriptor


time.time = _time  # before Twisted, which keeps the function

from bustedwall.cli import signals  # noqa: E402
from bustedwall.cli.main import main  # noqa: E402

_on = signals.Signals.on


def _on_others(self: signals.Signals, number: signal.Signals, *rest: object) -> None:
    """Leave SIGUSR1 to us."""
    if number is not signal.SIGUSR1:
        _on(self, number, *rest)  # type: ignore[arg-type]  # handed on


signals.Signals.on = _on_others  # type: ignore[method-assign,assignment]  # the same arguments
signal.signal(signal.SIGUSR1, _jump)
main()
