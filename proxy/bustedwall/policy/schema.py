"""JSON Schemas of policy and config files, for editors: from the models, the moments and the fault registry.

Pydantic says most of it. What is written otherwise than it is held leaves a mark there (see
`written`), and its part is made here. The dialect is draft 7 with words that yaml-language-server
knows: it offers `examples` where a value is empty, and says `errorMessage` of a value that does not
fit, or `patternErrorMessage` of a text.

What a schema refuses, the loader refuses; the loader sees more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from bustedwall.faults import registry
from bustedwall.faults.fault import WAYS, Fault
from bustedwall.policy import library
from bustedwall.policy.config_model import ConfigFile
from bustedwall.policy.keys import Schema, in_yaml, keys_of, walk, without
from bustedwall.policy.load import load_policy
from bustedwall.policy.model import PARAMETER_NAME, PolicyFile, ScalarValue, WrittenParameter
from bustedwall.policy.rules import AtAccept, Heal, Trigger, Wait
from bustedwall.policy.words import either
from bustedwall.policy.written_moments import FLOW_FORMS, FLOW_WORDS, FORMS, WORDS, Moment
from bustedwall.terms.leg import Leg
from bustedwall.terms.units import Duration

_DIALECT = "http://json-schema.org/draft-07/schema#"


def policy_schema() -> Schema:
    """Return the schema of a policy file."""
    return {"$schema": _DIALECT, **_policy(), "definitions": _parts()}


def config_schema() -> Schema:
    """Return the schema of a config file; it offers the policies of the library and their parameters."""
    return schema_of(ConfigFile)


def schema_of(model: type[BaseModel], more: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a file in which policies are used and defined; `more` are parts of its own."""
    parts = {**_parts(), "policy": _policy(), "use": walk(_use(), _for_editors)}
    own = {name: walk(part, _for_editors) for name, part in (more or {}).items()}
    return {"$schema": _DIALECT, **walk(keys_of(model), _for_editors), "definitions": parts | own}


SCHEMAS: dict[str, Callable[[], Schema]] = {"policy": policy_schema, "config": config_schema}


def text_of(schema: Schema) -> str:
    """Return a schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _or_parameter(node: Schema) -> Schema:
    """Allow `$name` where a single value stands."""
    name = rf"\${PARAMETER_NAME}"
    if "enum" in node:
        kind = {key: node[key] for key in ("type", "enum") if key in node}
        return without(node, *kind) | {"anyOf": [kind, {"type": "string", "pattern": f"^(?:{name})$"}]}
    if "pattern" in node:
        title = {"title": f"{node['title']}, or a $parameter"} if "title" in node else {}
        return node | {"pattern": f"^(?:{name}|{node['pattern'][1:-1]})$"} | title
    if node.get("type") in ("boolean", "integer", "number"):
        kinds = {"boolean": "true or false", "integer": "a whole number", "number": "a number"}
        title = {"title": f"{kinds[node['type']]}, or a $parameter"}
        return node | {"type": [node["type"], "string"], "pattern": f"^(?:{name})$"} | title
    return node


def _for_editors(node: Schema) -> Schema:
    """Say in an error what would be right; tell defaults in words, or they would be written into each new step."""
    done = without(node, "default")
    default = in_yaml(node.get("default", ""))
    if default and default not in node.get("description", default):
        done["description"] += f" Default: {default}."
    if "pattern" in node and "title" in node:
        # `errorMessage` is said of every mistake, an unknown key too.
        key = "patternErrorMessage" if "properties" in node else "errorMessage"
        done[key] = f"expected {done.pop('title')}"
    return done


# ---- the parts


def _policy() -> Schema:
    file = keys_of(PolicyFile)
    file["properties"]["rules"] = walk(file["properties"]["rules"], _or_parameter)
    return walk(file, _for_editors)


def _parts() -> Schema:
    parts = {"when": _moment(WORDS, FORMS), "wait": _wait(), "step": _step()}
    return {name: walk(walk(part, _or_parameter), _for_editors) for name, part in parts.items()}


def _moment(words: Mapping[str, Trigger], forms: Mapping[str, type[Moment]]) -> Schema:
    told = [f"`{word}`: {_first_line(type(moment))}" for word, moment in words.items()]
    word = {
        "type": "string",
        "pattern": _either(words),
        "title": f"a moment: {either([*words, *forms])}",
        "examples": list(words),
        "description": "\n\n".join(told),
    }
    return {"anyOf": [word, *({"title": form.form, **keys_of(form)} for form in forms.values())]}


def _wait() -> Schema:
    # A flow begins with its acceptance, so nothing waits for it.
    words = {word: moment for word, moment in FLOW_WORDS.items() if not isinstance(moment, AtAccept)}
    word, *forms = _moment(words, FLOW_FORMS)["anyOf"]
    time = TypeAdapter(Duration).json_schema()
    word |= {
        "pattern": f"^(?:{time['pattern'][1:-1]}|{word['pattern'][1:-1]})$",
        "title": f"{time['title']}, or {word['title']}",
        "examples": [*time["examples"], *words],
    }
    return {"description": _first_line(Wait), "anyOf": [word, *forms]}


def _step() -> Schema:
    faults = registry()
    bare = ["heal", *(word for word, fault in faults.items() if _takes(fault, {}))]
    return {
        "type": ["string", "object"],
        "pattern": _either(bare),
        "title": "a fault, wait or heal",
        "examples": bare,
        "description": f"A fault, `wait` or `heal`: {_first_line(Heal)}",
        "properties": {
            **{word: _fault(fault) for word, fault in faults.items()},
            "wait": {"$ref": "#/definitions/wait"},
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _fault(fault: type[Fault]) -> Schema:
    page = fault.page
    about = {"description": f"{page.summary}\n\nOn the wire: {page.wire}"}
    short = _short_forms(fault)
    if not short:
        return keys_of(fault) | about
    examples = [text for texts in short.values() for text in texts]
    counts = "integer" in keys_of(fault)["properties"][fault.value].get("type", ())
    return keys_of(fault) | {
        "type": ["string", "object", *(["integer"] if counts else [])],
        "pattern": _either(short),
        "title": f"something like '{fault.word}: {examples[0]}'",
        "examples": examples,
        **about,
    }


def _short_forms(fault: type[Fault]) -> dict[str, list[str]]:
    """Return each pattern of `[VALUE] [from|to LEG]` that the fault takes, with examples; the fault is asked."""
    value = keys_of(fault)["properties"][fault.value]
    # Words stand for themselves; of what is measured the first example stands for all.
    words = value.get("enum") or value.get("examples", ())[:1]
    values = {word: word if "enum" in value else value["pattern"][1:-1] for word in words}
    legs = [leg.value for leg in Leg]
    found: dict[str, list[str]] = {}
    for word, pattern in {"": "", **values}.items():
        for way in ("", *WAYS):
            texts = [" ".join(filter(None, (word, way, leg))) for leg in (legs if way else [""])]
            if any(texts) and all(_takes(fault, text) for text in texts):
                leg = f"(?:{'|'.join(legs)})" if way else ""
                found[r"\s+".join(filter(None, (pattern, way, leg)))] = texts
    return found


def _takes(fault: type[Fault], value: str | Schema) -> bool:
    try:
        fault.model_validate(fault.settings(value))
    except (ValidationError, PydanticCustomError):
        return False
    return True


def _use() -> Schema:
    policies = {name: load_policy(path) for name in library.names() if (path := library.find(name)) is not None}
    value = TypeAdapter(ScalarValue).json_schema()
    return {
        "type": ["string", "object"],
        "description": "A policy of the library or of `define`, or a file such as `./mine.yaml`.",
        "examples": list(policies),
        # A policy of `define` may have the name of one of the library, and other parameters.
        "properties": {
            name: {
                "type": "object",
                "description": policy.summary,
                "properties": {key: value | _parameter(known) for key, known in policy.parameters.items()},
                "additionalProperties": value,
            }
            for name, policy in policies.items()
        },
        "additionalProperties": {"type": "object", "additionalProperties": value},
        "minProperties": 1,
        "maxProperties": 1,
    }


def _parameter(parameter: WrittenParameter) -> Schema:
    return {
        "description": parameter.help,
        "default": parameter.default,
        **({"examples": parameter.choices} if parameter.choices else {}),
    }


def _either(words: Iterable[str]) -> str:
    return f"^(?:{'|'.join(words)})$"


def _first_line(documented: type) -> str:
    return (documented.__doc__ or "").splitlines()[0]
