"""Plain YAML words by the core schema of YAML 1.2.

PyYAML follows YAML 1.1, where `on` is true, `22:22` is 1342, `0755` is 493 and `2026-01-01` is a
date. None of these is what somebody who writes about ports and times means.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
# 300 digits: past that Python may refuse to convert; the float below takes it and is infinite.
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_PREFIXED = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def plain(text: str) -> Scalar:
    """Return what an unquoted word means: null, a boolean, a number, or else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def shown(value: object) -> str:
    """Return a value as a message names it: a word in quotes, a number bare, a collection by its kind."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f"'{value}'"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return str(value)
