"""The tests of docs/pytest.md, run as they are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.web import web_server

from bustedwall.plugin.wall import Wall

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text(encoding="utf-8")


@pytest.mark.long("a run of pytest that starts a proxy")
@pytest.mark.timeout(200)
def test_the_tests_pass_as_they_are_written(pytester: pytest.Pytester) -> None:
    (text,) = re.findall(r"^```python\n# test_orders.py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    with web_server() as port:
        pytester.makepyfile(test_orders=text.replace(":8080", f":{port}"))
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-Werror", timeout=150)
    result.assert_outcomes(passed=6)


def test_the_page_names_all_that_a_proxy_can_do() -> None:
    told = set(re.findall(r"(?<!busted)wall\.(\w+)", PAGE))
    public = {name for name in vars(Wall) if not name.startswith("_")} - {
        "use",
        "delete",
        "forgotten",
    }  # those are the plugin's own
    assert told == public | {"address"}
