"""The licence that a flow's logic gives to the data plane, per direction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """How the relay may move bytes from one leg to the other."""

    look: bool
    """True: each chunk goes through `Flow.handle`. False: the relay splices or copies on its own."""
    credit: int | None
    """How many bytes the relay may read before it has to report; None is no limit.

    0 is *do not read*: backpressure and a closing window are the same thing.
    """


OPEN_ROAD = Passage(look=False, credit=None)
WATCHED_ROAD = Passage(look=True, credit=None)
SHUT_ROAD = Passage(look=True, credit=0)
