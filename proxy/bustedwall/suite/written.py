"""What a program has written, as far as a suite asks: texts that are looked for in all of it, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection

TAIL = 1 << 14
"""Characters of the end that are kept, for the last line."""


class Written:
    """The output of one program, of which these texts are looked for: once written, a text stays written."""

    def __init__(self, sought: Collection[str] = ()) -> None:
        self._sought = frozenset(sought)
        self._left = set(sought)
        """Those that have not come."""
        # A text may begin in one piece and end in another.
        self._overlap = max(map(len, self._sought), default=1) - 1
        self._end = ""

    def add(self, new: str) -> None:
        """Take what has come."""
        near = self._end[-self._overlap :] + new if self._overlap else new
        self._left = {text for text in self._left if text not in near}
        self._end = (self._end + new)[-max(TAIL, self._overlap) :]

    def has(self, text: str) -> bool:
        """Tell whether one of the texts has come, at any time."""
        assert text in self._sought, "nobody has looked for it"
        return text not in self._left

    def last_line(self) -> str:
        """Return the last line that says something; of a very long one the end."""
        return next((line.strip() for line in reversed(self._end.splitlines()) if line.strip()), "")
