"""The two legs of a flow: how far each has come, what is lost on it, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bustedwall.faults.fault import Undialled
from bustedwall.flow.lifecycle import FINAL, LegState, Move, after
from bustedwall.flow.out import Out
from bustedwall.flow.run import Arming
from bustedwall.policy.rules import Rule
from bustedwall.terms.commands import Close, Dial, Reset, SetLoss, Vanish
from bustedwall.terms.endings import RESET, Ending, How
from bustedwall.terms.facts import LegClosed, LimitReached, ResetSent
from bustedwall.terms.leg import LEGS, Leg
from bustedwall.terms.limits import Limit
from bustedwall.terms.losses import NO_LOSS, Losses, Way

_ORPHAN = "limits.orphan"

# Shared by all flows to which nothing has happened: a dict is 230 bytes, and most flows are idle.
_ALL_OPEN: Mapping[Leg, LegState] = dict.fromkeys(LEGS, LegState.OPEN)
_NONE_LOST: Mapping[Leg, Losses] = dict.fromkeys(LEGS, NO_LOSS)
_NOBODY: Mapping[Leg, str] = {}


class Legs:
    """Two lifecycles, and what follows from them together."""

    __slots__ = (
        "_keep",
        "_losses",
        "_out",
        "_unread",
        "dialled",
        "discarded",
        "lifted",
        "opened",
        "orphan",
        "over",
        "spoken",
        "states",
    )

    def __init__(self, out: Out, keep: float) -> None:
        """`keep` is for how many seconds what is left of a flow is kept."""
        self._out = out
        self._keep = keep
        self.states = _ALL_OPEN
        self.dialled = False
        """The upstream was dialled, or never will be."""
        self.spoken = False
        """The client has sent something; known only before the upstream is dialled."""
        self.opened = False
        """The server leg exists."""
        self._losses = _NONE_LOST
        """What the kernel was asked to lose."""
        self.lifted: frozenset[Leg] = frozenset()
        """Where what we send is no longer lost, or the leg's ending would not be heard."""
        self._unread: Mapping[Leg, str] = _NOBODY
        """Ended, but waiting for something that can be left unread; and by whose rule."""
        self.orphan: float | None = None
        """When what is left of the flow is ended."""
        self.discarded = 0
        """Bytes that arrived for a leg that had ended, or were held for one when it did."""
        self.over = False
        """Both legs have ended and nothing is lost on them; no event means anything any more."""

    @property
    def untouched(self) -> bool:
        """Tell whether both legs are as they were when the flow was opened."""
        return self.opened and self.states is _ALL_OPEN and self._losses is _NONE_LOST and self.orphan is None

    def ended(self, leg: Leg) -> bool:
        """Tell whether a leg is no more."""
        return self.states[leg] is LegState.ENDED

    def final(self, leg: Leg) -> bool:
        """Tell whether nothing more leaves for a leg."""
        return self.states[leg] in FINAL

    def deaf(self, leg: Leg) -> bool:
        """Tell whether the data that is sent to a leg is being lost."""
        return any(loss.way is Way.TO and not loss.muted for loss in self._losses[leg])

    def moot(self, leg: Leg) -> bool:
        """Tell whether nothing can be done to a leg: it has ended, or does not exist yet."""
        if leg is Leg.SERVER and not self.opened:
            return True
        state = self.states[leg]
        return state is LegState.ENDED or (state is LegState.DONE and not self._losses[leg])

    def move(self, leg: Leg, move: Move, now: float) -> None:
        """Take a leg a step further."""
        self.states = {**self.states, leg: after(self.states[leg], move)}
        self._look_whether_over(now)

    def end(self, leg: Leg, ending: Ending, cause: str, now: float) -> None:
        """End a leg that has not ended; if the other one goes on, it is an orphan from now on."""
        how = ending.how
        match how:
            case How.RESET:
                self._out.do(Reset(leg, cause, ending.ttl))
                self._out.note(ResetSent(leg, cause))
            case How.VANISH:
                self._out.do(Vanish(leg, cause))
            case _:
                self._out.do(Close(leg, how is How.CLOSE_UNREAD, cause))
        if how is How.CLOSE_UNREAD:
            self._unread = {**self._unread, leg: cause}
        elif how is not How.RESET:
            self._out.note(LegClosed(leg, how, cause))
        self.move(leg, Move.END, now)
        if not self.final(leg.other) or (how is How.CLOSE_UNREAD and self.orphan is None):
            self.orphan = now + self._keep

    def settle_dial(self, armed: Iterable[tuple[Rule, Arming]], now: float) -> None:
        """Dial the upstream once, as soon as nothing holds it up; of a client that is gone nobody is told."""
        held_up = (arming.damage.undialled for _, arming in armed if not arming.rests)
        if self.ended(Leg.CLIENT):
            self.dialled = True
            self.move(Leg.SERVER, Move.END, now)
        elif not any(how is Undialled.HEALED or (how is Undialled.DATA and not self.spoken) for how in held_up):
            self.dialled = True
            self._out.do(Dial())

    def closed_unread(self, leg: Leg, now: float) -> None:
        """Take note that a leg no longer waits for something to leave unread."""
        waiting = dict(self._unread)
        self._out.note(LegClosed(leg, How.CLOSE_UNREAD, waiting.pop(leg)))
        self._unread = waiting
        self._look_whether_over(now)

    def end_orphan(self, now: float) -> None:
        """End what is left; a leg that is still being dialled ends when that is over."""
        self.orphan = None
        if not self.opened and not self.ended(Leg.SERVER):
            return
        self._out.note(LimitReached(Limit.ORPHAN, self._keep))
        for leg in LEGS:
            if not self.moot(leg):
                self.end(leg, RESET, _ORPHAN, now)
            elif leg in self._unread:
                self._out.do(Reset(leg, _ORPHAN))  # does nothing if the leg has had its bytes, and is gone
                self._out.note(ResetSent(leg, _ORPHAN))
        self.orphan = None
        self.over = True

    def settle_losses(self, armed: Iterable[tuple[Rule, Arming]], now: float) -> None:
        """Ask for the union of what is in force, where it differs from what was asked last."""
        armings = tuple(each for each in armed if not each[1].rests)
        for leg in LEGS:
            if self.moot(leg):
                continue
            want = NO_LOSS
            for _, arming in armings:
                if arming.damage.losses:
                    want |= arming.damage.losses.get(leg, NO_LOSS)
            if leg in self.lifted:
                want = frozenset(loss for loss in want if loss.way is not Way.TO)
            if want != self._losses[leg]:
                self._losses = {**self._losses, leg: want}
                causes = [f"{rule.name}: {a.fault}" for rule, a in armings if a.damage.losses.get(leg, NO_LOSS) & want]
                self._out.do(SetLoss(leg, want, tuple(causes)))
        self._look_whether_over(now)

    def _look_whether_over(self, now: float) -> None:
        """End with both legs, unless last bytes are still being lost: closing now would lose them for good."""
        if self.final(Leg.CLIENT) and self.final(Leg.SERVER):
            losing = any(self._losses[leg] for leg in LEGS if self.states[leg] is LegState.DONE)
            self.over = not losing and not self._unread
            if not self.over and self.orphan is None:
                self.orphan = now + self._keep
