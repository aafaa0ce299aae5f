"""The journal: every fact as a line of JSON."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.logger import Logger

from bustedwall.record.stream import Entry

SCHEMA = 1
"""The version of the lines; it changes when a reader of old lines would misread new ones."""

log = Logger()


class Journal:
    """Appends to a file; each line is complete once it is written. Raises OSError if it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self.dropped = 0
        """Entries that could not be written; the first is told in the log."""

    def take(self, entry: Entry) -> None:
        """Write one line."""
        line = {"schema": SCHEMA, "at": entry.at.isoformat(), "proxy": entry.proxy, "flow": entry.flow}
        try:
            self._file.write(json.dumps(line | entry.fact.record(), ensure_ascii=False) + "\n")
        except OSError as error:
            self.dropped += 1
            if self.dropped == 1:
                log.warn("the journal cannot be written, facts are lost: {error}", error=error)

    def close(self) -> None:
        """Close the file; what could not be flushed is told in the log, with how many lines were lost."""
        try:
            self._file.close()
        except OSError as error:
            log.warn("the journal could not be closed: {error}", error=error)
        if self.dropped:
            log.warn("the journal lost {count} facts", count=self.dropped)
