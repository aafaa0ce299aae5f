"""The real yaml-language-server, spoken to as an editor does: JSON-RPC over its standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

Message = dict[str, Any]

SETTINGS = {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}
"""Of the section `yaml`. No store: what a file's schema is, the file says."""


class LanguageServer:
    """One server; each question is answered before the next is put."""

    def __init__(self, folder: Path) -> None:
        """Start the one that npm has installed in a folder."""
        command = ["node", str(folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server")]
        self._process = subprocess.Popen([*command, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._number = 0
        capabilities = {"workspace": {"configuration": True, "didChangeConfiguration": {}}}
        self._ask("initialize", processId=os.getpid(), rootUri=None, capabilities=capabilities)
        self._tell("initialized")
        self._tell("workspace/didChangeConfiguration", settings={"yaml": SETTINGS})

    def close(self) -> None:
        """End the server."""
        self._ask("shutdown")
        self._tell("exit")
        self._process.communicate(timeout=20)

    def diagnostics(self, path: Path, text: str) -> list[tuple[int, str]]:
        """Return the lines, from 1, and messages of what is wrong with a text that would lie beside a file."""
        uri = self._open(path, text)
        while True:
            message = self._read()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                return [(d["range"]["start"]["line"] + 1, d["message"]) for d in message["params"]["diagnostics"]]

    def completions(self, path: Path, text: str) -> dict[str, str]:
        """Return what is offered where `@@` stands in the text, each with what is said of it."""
        offered: dict[str, str] = {}
        for item in self._at(path, text, "completion")["items"]:
            # A word that may stand alone or before a mapping is offered as both.
            offered[item["label"]] = offered.get(item["label"], "") + str(item.get("documentation", ""))
        return offered

    def hover(self, path: Path, text: str) -> str:
        """Return what is shown of the word in which `@@` stands."""
        shown: str = self._at(path, text, "hover")["contents"]["value"]
        return shown

    def _at(self, path: Path, text: str, what: str) -> Message:
        before, mark, after = text.partition("@@")
        assert mark
        document = {"uri": self._open(path, before + after)}
        where = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        return self._ask(f"textDocument/{what}", textDocument=document, position=where)

    def _open(self, path: Path, text: str) -> str:
        """Open a text under a name of its own: what the server says late of one must not be taken for another."""
        self._number += 1
        uri = path.with_name(f"{path.stem}-{self._number}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", textDocument=document)
        return uri

    def _ask(self, method: str, **params: object) -> Message:
        self._number += 1
        self._write({"id": self._number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message
                answer: Message = message["result"]
                return answer

    def _tell(self, method: str, **params: object) -> None:
        self._write({"method": method, "params": params})

    def _read(self) -> Message:
        """Return the next message; what the server asks is answered on the way."""
        assert self._process.stdout is not None
        length = 0
        while (line := self._process.stdout.readline()) != b"\r\n":
            assert line, f"the server has ended: {self._process.wait(20)}"
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message: Message = json.loads(self._process.stdout.read(length))
        if "method" in message and "id" in message:
            asked = message["params"].get("items", []) if message["method"] == "workspace/configuration" else None
            result = asked and [SETTINGS if item.get("section") == "yaml" else None for item in asked]
            self._write({"id": message["id"], "result": result})
        return message

    def _write(self, message: Message) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()
