"""What the kernel of this machine can do, found out by doing it.

Each ability is tried on a connection of its own over loopback: do it, send, require that nothing
arrives, undo it, require that all arrives. No version is asked for, and no return code is believed:
an option can be taken and have no effect, as in a kernel that runs in user space.

Nothing waits for a timer of TCP, the shortest of which is 200 ms. A lost segment shows at once, in
the counter of discarded ones. It is repaired at once when three more arrive behind it, by fast
retransmission (RFC 5681 §3.2); and that it had to be is the proof that it was lost.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from threading import Thread

from bustedwall.kernel.descriptors import have_least
from bustedwall.kernel.endings import errno_name
from bustedwall.kernel.trials import FAMILIES, TRIALS, Aid, Bench, Family, NoEffectError, Trial
from bustedwall.terms.needs import Ability, Needs

LIMIT = 1.0
"""Seconds after which what has not shown will not show."""

_LOOKS = 200
"""Looks that each trial is given even so: on a busy machine the seconds may pass without one."""

_PAUSE = 0.0005

_ABOVE = 40
"""Where numbers of descriptors are not used yet when a run begins; beyond 63 the kernel makes its table larger, and
waits 10 ms for that."""

NO_EFFECT = "no effect"
NO_ANSWER = "no answer in time"

Key = tuple[Ability | Aid, Family]


@dataclass(frozen=True, slots=True)
class Tried:
    """How one trial went."""

    what: Ability | Aid
    family: Family
    hindrance: str | None
    """An errno's name, or that it had no effect; None: it works."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was found out."""

    tried: tuple[Tried, ...]
    families: tuple[Family, ...]
    """The versions of IP that this machine has."""
    seconds: float
    """How long it took."""
    closer: Thread | None = field(default=None, compare=False, repr=False)
    """Closes what was opened for it."""

    def leave(self) -> None:
        """Wait until all is closed."""
        if self.closer is not None:
            self.closer.join()

    def missing(self) -> Needs:
        """Return what does not work with every version of IP that this machine has."""
        return frozenset(t.what for t in self.tried if t.hindrance and isinstance(t.what, Ability))


def find_out() -> Abilities:
    """Try everything, side by side; on an idle machine it takes `LIMIT` at most, and mostly a few milliseconds.

    A thread closes what was opened for it, which takes some 100 ms more: see `Abilities.leave`.
    Raises OSError where there are too few descriptors to try anything.
    """
    have_least()
    began = time.monotonic()
    families = tuple(family for family in FAMILIES if family is FAMILIES[0] or family.here())
    closing, here = ExitStack(), _descriptors()
    try:
        trials = {
            (what, family): trial(Bench(family, closing))
            for family in families
            for what, trial in TRIALS.items()
            if family is FAMILIES[0] or isinstance(what, Ability)
        }
        hindrances = _run(trials)
    finally:
        closer = _closed(closing, _descriptors() - here)
    tried = tuple(Tried(*key, hindrances.get(key, NO_ANSWER)) for key in trials)
    return Abilities(tried, families, time.monotonic() - began, closer)


def _descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208 (pathlib makes an object of each)


def _close(numbers: Iterable[int]) -> None:
    for number in numbers:
        os.close(number)


def _closed(closing: ExitStack, opened: Iterable[int]) -> Thread:
    """Close all that is open; the kernel's part of it is done by a thread, for a packet socket takes it 25 ms.

    The numbers are free at once, so that what is opened next leaves no gap: until the thread has ended the sockets
    have others, far above.
    """
    kept: list[int] = []
    for number in opened:
        with suppress(OSError):  # the folder's own, which is closed by now; or the limit is lower than that
            kept.append(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _ABOVE))
    closing.close()
    thread = Thread(target=_close, args=(kept,), name="abilities", daemon=True)
    thread.start()
    return thread


def _run(trials: dict[Key, Trial]) -> dict[Key, str | None]:
    """Go on with each trial in turn until all have ended or time is up; return what hindered those that have."""
    ended: dict[Key, str | None] = {}
    began, looks = time.monotonic(), 0
    while len(ended) < len(trials) and (looks < _LOOKS or time.monotonic() - began < LIMIT):
        if looks:
            time.sleep(_PAUSE)
        looks += 1
        _look(((key, trial) for key, trial in trials.items() if key not in ended), ended)
    return ended


def _look(trials: Iterable[tuple[Key, Trial]], ended: dict[Key, str | None]) -> None:
    for key, trial in tuple(trials):
        try:
            next(trial)
        except StopIteration:
            ended[key] = None
        except NoEffectError:
            ended[key] = NO_EFFECT
        except OSError as error:
            ended[key] = errno_name(error.errno)
