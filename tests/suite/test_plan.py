"""What a case knows of the text that it was written in."""

from __future__ import annotations

from pathlib import Path

from bustedwall.suite.plan import load_suite

SUITE = """\
version: 1
suite: own
proxies: [{name: site, upstream: "127.0.0.1:9"}]
scenarios:
  - about: First.
    name: one
    run: "true"

  - {name: two, matrix: {n: [1, 2]}, run: "true"}
"""


def test_a_case_knows_the_line_of_its_scenario(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(SUITE)
    assert [(case.name, case.line) for case in load_suite(path).cases] == [("one", 6), ("two[n=1]", 9), ("two[n=2]", 9)]
