"""The JSON Schema of suites, for editors."""

from __future__ import annotations

from bustedwall.policy.keys import Schema, keys_of, walk
from bustedwall.policy.schema import schema_of
from bustedwall.suite.model import Scenario, SuiteFile

_NAMED: Schema = {"type": "string", "pattern": r"\{[A-Za-z]"}


def suite_schema() -> Schema:
    """Return it; in a scenario `{name}` may stand for any single value, and for a policy with its values."""
    return schema_of(SuiteFile, {"scenario": walk(keys_of(Scenario), _or_named)})


def _or_named(node: Schema) -> Schema:
    single = "enum" in node or "pattern" in node or node.get("type") in ("boolean", "integer", "number")
    if "$ref" in node:
        return {"anyOf": [_NAMED, {"type": "object", "patternProperties": _WHOLE, "additionalProperties": False}, node]}
    return {"anyOf": [node, _NAMED], **_told(node)} if single else node


_WHOLE: Schema = {r"^\{[A-Za-z]": {"type": "object"}}


def _told(node: Schema) -> Schema:
    return {key: node[key] for key in ("description",) if key in node}
