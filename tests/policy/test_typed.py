"""What is typed on a command line means what the same words mean in a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bustedwall.faults import registry
from bustedwall.policy.load import load_limits, load_typed
from bustedwall.policy.missing import Terms
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.rules import Rule
from bustedwall.policy.template import read
from bustedwall.terms.limits import Limits

HINT = "   = hint: "


def typed(faults: list[str], when: str | None = None) -> Rule:
    (rule,) = load_typed([], faults, when).rules
    return rule


def written(steps: str, when: str = "open") -> Rule:
    text = f"version: 1\nname: command-line\nsummary: s\nrules: [{{name: fault, when: {when}, do: {steps}}}]\n"
    document = parse(text, "x.yaml")
    return read(document).bind({}, document.place(()), Terms()).rules[0]


@pytest.mark.parametrize(
    ("faults", "steps"),
    [
        (["reset client"], "[{reset: client}]"),
        (["reset: client"], "[{reset: client}]"),
        (["  reset   client "], "[{reset: client}]"),
        (["{reset: client}"], "[{reset: client}]"),
        (["reset {leg: client, flush: true}"], "[{reset: {leg: client, flush: true}}]"),
        (["reset: {leg: client, flush: true}"], "[{reset: {leg: client, flush: true}}]"),
        (["drop all to client", "wait 5s", "reset both"], "[{drop: all to client}, {wait: 5s}, {reset: both}]"),
        (["stall from client", "heal"], "[{stall: from client}, heal]"),
        (["blackhole client", "wait open"], "[{blackhole: client}, {wait: open}]"),
        (["reset client", "wait bytes 1B from server"], "[{reset: client}, {wait: {bytes: 1B, from: server}}]"),
        (["reset client", "wait {idle: 5s}"], "[{reset: client}, {wait: {idle: 5s}}]"),
        (["reset client", "wait 5 s"], "[{reset: client}, {wait: 5 s}]"),
    ],
)
def test_steps_are_those_of_the_yaml(faults: list[str], steps: str) -> None:
    when = "accept" if "wait: open" in steps else "{bytes: 1B, from: client}"
    assert typed(faults, when) == written(steps, when)


@pytest.mark.parametrize(
    ("when", "yaml"),
    [
        ("accept", "accept"),
        ("bytes 1000B from server", "{bytes: 1000B, from: server}"),
        ("from server bytes 1000B", "{bytes: 1000B, from: server}"),
        ("{bytes: 1000B, from: server}", "{bytes: 1000B, from: server}"),
        ('contains "COMMIT WORK" from client', "{contains: COMMIT WORK, from: client}"),
        ("contains 'it''s' from client", '{contains: "it\'s", from: client}'),
        (r'contains "a\r\n" from client deliver false', r'{contains: "a\r\n", from: client, deliver: false}'),
        (r"matches \d+ from client within 1kB", r"{matches: '\d+', from: client, within: 1kB}"),
        ("turn 2 from client", "{turn: 2, from: client}"),
        ("eof client", "{eof: client}"),
        ("reset server", "{reset: server}"),
        ("idle 5s clock packets", "{idle: 5s, clock: packets}"),
        ("repeat 30s", "{repeat: 30s}"),
    ],
)
def test_moments_are_those_of_the_yaml(when: str, yaml: str) -> None:
    assert typed(["reset client"], when) == written("[{reset: client}]", yaml)


def test_without_a_moment_it_is_done_when_the_flow_opens() -> None:
    assert typed(["reset client"]) == written("[{reset: client}]")


@pytest.mark.parametrize("example", [e for fault in registry().values() for e in fault.page.examples])
def test_every_example_of_a_fault_can_be_typed_and_so_can_what_the_records_say(example: str) -> None:
    word = example.partition(":")[0]
    fault = registry()[word]
    when = "applied" if fault.at_door else "accept" if fault.at_accept else None
    rule = typed([example], when)
    (step,) = rule.steps
    assert typed([example.replace(":", "", 1)], when) == rule
    assert typed([str(step.fault)], when) == rule  # type: ignore[union-attr]  # an example of a fault is a fault


TOLD = {
    ("reset cleint", "open"): """\
--fault:1:7: error: expected client, server or both, got 'cleint'
 1 | reset cleint
   |       ^~~~~~
   = hint: did you mean 'client'?""",
    ("resett client", "open"): """\
--fault:1:1: error: unknown step 'resett'
 1 | resett client
   | ^~~~~~
   = hint: did you mean 'reset'?""",
    ("wait 5", "open"): """\
--fault:1:6: error: a duration needs a unit: did you mean 5ms or 5s?
 1 | wait 5
   |      ^""",
    ("reset client", "bytes 1000 from server"): """\
--when:1:7: error: a size needs a unit: did you mean 1000B or 1000KiB?
 1 | bytes 1000 from server
   |       ^~~~""",
    ("reset client", "opn"): """\
--when:1:1: error: expected a moment, got 'opn'
 1 | opn
   | ^~~
   = hint: did you mean 'open'?""",
    ("reset client", "bytes 1B from server bytes 2B"): """\
--when:1:22: error: 'bytes' is given twice
 1 | bytes 1B from server bytes 2B
   |                      ^~~~~""",
    ("reset client", "contains COMMIT WORK from client"): """\
--when:1:1: error: expected pairs of a key and its value, as in 'bytes 1000B from server'
 1 | contains COMMIT WORK from client
   | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
   = hint: a value with spaces needs quotes""",
    ("reset client", "{bytes: 1B, from: server"): """\
--when:1:25: error: expected ',' or '}'
 1 | {bytes: 1B, from: server
   |                         ^
   = hint: a mapping that opens with '{' is closed by '}'""",
    ("reset {leg: client, leg: server}", "open"): """\
--fault:1:21: error: duplicate key 'leg', first used in line 1
 1 | reset {leg: client, leg: server}
   |                     ^~~""",
    ("latency 100ms from server jitter 20ms", "open"): """\
--fault:1:9: error: a short form ends with its leg; with options it is a mapping, as in {delay: …, from: …, …}
 1 | latency 100ms from server jitter 20ms
   |         ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~""",
    ("refuse 5s", "open"): """\
--fault:1:1: error: the door belongs to the proxy and not to a flow; by this moment the client is connected
 1 | refuse 5s
   | ^~~~~~~~~
   = hint: 'when' must be applied, {policy_age: TIME}, {repeat: TIME} or {signal: NAME}""",
    ("wait 5s", "open"): """\
--fault:1:1: error: no step of this rule is a fault, so it does nothing
 1 | wait 5s
   | ^~~~~~~""",
    (" ", "open"): "--fault:1:1: error: expected a step, as in 'reset client'",
    ("reset client", ""): """\
--when:1:1: error: expected a moment, got nothing
   = hint: a moment is accept, open, {bytes: SIZE, from: LEG}, {flow_age: TIME}, {idle: TIME, clock: data|packets}, \
{contains: TEXT, from: LEG}, {matches: REGEX, from: LEG}, {tls: RECORD, from: LEG, nth: N}, \
{turn: N, from: LEG}, {eof: LEG}, {reset: LEG}, applied, \
{policy_age: TIME}, {repeat: TIME}, {signal: NAME}""",
}


@pytest.mark.parametrize(("fault", "when"), TOLD)
def test_a_mistake_is_told_with_its_place(fault: str, when: str) -> None:
    with pytest.raises(PolicyError) as caught:
        typed([fault], when)
    assert str(caught.value) == TOLD[fault, when]


def test_the_mistakes_of_all_options_are_told_together() -> None:
    with pytest.raises(PolicyError) as caught:
        load_typed(["slow-lnk", "slow-link:dely=1s"], ["resett client", "wait 5"], "opn")
    assert len(caught.value.problems) == 5


anything = st.text() | st.text(alphabet=list(" :{}[]\"'\\,bytesromclint015sB$*&!\n\x85\udcff"))


@given(st.lists(anything, min_size=1, max_size=3), st.none() | anything)
def test_any_text_is_a_rule_or_is_told(faults: list[str], when: str | None) -> None:
    for words in (faults, [f"reset {fault}" for fault in faults], [f"wait {fault}" for fault in faults]):
        rendered = "nothing is wrong"
        try:
            load_typed([], words, when)
        except PolicyError as error:
            rendered = str(error)
        assert rendered.encode()


def test_a_limit_is_named_and_set() -> None:
    assert load_limits(["orphan=5s", "idle=1h"]).over(Limits()) == Limits(orphan=5.0, idle=3600.0)
    assert load_limits([]).over(Limits(orphan=1.0)) == Limits(orphan=1.0)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["orphan"], ["1: error: expected NAME=VALUE, as in 'orphan=30s'", " 1 | orphan", "   | ^~~~~~"]),
        (
            ["orphn=5s"],
            ["1: error: orphn: unknown key 'orphn'", " 1 | orphn=5s", "   | ^~~~~", HINT + "did you mean 'orphan'?"],
        ),
        (
            ["idle=5"],
            ["6: error: idle: a duration needs a unit: did you mean 5ms or 5s?", " 1 | idle=5", "   |      ^"],
        ),
        (["idle=1s", "idle=2s"], ["1: error: idle: 'idle' is given twice", " 1 | idle=2s", "   | ^~~~"]),
        (
            ["idle="],
            [
                "6: error: idle: expected a value, got nothing",
                " 1 | idle=",
                "   |      ^",
                HINT + "give it a value, or leave the key out",
            ],
        ),
    ],
)
def test_a_mistake_in_a_limit_is_pointed_at(texts: list[str], message: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        load_limits(texts)
    assert str(caught.value) == "--limit:1:" + "\n".join(message)
