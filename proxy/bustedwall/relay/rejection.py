"""Answers what arrives for one leg by bare RSTs, as long as that is armed; the leg itself goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bustedwall.kernel.rejecting import Rejecter
from bustedwall.relay.answering import Answering
from bustedwall.terms.facts import SegmentsRejected

if TYPE_CHECKING:
    from bustedwall.relay.outlet import Outlet


class Rejection:
    """What is rejected of one leg; raises OSError where the kernel gives no raw socket."""

    __slots__ = ("_answering", "_leg")

    def __init__(self, leg: Outlet) -> None:
        self._leg = leg
        self._answering = Answering(leg.flow.poller, leg.flow, Rejecter(leg.sock))

    def close(self) -> None:
        """Answer what has come, and no more; tell how much it was."""
        done = self._answering
        done.close()
        self._leg.flow.note(SegmentsRejected(self._leg.name, done.answered, done.refused))
