"""Text that a report can hold: what is no character there is shown as one that is."""

from __future__ import annotations

import re

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|\r")
"""What XML 1.0 has no way to write (§2.2, Char), and the carriage return, of which a parser makes a new line."""

_NEW_LINES = re.compile("[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")


def for_xml(text: str) -> str:
    """Return a text without what XML cannot hold: a control character becomes its picture, others their number."""
    return _NOT_IN_XML.sub(_shown, text)


def one_line(text: str) -> str:
    """Return a text on one line."""
    return _NEW_LINES.sub(" ", text).strip()


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}"  # noqa: PLR2004 (the pictures of U+0000 to U+001F)
