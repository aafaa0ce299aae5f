"""`{name}` in what a suite says: each stands for a value that is known only later."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"\{(\{)?([A-Za-z][\w-]*(?:\.[\w.-]+)?)\}(\})?")
"""`{name}`; `{{name}}` is `{name}` itself."""


class UnknownNameError(ValueError):
    """A name in braces that means nothing here."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def names_in(text: str) -> list[str]:
    """Return the names in braces."""
    return [match[2] for match in _NAME.finditer(text) if not _escaped(match)]


def filled(text: str, values: Mapping[str, object]) -> str:
    """Return a text with all names filled in; raises UnknownNameError."""

    def value(match: re.Match[str]) -> str:
        if _escaped(match):
            return match[0][1:-1]
        if match[2] not in values:
            raise UnknownNameError(match[2])
        return (match[1] or "") + str(values[match[2]]) + (match[3] or "")

    return _NAME.sub(value, text)


def put_in(data: object, values: Mapping[str, object]) -> object:
    """Return data with these names filled in, and others as they are; a text that is one name becomes its value."""
    if isinstance(data, str):
        whole = _NAME.fullmatch(data)
        if whole and not _escaped(whole) and whole[2] in values:
            return values[whole[2]]
        return _NAME.sub(lambda match: _known(match, values), data)
    if isinstance(data, list):
        return [put_in(item, values) for item in data]
    if isinstance(data, dict):
        return {_key(key, values): put_in(value, values) for key, value in data.items()}
    return data


def _key(key: object, values: Mapping[str, object]) -> object:
    return _NAME.sub(lambda match: _known(match, values), key) if isinstance(key, str) else key


def _known(match: re.Match[str], values: Mapping[str, object]) -> str:
    if _escaped(match) or match[2] not in values:
        return match[0]
    return f"{match[1] or ''}{values[match[2]]}{match[3] or ''}"


def _escaped(match: re.Match[str]) -> bool:
    return bool(match[1] and match[3])
