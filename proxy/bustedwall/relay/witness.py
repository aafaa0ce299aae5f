"""Watches what is lost on one leg, and tells what the kernel's counters say of it.

A leg has a witness from its first loss on, never before. A loss is watched from when it took hold
until it is lifted or the leg ends. Where the counters cannot tell by then, because what was lost is
not yet sent again, it is looked at once more when the kernel has had time for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bustedwall.kernel.evidence import Snapshot, Tally, judge, may_change, snapshot
from bustedwall.kernel.peer import PeerCounts, peer_counts
from bustedwall.terms.facts import LossEvidence
from bustedwall.terms.losses import Loss, Losses, Way

if TYPE_CHECKING:
    from bustedwall.relay.outlet import Outlet

_PATIENCE = 2.0
"""Retransmission timeouts of ours after which the peer, too, has sent again what was not acknowledged."""

_MOST = 64
"""Losses of one leg that may wait for a later look; of more, the oldest is told as it is known."""

_OURS: Losses = frozenset({Loss(Way.TO)})

Words = tuple[str, ...]


@dataclass(slots=True)
class _Watched:
    """One loss: since when, and what was counted then."""

    losses: Losses
    words: Words
    causes: Words
    since: float
    begun: Snapshot
    until: float = 0.0
    ended: Snapshot | None = None
    peer_begun: PeerCounts | None = None
    """What the peer's kernel had counted then; None where nobody can ask it."""
    peer_ended: PeerCounts | None = None
    again: float = 0.0
    """When it is looked at once more."""


class Witness:
    """Watches the losses of one leg."""

    __slots__ = ("_ended", "_in_force", "_leg", "alarm")

    def __init__(self, leg: Outlet) -> None:
        self._leg = leg
        self._in_force: _Watched | None = None
        self._ended: list[_Watched] = []
        """Of these a later look may say more; in order."""
        self.alarm: float | None = None

    def begin(self, losses: Losses, words: Words, causes: Words) -> None:
        """Watch a loss that has just taken hold, or was just refused."""
        assert self._in_force is None, "the loss before is still watched"
        leg = self._leg
        self._in_force = _Watched(
            losses, words, causes, leg.flow.poller.clock(), snapshot(leg.sock), peer_begun=peer_counts(leg.sock)
        )

    def end(self) -> None:
        """Take note that what is in force is about to be lifted; nothing if nothing is."""
        watched, self._in_force = self._in_force, None
        if watched is None:
            return
        leg = self._leg
        watched.until, watched.ended = leg.flow.poller.clock(), snapshot(leg.sock)
        if watched.peer_begun is not None:
            watched.peer_ended = peer_counts(leg.sock)
        self._judge(watched, watched.ended)

    def saw(self, words: Words, causes: Words, begun: Snapshot) -> None:
        """Watch one write that was lost since this snapshot, beside what else is lost."""
        leg = self._leg
        now, ended = leg.flow.poller.clock(), snapshot(leg.sock)
        self._judge(_Watched(_OURS, words, causes, now, begun, now, ended), ended)

    def _judge(self, watched: _Watched, ended: Snapshot) -> None:
        """Tell what is known, or wait until more can be known."""
        if may_change(watched.losses, Tally(watched.begun, ended, ended)):
            watched.again = watched.until + _PATIENCE * ended.rto
            self._ended.append(watched)
            if len(self._ended) > _MOST:
                self._tell(self._ended.pop(0), ended)
            self._set_alarm()
        else:
            self._tell(watched, ended)

    def close(self) -> None:
        """Tell all there is to tell: the leg's socket is about to be closed."""
        self.end()
        if self._ended:
            later = snapshot(self._leg.sock)
            for watched in self._ended:
                self._tell(watched, later)
            self._ended.clear()
            self._set_alarm()

    # ---- Sleeper

    def wake(self, now: float) -> None:
        """Look again."""
        due = [watched for watched in self._ended if watched.again <= now]
        later = snapshot(self._leg.sock)
        for watched in due:
            self._ended.remove(watched)
            self._tell(watched, later)
        self._set_alarm()

    def on_failure(self) -> None:
        """End the flow."""
        self._leg.flow.on_failure()

    def _set_alarm(self) -> None:
        self._leg.flow.proxy.alarm.set(self, min((watched.again for watched in self._ended), default=None))

    def _tell(self, watched: _Watched, later: Snapshot) -> None:
        assert watched.ended is not None
        tally = Tally(watched.begun, watched.ended, later)
        before, peer = watched.peer_begun, watched.peer_ended
        fact = LossEvidence(
            self._leg.name,
            watched.words,
            watched.causes,
            judge(watched.losses, tally),
            round(watched.until - watched.since, 6),
            tally.thrown_away,
            tally.arrived,
            tally.sent,
            tally.first_sent,
            tally.acknowledged,
            tally.sent_again,
            None if before is None or peer is None else peer.sent_again_since(before),
            None if peer is None else peer.unacknowledged,
            round(self._leg.flow.poller.clock() - watched.until, 6),
        )
        self._leg.flow.note(fact)
