"""Facts and policies as text, for whoever shows them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from bustedwall.client.link import Json

_ENVELOPE = frozenset({"schema", "at", "proxy", "flow", "fact", "number"})
"""What every fact has."""

OF_THE_API = frozenset({"control-changed", "proxy-listening", "drain-began", "drain-ended"})
"""Facts, by name, of what a client of the API does itself."""


def fields_of(fact: Json) -> Json:
    """Return a fact's own fields, without what every fact has."""
    return {key: value for key, value in fact.items() if key not in _ENVELOPE}


def written(fields: Mapping[str, object], without: Collection[str] = ()) -> str:
    """Return fields as `key=value`, less some of them, and less those that are null."""
    told = {key: value for key, value in fields.items() if value is not None and key not in without}
    return " ".join(f"{key}={_value(value)}" for key, value in told.items())


def use_of(policy: str, values: Mapping[str, object]) -> str:
    """Return a policy with its values as a command line has it: `NAME:key=value,key=value`."""
    return ":".join(filter(None, (policy, ",".join(f"{key}={value}" for key, value in values.items()))))


def _value(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value, ensure_ascii=False)
