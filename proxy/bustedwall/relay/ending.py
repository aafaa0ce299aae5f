"""End a leg, and tell what the kernel said of it just before: who ends what no longer is ends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bustedwall.kernel.endings import close, reset, vanish
from bustedwall.kernel.evidence import GONE, Snapshot, snapshot
from bustedwall.kernel.sockets import Socket, unread
from bustedwall.terms.endings import How
from bustedwall.terms.facts import EndingEvidence
from bustedwall.terms.losses import Way
from bustedwall.terms.verdict import Verdict

if TYPE_CHECKING:
    from bustedwall.relay.leg import TcpLeg


def end_leg(leg: TcpLeg, how: How, cause: str, ttl: int | None = None) -> None:
    """End a leg in this way, by half or by closing its socket; the proof is a fact, behind those of losses on it.

    `ttl`: that of a RST.
    """
    flow, before, waiting = leg.flow, GONE, 0
    lost = any(loss.way is Way.TO and not loss.muted for loss in leg.losses)
    if not leg.dead:
        before, waiting = snapshot(leg.sock), unread(leg.sock)
    refused = False

    def end(sock: Socket) -> None:
        nonlocal refused
        match how:
            case How.VANISH:
                refused = not _vanish(sock)
            case How.CLOSE:
                flow.throw_away(close(sock))
            case How.CLOSE_UNREAD:
                sock.close()
            case _:
                reset(sock, ttl)

    if how is How.HALF_CLOSE:
        leg.finish()
    else:
        leg.close(end)
    verdict = _verdict(how, before, waiting, heard=refused if how is How.VANISH else not lost)
    flow.note(EndingEvidence(leg.name, how, cause, verdict, before.state, waiting, before.unsent, before.in_flight))


def _verdict(how: How, before: Snapshot, waiting: int, *, heard: bool) -> Verdict:
    """Say whether the peer hears what it is meant to hear: an ending, or, where the leg vanishes, nothing."""
    if not before.hears_an_end or (how is How.CLOSE_UNREAD and not waiting):
        return Verdict.NO_TRAFFIC
    return Verdict.EFFECTIVE if heard is not (how is How.VANISH) else Verdict.INEFFECTIVE


def _vanish(sock: Socket) -> bool:
    """Vanish; where the kernel refuses close by a RST and return False."""
    try:
        vanish(sock)
    except OSError:
        return False
    return True
