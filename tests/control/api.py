"""A run with its API, asked over HTTP as any client would."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.running import Run, running


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    kind: str
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever was answered)
        return json.loads(self.text)


@dataclass(frozen=True)
class Api:
    """The API of a run."""

    run: Run
    port: int

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Said:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=50)
        with contextlib.closing(connection):
            sent = None if body is None else json.dumps(body)
            kind = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, sent, {**kind, **headers})
            answer = connection.getresponse()
            text = answer.read().decode()
            kinds = {name.lower(): value for name, value in answer.getheaders()}
            return Said(answer.status, kinds.get("content-type", ""), text, kinds)

    def get(self, path: str) -> Any:  # noqa: ANN401 (whatever was answered)
        """Return what is answered; it must be."""
        said = self.ask("GET", path)
        assert said.status == 200, said
        return said.json


@contextmanager
def served(folder: Path, *options: str, config: Path | None = None) -> Iterator[Api]:
    """Have a run with its API at a free port, of one proxy or of a config that says `control`."""
    door = ("--control", "0") if config is None else ()
    with running(folder, "-q", *door, *options, config=config, stdout=subprocess.DEVNULL) as run:
        told = json.loads((folder / "ready").read_text())["control"]
        yield Api(run, int(told.rpartition(":")[2]))
        assert run.end() == 0
