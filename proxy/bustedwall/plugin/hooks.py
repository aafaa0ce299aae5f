"""What pytest calls. It is loaded wherever bustedwall is installed: it imports nothing before it is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bustedwall.child.process import Process
    from bustedwall.plugin.marks import Case
    from bustedwall.plugin.walls import Walls

_PROCESS = pytest.StashKey["Process"]()
_WALLS = pytest.StashKey["Walls"]()

_MARK = (
    "bustedwall(policy, family, may_not_fire=False): each proxy of the test has this policy, as 'NAME' or "
    "{'NAME': {'PARAMETER': 'VALUE'}}; of a list, or of a family of the library, each is a test. "
    "A policy without effect fails it, unless may_not_fire."
)

_SCALE = "divides the default times of policies, where a policy says that it may"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --bustedwall-seed and --bustedwall-time-scale, which may be in a file, too."""
    group = parser.getgroup("bustedwall", "proxies that break connections")
    group.addoption("--bustedwall-seed", type=int, metavar="SEED", help="where all chance comes from; else it is drawn")
    group.addoption("--bustedwall-time-scale", metavar="N", help=f"{_SCALE}; else bustedwall_time_scale, else 1")
    parser.addini("bustedwall_time_scale", _SCALE, default="1")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and refuse what is no scale."""
    config.addinivalue_line("markers", _MARK)
    _time_scale(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process, if there is one."""
    process = config.stash.get(_PROCESS, None)
    if process is not None:
        process.end()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the process where a test will need it: it gets ready beside what comes before that test."""
    used = any("bustedwall" in getattr(item, "fixturenames", ()) for item in session.items)
    if used and not session.config.option.collectonly:
        _begin(session.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each policy of a list or a family."""
    found = _cases(metafunc.definition)
    if len(found) > 1 and "bustedwall" in metafunc.fixturenames:
        metafunc.parametrize("bustedwall", found, ids=str, indirect=True)


@pytest.fixture
def bustedwall(request: pytest.FixtureRequest) -> Iterator[Walls]:
    """Proxies that break connections: `wall = bustedwall.proxy(upstream="127.0.0.1:8080")`."""
    from bustedwall.plugin.walls import Walls  # noqa: PLC0415 (as the module says)

    one = _cases(request.node)[:1]
    case = getattr(request, "param", one[0] if one else None)
    walls = Walls(lambda: _process(request.config), request.node.nodeid, case)
    request.node.stash[_WALLS] = walls
    yield walls
    walls.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test whose own assertions held, and whose policies had no effect."""
    result = yield
    walls = item.stash.get(_WALLS, None)
    made = walls is not None and bool(walls.made)
    if not made and any(not case.may_not_fire for case in _cases(item)):
        pytest.fail("the test has a policy by its mark, and has made no proxy", pytrace=False)
    if walls is not None and made and (said := walls.complaints()):
        pytest.fail("\n".join(said), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what has happened, and how to have it happen again, where a test has failed."""
    report = yield
    walls = item.stash.get(_WALLS, None)
    if walls is not None and walls.made and report.when == "call" and report.failed:
        report.sections.append(("bustedwall", f"{walls.story()}\nagain: {_again(item)}"))
    return report


def _again(item: pytest.Item) -> str:
    import shlex  # noqa: PLC0415 (as the module says)

    words = ["pytest", str(item.nodeid), f"--bustedwall-seed={item.config.stash[_PROCESS].seed}"]
    scale = item.config.getoption("bustedwall_time_scale")
    return shlex.join(words if scale is None else [*words, f"--bustedwall-time-scale={scale}"])


def _process(config: pytest.Config) -> Process:
    """Return the process of this session, or of this worker of it, once it is ready."""
    process = config.stash.get(_PROCESS, None)
    if process is None or not process.alive:
        if process is not None:
            process.end()
        process = _begin(config)
    process.wait()
    return process


def _begin(config: pytest.Config) -> Process:
    from bustedwall.child.process import Process  # noqa: PLC0415 (as the module says)

    seed, scale = config.getoption("bustedwall_seed"), _time_scale(config)
    process = config.stash[_PROCESS] = Process(seed, time_scale=scale)
    return process


def _time_scale(config: pytest.Config) -> float:
    said, name = config.getoption("bustedwall_time_scale"), "--bustedwall-time-scale"
    if said is None:
        said, name = config.getini("bustedwall_time_scale"), "bustedwall_time_scale"
    try:
        scale = float(said)
    except ValueError:
        scale = 0.0
    if not 0.0 < scale < float("inf"):
        raise pytest.UsageError(f"{name}: expected a number above 0, got '{said}'")
    return scale


def _cases(item: pytest.Item) -> list[Case]:
    marker = item.get_closest_marker("bustedwall")
    if marker is None:
        return []
    from bustedwall.plugin.marks import cases  # noqa: PLC0415 (as the module says)

    try:
        return cases(*marker.args, **marker.kwargs)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.bustedwall: {error}") from error
