"""Whatever a file holds, its user gets rules or problems, never a traceback."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bustedwall.faults import registry
from bustedwall.policy import library
from bustedwall.policy.load import config_of, load_use
from bustedwall.policy.moments import WORDS as WORDS_OF_MOMENTS
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.template import read
from bustedwall.policy.written_moments import FORMS

WORDS = [
    "version",
    "name",
    "summary",
    "replays",
    "sources",
    "parameters",
    "default",
    "help",
    "choices",
    "scale",
    "rules",
    "when",
    "do",
    "open",
    "bytes",
    "from",
    "to",
    "client",
    "server",
    "both",
    "reset",
    "drop",
    "latency",
    "wait",
    "heal",
    "leg",
    "flush",
    "what",
    "all",
    "all from client",
    "delay",
    "for",
    "symptom",
    "faithful",
    "cure",
    "time_scale",
    *("match", "flows", "nth", "first", "every", "share", "address", "state", "new", "10.0.0.0/8", "10%"),
    *("accept", "applied", "flow_age", "idle", "clock", "packets", "contains", "matches", "within", "deliver"),
    *("turn", "eof", "policy_age", "repeat", "signal", "times", "total", "probability", "other", "keep"),
    *("seed", "on_missing", "skip", "define", "$", "<<", "(", "x*"),
    *registry(),
    "journal",
    "proxies",
    "listen",
    "upstream",
    "policies",
    "slow-link",
    "gave-up-rst",
    "lost",
    "give_up",
    "x",
    "y",
    "$x",
    "$y",
    "1B",
    "64KiB",
    "0s",
    "5s",
    "100ms",
    "127.0.0.1:80",
    "[::1]:80",
    "./",
    "../x.yaml",
    "all",
    "from",
    "client",
    "true",
    "null",
    "1",
    "0",
    "5",
]

# A busy machine is no bug of the loader.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.sampled_from(WORDS)
scalars = st.one_of(words, st.text(max_size=8), st.none(), st.booleans(), st.integers(), st.floats())
structures = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=4), inner, max_size=5),
    max_leaves=30,
)


def told(text: str) -> None:
    """Load the text as a policy and as a config; what is raised must render."""
    for load in (lambda: read(parse(text, "x.yaml"), "x"), lambda: config_of(parse(text, "c.yaml"), Path("/nowhere"))):
        rendered = "nothing is wrong"
        try:
            load()
        except PolicyError as error:
            rendered = str(error)
        assert rendered.encode()


@calm
@given(st.text())
@example("\ufeff")
@example("a: \x85b")
@example("%YAML 1." + "9" * 5000 + "\n--- a")
@example('a: "\\UFFFFFFFF"')
@example('"\\UFFFFFFFF": a')
@example('["\\U00110000"]')
@example("%TAG ! !\n--- !x y")
@example("&a : b")
@example("--- |\n...\n---\n")
def test_any_text_is_a_policy_or_is_told(text: str) -> None:
    told(text)


@calm
@given(st.text(alphabet=list(" \n\t:-?,[]{}#&*!|>'\"%@`$ab01.\\U\ufeff\x85")))
def test_any_text_of_yaml_signs_is_a_policy_or_is_told(text: str) -> None:
    told(text)


@calm
@given(structures)
def test_any_structure_is_a_policy_or_is_told(structure: object) -> None:
    # JSON is YAML, and says NaN and Infinity, which are words then.
    told(json.dumps(structure))


@calm
@given(parameters=structures, when=structures, steps=st.lists(structures, max_size=3), more=structures)
def test_any_rule_is_a_policy_or_is_told(parameters: object, when: object, steps: object, more: object) -> None:
    rule = {"name": "r", "when": when, "do": steps}
    policy = {"version": 1, "name": "x", "summary": "s", "parameters": parameters, "rules": [rule], "symptom": more}
    told(json.dumps(policy))


MOMENT_KEYS = [*FORMS, *WORDS_OF_MOMENTS, "from", "clock", "within", "deliver"]
moments = words | st.dictionaries(st.sampled_from(MOMENT_KEYS), structures | words, max_size=4)
faults = st.dictionaries(st.sampled_from([*registry(), "wait", "heal"]), moments | structures, min_size=1, max_size=1)


@calm
@given(when=moments, match=structures, steps=st.lists(faults, max_size=3), counts=st.tuples(scalars, scalars, scalars))
def test_any_rule_of_known_words_is_a_policy_or_is_told(
    when: object, match: object, steps: object, counts: tuple[object, object, object]
) -> None:
    times, total, probability = counts
    rule = {"name": "r", "when": when, "match": match, "do": steps}
    rule |= {"times": times, "total": total, "probability": probability}
    told(json.dumps({"version": 1, "name": "x", "summary": "s", "rules": [rule]}))


@calm
@given(when=moments, match=st.dictionaries(words, structures, max_size=3), steps=st.lists(faults, max_size=3))
def test_any_defined_policy_is_a_policy_or_is_told(when: object, match: object, steps: object) -> None:
    rule = {"name": "r", "when": when, "match": match, "do": steps}
    policy = {"version": 1, "name": "x", "summary": "s", "rules": [rule]}
    proxy = {"name": "p", "listen": "127.0.0.1:0", "upstream": "h:1", "policies": ["x", {"x": {}}, "slow-link"]}
    told(json.dumps({"version": 1, "seed": 1, "define": [policy, when], "proxies": [proxy]}))


@calm
@given(st.dictionaries(words, structures), st.lists(structures, max_size=3), structures)
def test_any_parameters_and_steps_are_a_policy_or_are_told(values: object, steps: object, default: object) -> None:
    parameters = {"x": {"default": default, "help": "h", "scale": True}}
    rule = {"name": "r", "do": [{"wait": "$x"}, {"latency": values}, {"drop": values}, {"reset": "$x"}, *list(steps)]}  # type: ignore[call-overload]
    told(json.dumps({"version": 1, "name": "x", "summary": "s", "parameters": parameters, "rules": [rule]}))


@calm
@given(st.lists(structures, max_size=3), structures, structures)
def test_any_use_of_policies_is_a_config_or_is_told(uses: list[object], value: object, time_scale: object) -> None:
    policies = [*uses, {"gave-up-rst": {"give_up": value, "lost": value}}, {"slow-link": value}]
    proxy = {"name": "p", "listen": "127.0.0.1:0", "upstream": "h:1", "policies": policies}
    told(json.dumps({"version": 1, "time_scale": time_scale, "proxies": [proxy, {**proxy, "listen": value}]}))


@calm
@given(st.sampled_from(library.names()), st.text())
@example("slow-link", "\udcff")
def test_any_command_line_is_a_policy_or_is_told(name: str, rest: str) -> None:
    for text in (rest, f"{name}:{rest}", f"{name}:delay={rest}", f"./{rest}"):
        with suppress(PolicyError):
            load_use(text)
