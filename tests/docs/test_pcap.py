"""The example of docs/pcap.md: the proxy that it runs, the line of the log, and what tshark reads out of the file."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.relay.peers import dial, read_all, read_exactly, send, until

PAGE = (Path(__file__).parents[2] / "docs" / "pcap.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
CONSOLES = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
VARIES = ((r"^\S+", "TIME"), (r"packets=\d+", "packets=N"), (r"size=\d+", "size=N"))
"""What of the line is another one each time: when it was, and how many ACKs TCP sends for what."""


def same(line: str) -> str:
    for pattern, instead in VARIES:
        line = re.sub(pattern, instead, line)
    return line


@pytest.mark.root
@pytest.mark.real("tshark")
def test_the_example_is_as_the_page_says(tmp_path: Path) -> None:
    run, shown = (text.strip().splitlines() for text in CONSOLES)
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        config = yaml.safe_load(BLOCKS["yaml"])
        config["proxies"][0] |= {"listen": "127.0.0.1:0", "upstream": f"127.0.0.1:{upstream.getsockname()[1]}"}
        (tmp_path / "captured.yaml").write_text(json.dumps(config))
        words = shlex.split(run[0].removeprefix("$ bustedwall "))
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bustedwall", *words, "--drain", "0s", "--log", "text"],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            assert said.rpartition(":")[0] == run[1].rpartition(":")[0]
            port = int(said.rpartition(":")[2])
            client = dial(("127.0.0.1", port))
            server, _ = upstream.accept()
            server.settimeout(10)
            dialled = server.getpeername()[1]
            assert send(client, bytes(78)) == "ok"
            assert read_exactly(server, 78) == bytes(78)
            assert send(server, bytes(5000)) == "ok"
            assert read_all(client) == (bytes(1000), "ECONNRESET")
            server.close()
            lines = until(lambda: re.findall("^.* captured .*$", (tmp_path / "log").read_text(), re.MULTILINE), "it")
        finally:
            process.terminate()
            assert process.wait(20) == 0
            process.stdout.close()
        assert [same(line) for line in lines] == [same(BLOCKS["text"].strip())]
        command = shlex.split(shown[0].removeprefix("$ "))
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
        ports = {client.getsockname()[1]: 40112, port: 8081, dialled: 50770, upstream.getsockname()[1]: 8080}
        for here, written in ports.items():
            told = re.sub(rf"\b{here}\b", str(written), told)
        assert told.splitlines() == shown[1:]
