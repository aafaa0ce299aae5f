"""What holds for any rules, bytes, chunks and timing."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.flow.play import arm, rule
from tests.flow.simulated import Pretended, SimulatedRelay

from bustedwall.flow.flow import Flow
from bustedwall.policy.rules import AtBytes, AtOpen, Heal, Rule, Step, Wait
from bustedwall.terms.items import FIN, RST, Fin, Rst
from bustedwall.terms.leg import Leg
from bustedwall.terms.losses import NO_LOSS

losses_before = st.sampled_from([(), ("drop all to {}",)])
legs = st.sampled_from(list(Leg))
times = st.sampled_from([0.0, 0.1, 0.7, 3.0])
data = st.binary(max_size=60)
dice = st.integers(0, 2**32).map(Random)


@st.composite
def lossless_steps(draw: st.DrawFn) -> tuple[Step, ...]:
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 3))):
        span = draw(st.sampled_from([None, 0.3, 2.0]))
        steps.append(arm(f"latency {draw(times)}s from {draw(legs).value}", span=span))
        steps += draw(st.sampled_from([(), (Wait(0.5),), (Wait(0.0), Heal()), (Heal(),)]))
    return tuple(steps)


@st.composite
def rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    moments = st.one_of(st.just(AtOpen()), st.builds(AtBytes, legs, st.integers(1, 60)))
    count = draw(st.integers(0, 4))
    return tuple(rule(draw(moments), *draw(lossless_steps()), name=f"test/{i}") for i in range(count))


@settings(max_examples=300)
@given(rules(), data, data, st.sampled_from([FIN, None]), st.sampled_from([FIN, None]), dice)
def test_lossless_faults_keep_bytes_their_order_and_the_endings(
    given_rules: tuple[Rule, ...], asked: bytes, answered: bytes, one: Fin | None, other: Fin | None, chance: Random
) -> None:
    client, server = Pretended(asked, one), Pretended(answered, other)
    flow = Flow(given_rules)

    SimulatedRelay(flow, client, server, chance).run()

    assert (server.got, client.got) == (asked, answered)
    assert (server.got_ending, client.got_ending) == ("FIN" if one else None, "FIN" if other else None)
    assert flow.over == bool(one and other)
    assert flow.discarded == 0


@settings(max_examples=300)
@given(rules(), data, data, st.sampled_from([FIN, None, RST]), dice)
def test_a_rst_arrives_behind_the_bytes_before_it(
    given_rules: tuple[Rule, ...], asked: bytes, answered: bytes, other: Fin | Rst | None, chance: Random
) -> None:
    client, server = Pretended(asked, RST), Pretended(answered, other)
    flow = Flow(given_rules)

    SimulatedRelay(flow, client, server, chance).run()

    assert flow.over
    assert answered.startswith(client.got)
    if not isinstance(other, Rst):
        assert (server.got, server.got_ending) == (asked, "RST")


@settings(max_examples=300)
@given(rules(), st.builds(AtBytes, legs, st.integers(1, 50)), losses_before, data, data, dice)
def test_a_reset_lets_exactly_the_bytes_out_that_its_offset_names(
    given_rules: tuple[Rule, ...], when: AtBytes, loss: tuple[str, ...], asked: bytes, answered: bytes, chance: Random
) -> None:
    """Whatever stages hold meanwhile: they hold bytes that have not passed."""
    target = when.source.other
    steps = [arm(step.format(target.value)) for step in (*loss, "reset {}")]
    ends = {Leg.CLIENT: Pretended(asked, FIN), Leg.SERVER: Pretended(answered, FIN)}
    sent = {Leg.CLIENT: asked, Leg.SERVER: answered}[when.source]
    flow = Flow((rule(when, *steps, name="test/cut"), *given_rules))
    relay = SimulatedRelay(flow, ends[Leg.CLIENT], ends[Leg.SERVER], chance)

    relay.run()

    reached = len(sent) >= when.count
    assert ends[target].got == (sent[: when.count] if reached else sent)
    assert ends[target].got_ending == ("RST" if reached else "FIN")
    assert relay.losses[target] == NO_LOSS
