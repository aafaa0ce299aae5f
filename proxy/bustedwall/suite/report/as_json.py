"""The JSON report, and its schema."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from bustedwall.suite.result import SuiteResult

_ADAPTER = TypeAdapter(SuiteResult)


def text(result: SuiteResult) -> str:
    """Return the report."""
    # By way of Python: what a program wrote may have characters that are none, and `ensure_ascii` writes them as \\u.
    return json.dumps(_ADAPTER.dump_python(result, mode="python"), indent=1, default=_plain) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    told = _ADAPTER.json_schema(schema_generator=_Generator)
    return {"$schema": GenerateJsonSchema.schema_dialect, **told}


def _plain(value: object) -> object:
    return getattr(value, "value", str(value))


class _Generator(GenerateJsonSchema):
    """Tells nothing by the names of our attributes."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Title nothing by its Python name."""
        return False
