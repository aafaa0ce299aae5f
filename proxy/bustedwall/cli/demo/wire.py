"""What was on the wire, and whether it was meant, in words: from facts, which have the kernel's counters."""

from __future__ import annotations

from collections.abc import Iterable

from bustedwall.terms.endings import How
from bustedwall.terms.facts import EndingEvidence, Fact, LossEvidence
from bustedwall.terms.leg import Leg

_SENT = {
    How.RESET: "RST",
    How.CLOSE: "FIN",
    How.CLOSE_UNREAD: "RST",
    How.HALF_CLOSE: "FIN",
    How.VANISH: "nothing",
}
"""What each ending sends."""


def done(facts: Iterable[Fact]) -> list[LossEvidence | EndingEvidence]:
    """Return what tells of what rules did, the client's leg first.

    How a leg ends after that, because the other one is reset, is no part of it.
    """
    found = [
        fact
        for fact in facts
        if isinstance(fact, LossEvidence) or (isinstance(fact, EndingEvidence) and "/" in fact.cause)
    ]
    return sorted(found, key=lambda fact: fact.leg is Leg.SERVER)


def wire(facts: Iterable[Fact], by_client: int) -> tuple[str, ...]:
    """Return what was lost, sent again and sent; `by_client` is how many segments the client's kernel sent again."""
    told = [f"client: {by_client} sent again"] if by_client else []
    for fact in done(facts):
        match fact:
            case LossEvidence(leg):
                counts = {"arrived and lost": fact.thrown_away, "sent again": fact.sent_again}
                words = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
                told.append(f"{leg.value}'s leg: {words or 'nothing'}")
            case EndingEvidence(leg, how):
                told.append(f"{_SENT[how]} to {leg.value}")
    return tuple(told)


def evidence(facts: Iterable[Fact]) -> tuple[str, ...]:
    """Return the verdict on each loss and each ending."""
    return tuple(f"{_what(fact)}: {fact.verdict.value}" for fact in done(facts))


def _what(fact: LossEvidence | EndingEvidence) -> str:
    if isinstance(fact, LossEvidence):
        return ", ".join(f"{loss} {fact.leg.value}" for loss in sorted(fact.losses))
    return f"{fact.how.value} {fact.leg.value}"
