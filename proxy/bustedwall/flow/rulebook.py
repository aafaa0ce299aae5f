"""A flow's rules: which there are, how often each has fired, and whether it fires now."""

from __future__ import annotations

from collections.abc import Mapping

from bustedwall.flow.commons import Commons
from bustedwall.flow.direction import Direction
from bustedwall.flow.moments import Moments
from bustedwall.flow.out import Out
from bustedwall.flow.script import Scripts
from bustedwall.flow.waiter import Waiter
from bustedwall.policy.rules import Rule
from bustedwall.terms.facts import ClientForgotten, LimitReached, RuleFired, RuleSpared
from bustedwall.terms.leg import Leg

_NONE: Mapping[str, tuple[int, int]] = {}
"""Shared by all flows on which no rule has fired."""


class Rulebook:
    """The rules that match one flow."""

    __slots__ = ("_client", "_commons", "_counts", "_directions", "_moments", "_number", "_out", "_rules", "_scripts")

    def __init__(
        self,
        commons: Commons,
        number: int,
        client: str,
        directions: Mapping[Leg, Direction],
        moments: Moments,
        scripts: Scripts,
        out: Out,
    ) -> None:
        self._commons = commons
        self._number = number
        self._client = client
        self._directions = directions
        self._moments = moments
        self._scripts = scripts
        self._out = out
        self._rules: tuple[Rule, ...] = ()
        self._counts = _NONE
        """By rule: how often its moment came, and how often it fired then."""

    @property
    def untouched(self) -> tuple[Rule, ...] | None:
        """Return the rules, if no moment of any has come yet."""
        return None if self._counts else self._rules

    def change(self, rules: tuple[Rule, ...], now: float) -> None:
        """Keep the rules that stay, end those that go, begin those that are new."""
        gone = [rule for rule in self._rules if rule not in rules]
        new = [rule for rule in rules if rule not in self._rules]
        # First of all those that go are deaf: what is let go when others are taken back could fire them.
        self._rules = tuple(rule for rule in rules if rule not in new)
        if gone:
            self._moments.forget(gone)
            names = {rule.name for rule in gone}
            self._counts = {name: counts for name, counts in self._counts.items() if name not in names}
            self._scripts.clear(gone, now)
        self._rules = rules
        for rule in new:
            if not rule.of_policy and self._moments.await_rule(rule, now):
                self.fire(rule, now)

    def come(self, waiters: list[Waiter], now: float) -> None:
        """Have rules fire and scripts go on whose moment has come: rules first, both in the order of the policies."""
        if len(waiters) > 1:
            waiters.sort(key=self._order)
        for waiter in waiters:
            run = waiter.run
            if run is None:
                self.fire(waiter.rule, now, waiter)
            elif run.moment is waiter.moment:
                run.moment = None
                self._scripts.go_on(run, now)

    def _order(self, waiter: Waiter) -> tuple[bool, int]:
        return waiter.run is not None, self._rules.index(waiter.rule)

    def fire(self, rule: Rule, now: float, waiter: Waiter | None = None) -> None:
        """Start a rule's script, if its counts and chance allow it, and have it wait for its next moment."""
        comings, fired = self._counts.get(rule.name, (0, 0))
        most = rule.times or (None if rule.of_policy else 1)
        if rule not in self._rules or (most is not None and fired >= most):
            return
        comings, draw = comings + 1, None
        if rule.probability < 1:
            draw = self._commons.dice.fraction(rule.name, self._number, comings)
        lucky = draw is None or draw < rule.probability
        full = self._scripts.full
        told = self._commons.recorded.fired.get((rule.name, self._number, comings))
        allowed = lucky and not full if told is None else told
        fires = allowed and (self._commons.take(rule) or told is True)
        self._counts = {**self._counts, rule.name: (comings, fired + fires)}
        used_up = lucky and not (fires or full) and (told is None or rule.total is not None)
        if waiter is not None and not used_up and (most is None or fired + fires < most):
            self._moments.again(waiter)  # before its steps: they may take out what it would look at next
        if fires:
            client, server = self._directions[Leg.CLIENT].passed, self._directions[Leg.SERVER].passed
            if rule.limit is not None:
                self._out.note(LimitReached(rule.limit, self._commons.limits.value(rule.limit)))
            self._out.note(RuleFired(rule.name, comings, client, server, draw))
            if (forgotten := self._commons.strike(rule, self._client, now)) is not None:
                self._out.note(ClientForgotten(rule.name, forgotten))
            self._scripts.start(rule, comings, now)
        else:
            self._out.note(RuleSpared(rule.name, comings, draw))
