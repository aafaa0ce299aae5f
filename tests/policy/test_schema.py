"""The JSON Schemas that editors use: committed as they are made, and never stricter than the loader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bustedwall.faults import registry
from bustedwall.policy.keys import keys_of
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.schema import SCHEMAS, text_of
from bustedwall.policy.template import read
from bustedwall.policy.written_moments import FORMS, WORDS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schema"
SHIPPED = sorted([*(ROOT / "policies").rglob("*.yaml"), *(ROOT / "configs").glob("*.yaml")])
"""In the folders of configs are those of other programs."""
BROKEN = Path(__file__).parent / "broken"


@cache
def validator(what: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(SCHEMAS[what]())


def data(path: Path) -> object:
    return parse(path.read_text(encoding="utf-8"), str(path)).data


def refused(what: str, document: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(what).iter_errors(document)]


def policy(**rule: object) -> dict[str, object]:
    return {"version": 1, "name": "x", "summary": "s", "rules": [{"name": "r", "do": ["heal"]} | rule]}


@pytest.mark.parametrize("what", SCHEMAS)
def test_the_committed_schema_is_the_one_that_is_made(what: str) -> None:
    committed = (FOLDER / f"{what}.json").read_text(encoding="utf-8")
    assert committed == text_of(SCHEMAS[what]()), "run: make docs"


@pytest.mark.parametrize("what", SCHEMAS)
def test_a_schema_is_one_by_its_own_dialect(what: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMAS[what]())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_file_fits_and_names_its_schema(path: Path) -> None:
    what = "policy" if path.is_relative_to(ROOT / "policies") else "config"
    line = path.read_text(encoding="utf-8").splitlines()[0]
    modeline = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", line)

    assert modeline, f"{path}: the first line must name the schema"
    assert (path.parent / modeline[1]).resolve() == FOLDER / f"{what}.json"
    assert not refused(what, data(path))


SEEN = [
    "do-empty",
    "do-missing",
    "fault-bare-but-needs-values",
    "fault-flag-is-no-boolean",
    "fault-key-unknown",
    "fault-value-bare-number",
    "fault-without-value",
    "heal-with-value",
    "key-unknown",
    "name-with-capitals",
    "parameter-default-is-a-list",
    "parameter-help-missing",
    "parameter-name-with-dash",
    "root-is-a-list",
    "rule-key-unknown",
    "rule-name-missing",
    "rule-name-with-spaces",
    "rules-empty",
    "rules-is-nothing",
    "rules-missing",
    "short-form-ends-early",
    "short-form-leg-missing",
    "short-form-leg-unknown",
    "short-form-way-missing",
    "short-form-way-unknown",
    "step-is-a-list",
    "step-is-empty",
    "step-two-keys",
    "step-unknown",
    "step-unknown-bare",
    "summary-is-a-number",
    "summary-missing",
    "symptom-call-unknown",
    "symptom-not-a-call",
    "symptom-result-unknown",
    "value-empty",
    "version-missing",
    "version-unknown",
    "wait-bare-number",
    "wait-in-unknown-unit",
    "wait-without-value",
    "when-bytes-bare-number",
    "when-bytes-leg-missing",
    "when-bytes-leg-unknown",
    "when-key-unknown",
    "when-unknown",
    "config-journal-is-a-list",
    "config-listen-is-a-number",
    "config-listen-without-host",
    "config-policies-is-nothing",
    "config-policies-is-text",
    "config-policy-is-a-number",
    "config-policy-two-keys",
    "config-policy-with-value-a-list",
    "config-policy-without-values",
    "config-proxies-empty",
    "config-proxies-missing",
    "config-proxy-key-unknown",
    "config-proxy-name-with-slash",
    "config-proxy-upstream-missing",
    "config-seed-empty",
    "config-time-scale-is-text",
    "config-time-scale-zero",
    "config-upstream-is-a-url",
]
"""Of tests/policy/broken: what a schema can see. It sees no second place, no arithmetic and no YAML."""


@pytest.mark.parametrize("name", SEEN)
def test_a_mistake_that_a_schema_can_see_is_refused(name: str) -> None:
    assert refused("config" if name.startswith("config-") else "policy", data(BROKEN / f"{name}.yaml"))


def steps() -> Iterator[object]:
    for word, fault in registry().items():
        for example in fault.page.examples:
            step = parse(example, "page").data
            yield step
            if isinstance(step, dict):
                yield {word: "$x"}


@pytest.mark.parametrize("step", list(steps()), ids=str)
def test_every_example_of_a_fault_fits_and_a_parameter_may_take_its_place(step: object) -> None:
    assert not refused("policy", policy(do=[step]))


@pytest.mark.parametrize("word", registry())
def test_each_value_of_a_fault_may_be_a_parameter(word: str) -> None:
    fault = registry()[word]
    keys = keys_of(fault)
    needed = dict.fromkeys(keys.get("required", ()), "$x")
    way = {"from": "$x"} if "anyOf" in keys else {}
    for key, told in keys["properties"].items():
        value = dict.fromkeys(told["properties"], "$x") if "properties" in told else "$x"
        assert not refused("policy", policy(do=[{word: {**needed, **way, key: value}}]))


def test_when_match_and_the_rest_of_a_rule_may_be_parameters() -> None:
    for form in FORMS.values():
        keys = keys_of(form)
        assert not refused("policy", policy(when=dict.fromkeys(keys["properties"], "$x")))
    match = {"flows": {"nth": "$x"}, "address": ["$x"], "state": "$x"}
    assert not refused("policy", policy(match=match, when="$x", times="$x", total="$x", probability="$x", do=["$x"]))


def test_a_parameter_is_no_value_outside_of_rules() -> None:
    assert refused("policy", policy() | {"version": "$x"})
    assert refused("config", {"version": 1, "time_scale": "$x", "proxies": []})


def described(node: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield each key that an editor could offer without a word about it."""
    for key, below in node.get("properties", {}).items():
        if "description" not in below and "$ref" not in below:
            yield f"{path}.{key}"
        yield from described(below, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from described(node[key], f"{path}.{key}")
    for name, below in node.get("definitions", {}).items():
        yield from described(below, name)
    for below in node.get("anyOf", ()):
        yield from described(below, path)


@pytest.mark.parametrize("what", SCHEMAS)
def test_every_key_is_described(what: str) -> None:
    assert not list(described(SCHEMAS[what]()))


def test_a_step_may_be_each_fault_and_nothing_else() -> None:
    step = SCHEMAS["policy"]()["definitions"]["step"]
    assert set(step["properties"]) == {*registry(), "wait"}
    assert refused("policy", policy(do=[{"rest": "client"}]))


# ---- never stricter than the loader

VALUES = ["client", "server", "both", "all", "acks", "next_write", "hold", "zero_window", "keep", "close", "normal"]
VALUES += ["uniform", "0s", "5s", "1.5 ms", "0B", "1B", "64KiB", "5%", "0.1%", "100 %", "1MB/s", "10Mbit/s", "x", "$x"]
VALUES += ["from client", "all from  server", "acks to client", "5s from client", "1 B from server", "data", "packets"]

single = st.sampled_from(VALUES) | st.booleans() | st.integers(0, 3) | st.none()


def mappings(keys: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings that have the required keys, and often right values."""
    values = {
        key: st.sampled_from([*below.get("enum", ()), *below.get("examples", ()), 1, True]) | single
        for key, below in keys["properties"].items()
    }
    return st.fixed_dictionaries({}, optional=values)


faults = st.sampled_from(list(registry())).flatmap(
    lambda word: st.fixed_dictionaries({word: single | mappings(keys_of(registry()[word]))})
)
moments = st.sampled_from(list(WORDS)) | st.sampled_from(list(FORMS.values())).flatmap(lambda f: mappings(keys_of(f)))
some_steps = faults | st.sampled_from(["heal", "refuse", "ignore", "reset", "wait"])
some_steps |= st.fixed_dictionaries({"wait": single | moments.filter(lambda moment: moment != "accept")})


@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
@given(moments, some_steps, st.fixed_dictionaries({}, optional={"times": single, "probability": single}))
def test_what_the_loader_takes_the_schema_takes(when: object, step: object, more: dict[str, object]) -> None:
    document = policy(when=when, do=[step], **more)
    document["parameters"] = {"x": {"default": "5s", "help": "h"}}
    document["rules"].append({"name": "uses", "do": [{"wait": "$x"}]})  # type: ignore[attr-defined]
    try:
        read(parse(json.dumps(document), "x.yaml"), "x")
    except PolicyError:
        event("refused by the loader")
        return
    assert not refused("policy", document)
