"""How legs are ended from our side: at once, or behind the bytes that have left the gate for them."""

from __future__ import annotations

from collections.abc import Mapping

from bustedwall.faults.fault import Damage
from bustedwall.flow.direction import Direction, Pause
from bustedwall.flow.legs import Legs
from bustedwall.flow.lifecycle import WRITABLE, Move
from bustedwall.flow.out import Out
from bustedwall.flow.script import Scripts
from bustedwall.terms.commands import Depth, Shut
from bustedwall.terms.endings import RESET, Ending, How, Other
from bustedwall.terms.facts import LegClosed, StepMoot
from bustedwall.terms.leg import LEGS, Leg

FLUSH_LIMIT = 1.0
"""Seconds that an ending waits for the bytes before it; a receiver that stops reading must not hold it for ever."""

PASSED_ON = Ending(How.RESET, flush=True)
"""What becomes of a RST of the other leg's peer."""

_HEARD = (How.RESET, How.CLOSE, How.CLOSE_UNREAD)
"""What is sent once and never again, so that what we send must not be lost any more."""


class Endings:
    """The first ending of a leg wins."""

    __slots__ = ("_directions", "_legs", "_out", "_scripts")

    def __init__(self, directions: Mapping[Leg, Direction], legs: Legs, scripts: Scripts, out: Out) -> None:
        self._directions = directions
        self._legs = legs
        self._scripts = scripts
        self._out = out

    def moot(self, leg: Leg, ending: Ending) -> bool:
        """Tell whether an ending comes too late for a leg."""
        if ending.how is How.HALF_CLOSE and self._legs.states[leg] not in WRITABLE:
            return True
        return self._legs.moot(leg) or self._directions[leg.other].ending is not None

    def mute(self, leg: Leg) -> bool:
        """Tell whether nothing more can be sent to a leg: it is ended, or about to be, or does not exist yet."""
        there = leg is Leg.CLIENT or self._legs.opened
        return not there or self._legs.states[leg] not in WRITABLE or self._directions[leg.other].ending is not None

    def in_time(self, damage: Damage, rule: str, fault: str) -> bool:
        """Tell whether damage does anything to a leg; note each for which it comes too late."""
        takes_hold = False
        for leg in LEGS:
            means, moot = self._aim(leg, damage)
            takes_hold = takes_hold or (means and not moot)
            if moot:
                self._out.note(StepMoot(rule, fault, leg))
        return takes_hold

    def _aim(self, leg: Leg, damage: Damage) -> tuple[bool, bool]:
        """Tell whether damage is meant for a leg, and whether it comes too late for it."""
        legs, ending = self._legs, damage.endings.get(leg)
        if ending is not None:
            return True, self.moot(leg, ending)
        if damage.undialled and leg is Leg.SERVER:
            return True, legs.dialled
        if leg in damage.injected:
            return True, self.mute(leg)
        if leg in damage.losses:
            # A loss of the server's leg is set once that is there.
            return True, legs.moot(leg) and (legs.opened or leg is Leg.CLIENT)
        return leg.other in damage.stages, leg.other in damage.stages and legs.final(leg)

    def begin(self, leg: Leg, ending: Ending, cause: str, now: float) -> None:
        """End a leg, at once or behind what has left the gate for it."""
        if self.moot(leg, ending):
            return
        direction = self._directions[leg.other]
        if ending.how in _HEARD:
            self._legs.lifted |= {leg}
            self.settle_losses(now)
        if ending.how is How.HALF_CLOSE:
            self._legs.discarded += direction.close()
            self._out.do(Shut(leg, cause))
            self._out.note(LegClosed(leg, How.HALF_CLOSE, cause))
            self._legs.move(leg, Move.OUR_FIN, now)
        elif (ending.flush or ending.how is How.CLOSE) and self._legs.opened:
            self._legs.discarded += direction.close()
            self.hold(direction, ending, cause, now)
        else:
            self._end(leg, ending, cause, now)

    def hold(self, direction: Direction, ending: Ending, cause: str, now: float) -> None:
        """Shut the gate until what has left it is sent, or, for a close(), in our kernel's hands."""
        direction.ending, direction.cause = ending, cause
        direction.until = now + FLUSH_LIMIT
        self._out.do(direction.wait(Pause.ENDING, Depth.KERNEL if ending.how is How.CLOSE else Depth.WIRE))

    def finish(self, direction: Direction, now: float) -> None:
        """End the leg whose ending has waited long enough."""
        assert direction.ending is not None
        self._end(direction.source.other, direction.ending, direction.cause, now)

    def settle_losses(self, now: float) -> None:
        """Have the kernel lose what is armed."""
        self._legs.settle_losses(self._scripts.armed(), now)

    def _end(self, leg: Leg, ending: Ending, cause: str, now: float) -> None:
        if self._legs.ended(leg):
            return
        self._directions[leg.other].ending = ending
        self._legs.discarded += self._directions[leg.other].cut_off()
        self._legs.end(leg, ending, cause, now)
        if ending.other is not Other.KEEP:
            self.begin(leg.other, Ending(How.CLOSE) if ending.other is Other.CLOSE else RESET, cause, now)
