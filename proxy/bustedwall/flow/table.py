"""A proxy's own logic: which flows its rules touch, the clocks of its policies, its door.

handle(event, now) -> commands      rules that come and go, signals, time
admit(address, now) -> Flow | None  a new client
deadline()                          when it has to be told `Woke`
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from bustedwall.flow.commons import Commons
from bustedwall.flow.doorway import Doorway
from bustedwall.flow.flow import Flow
from bustedwall.flow.held import Held
from bustedwall.flow.orders import CallRule, RulesChanged, SetDoor, Signalled, TableCommand, TableEvent, TellRules
from bustedwall.flow.recorded import NOTHING, Recorded
from bustedwall.flow.rest import Rest, is_needed, rest
from bustedwall.flow.visit import Visit, Visitor
from bustedwall.policy.limits import own_rules
from bustedwall.policy.rules import ALL_FLOWS, Age, AtApplied, AtPolicyAge, AtRepeat, AtSignal, Match, Rule
from bustedwall.terms.commands import Note
from bustedwall.terms.dice import Dice
from bustedwall.terms.door import OPEN_DOOR, Door
from bustedwall.terms.facts import Fact, OrderLooked, ShareDrawn
from bustedwall.terms.leg import Leg
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits


class FlowTable:
    """Numbers a proxy's flows and gives each the logic that its rules ask for."""

    def __init__(
        self,
        dice: Dice,
        limits: Limits = DEFAULT_LIMITS,
        admitted: int = 0,
        held: Held | None = None,
        recorded: Recorded = NOTHING,
    ) -> None:
        self._commons = Commons(dice, limits, held, recorded)
        self._own = own_rules(limits)
        self._doorway = Doorway(self._commons)
        self._door = OPEN_DOOR
        self._rules: tuple[Rule, ...] = ()
        self._applied: dict[str, float] = {}
        """By rule: since when it is there."""
        self._due: dict[str, float] = {}
        """By rule with a clock of the policy: when its next moment is."""
        self._selective = False
        self.crowded = False
        """The flow that came last may have changed the door: `FlowsChanged` is to be told."""
        self.admitted = admitted
        """How many flows there have been; the number of the newest."""

    @property
    def door(self) -> Door:
        """What clients meet now."""
        return self._door

    @property
    def flows(self) -> int:
        """How many flows are open."""
        return self._doorway.flows

    @property
    def armed(self) -> list[tuple[str, str]]:
        """Return which faults are in force at the door, each with its rule."""
        return self._doorway.armed

    def make_dry(self, *, dry: bool) -> None:
        """Have rules decide and do nothing from now on, or do what they decide; what is armed stays so."""
        self._commons.dry_run = dry

    def tell_turns(self, *, told: bool) -> None:
        """Have the client's turns told of each flow that comes from now on, or not."""
        self._commons.turns = told

    def limit(self, limits: Limits) -> None:
        """Have other limits for what is armed from now on, for new flows, and, once rules change, for all."""
        self._commons.limits = limits
        self._own = own_rules(limits)

    def admit(self, address: str, now: float) -> Flow | None:
        """Count a new flow; return its logic, or None if it needs none: no rule waits for more than silence."""
        self.admitted += 1
        visit = Visit(self.admitted, address, now, self._doorway.flows)
        self.crowded = self._doorway.come()
        rules = self.rules_of(visit)
        return self._logic(rules, visit) if self._commons.turns or is_needed(rules) else None

    def leave(self, now: float) -> bool:
        """Count the end of a flow; tell whether `FlowsChanged` is to be told."""
        return self._doorway.leave(now)

    def rest(self, flow: Visitor, now: float) -> Rest | None:
        """Return how a flow that is open now and needs no logic rests; None if nothing will wake it."""
        return rest(self.rules_of(flow), now) if self._rules else None

    def join(self, visitor: Visitor, passed: dict[Leg, int], *, opened: bool, resting: Rest | None = None) -> Flow:
        """Return the logic of a flow that had none so far, or whose logic rests."""
        flow = self._logic((), visitor)
        flow.join_late(passed, opened=opened)
        if resting is not None:
            flow.handle(RulesChanged(resting.rules), resting.since)  # they wait, and say nothing
        return flow

    def rules_of(self, flow: Visitor) -> tuple[Rule, ...]:
        """Return the rules that match a flow."""
        if not self._selective:
            return self._rules
        return tuple(rule for rule in self._rules if self.touches(rule, flow))

    def touches(self, rule: Rule, flow: Visitor) -> bool:
        """Tell whether a rule matches a flow; one that is no more matches none."""
        if rule not in self._rules:
            return False
        match = rule.match
        if match is ALL_FLOWS:
            return True
        number, began = flow.number, flow.began
        return (
            (match.nth is None or number == match.nth)
            and (match.first is None or number <= match.first)
            and (match.every is None or number % match.every == 0)
            and (match.share is None or self._in_share(rule, number, match.share))
            and (match.state is None or (match.state is Age.NEW) == (began >= self._applied[rule.name]))
            and (not _by_order(match) or self._in_order(rule, flow))
            and _in_range(match, flow.address)
        )

    def draws(self, flow: Visitor, rules: tuple[Rule, ...] | None = None) -> list[Fact]:
        """Return what chance and order decide for a flow where the `match` of those rules, or of all, asks them."""
        facts: list[Fact] = []
        if not self._selective:
            return facts
        for rule in self._rules if rules is None else rules:
            name, share = rule.name, rule.match.share
            if share is not None:
                touched = self._in_share(rule, flow.number, share)
                facts.append(ShareDrawn(name, self._share_drawn(rule, flow.number), touched=touched))
            if _by_order(rule.match):
                facts.append(OrderLooked(name, touched=self._in_order(rule, flow)))
        return facts

    def _in_share(self, rule: Rule, number: int, share: float) -> bool:
        told = self._commons.recorded.touched.get((rule.name, number))
        return self._share_drawn(rule, number) < share if told is None else told

    def _in_order(self, rule: Rule, flow: Visitor) -> bool:
        above, after = rule.match.above, rule.match.after
        told = self._commons.recorded.in_order.get((rule.name, flow.number))
        if told is not None:
            return told
        return (above is None or flow.others >= above) and (
            after is None or self._commons.struck(after, flow.address, flow.began)
        )

    def _share_drawn(self, rule: Rule, number: int) -> float:
        return self._commons.dice.fraction(rule.name, "share", number)

    def deadline(self) -> float | None:
        """Return when something is due, or None."""
        dues = [due for due in (*self._due.values(), self._doorway.due()) if due is not None]
        return min(dues, default=None)

    def handle(self, event: TableEvent, now: float) -> list[TableCommand]:
        """Return what is to be done about an event; what was due before comes first."""
        out: list[TableCommand] = []
        while (due := self.deadline()) is not None and due <= now:
            self._live_through(due, out)
        match event:
            case RulesChanged(rules):
                self._change((*rules, *self._own), now, out)
            case Signalled(name):
                self._call([rule for rule in self._rules if rule.when == AtSignal(name)], now, out)
        self._settle_door(now, out)
        return out

    def _live_through(self, due: float, out: list[TableCommand]) -> None:
        self._doorway.live_through(due)
        come = [rule for rule in self._rules if self._due.get(rule.name, due + 1) <= due]
        for rule in come:
            if isinstance(rule.when, AtRepeat):
                self._due[rule.name] = due + rule.when.seconds
            else:
                del self._due[rule.name]
        self._call(come, due, out)
        self._settle_door(due, out)

    def _change(self, rules: tuple[Rule, ...], now: float, out: list[TableCommand]) -> None:
        for rule in [rule for rule in self._rules if rule not in rules]:
            self._doorway.clear(rule, now)
            self._commons.forget(rule)
            self._applied.pop(rule.name)
            self._due.pop(rule.name, None)
        new = [rule for rule in rules if rule not in self._rules]
        self._rules = rules
        self._commons.remember(rules)
        self._selective = any(rule.match is not ALL_FLOWS for rule in rules)
        for rule in new:
            self._applied[rule.name] = now
            if isinstance(rule.when, AtPolicyAge | AtRepeat):
                self._due[rule.name] = now + rule.when.seconds
        out.append(TellRules(tuple(new)))
        self._call([rule for rule in new if isinstance(rule.when, AtApplied)], now, out)

    def _call(self, rules: list[Rule], now: float, out: list[TableCommand]) -> None:
        for rule in rules:
            self._doorway.call(rule, now)
            self._settle_door(now, out)
            out.append(CallRule(rule))

    def _settle_door(self, now: float, out: list[TableCommand]) -> None:
        """Hand on the facts of the door, and its state where it has changed."""
        out += [command for command in self._doorway.take() if isinstance(command, Note)]
        door = self._doorway.door(now)
        if door != self._door:
            self._door = door
            out.append(SetDoor(self._door))

    def _logic(self, rules: tuple[Rule, ...], flow: Visitor) -> Flow:
        return Flow(rules, commons=self._commons, number=flow.number, began=flow.began, client=flow.address)


def _by_order(match: Match) -> bool:
    return match.above is not None or match.after is not None


def _in_range(match: Match, address: str) -> bool:
    if not (match.address or match.not_address):
        return True
    where = ip_address(address.partition("%")[0])
    if isinstance(where, IPv6Address) and where.ipv4_mapped is not None:
        where = where.ipv4_mapped
    if any(where in network for network in match.not_address):
        return False
    return not match.address or any(where in network for network in match.address)
