"""What every test stands on: a test that hangs or logs a failure fails, in seconds.

pytest-twisted leaves both open. A Deferred that never fires hangs the run for ever, because the
reactor's main loop swallows what pytest-timeout and Ctrl-C raise in it; so a test's Deferred gets a
deadline of its own. And an error that nobody waits for is only logged; so a logged failure fails.
"""

from __future__ import annotations

import functools
import gc
import inspect
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

HERE = Path(__file__).parent

collect_ignore = ["thirdparty/shout"]
"""A package of its own, with tests of its own: `test_thirdparty.py` runs them where it is installed."""

DEADLINE = 10.0
"""Seconds that a Twisted test may wait."""

PROPERTY = 240
"""Seconds that a property may take; most take less than ten."""

# No database of examples, so that a checkout need not be writable; no limit of hypothesis' own on a
# machine that is busy. The same examples each time, so that a change is judged by what it changes;
# `--hypothesis-profile=explore` looks for new ones.
hypothesis.settings.register_profile("house", database=None, deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", hypothesis.settings.get_profile("house"), derandomize=False)
hypothesis.settings.load_profile("house")

PURE = {"faults", "flow", "policy", "terms"}
"""Folders of tests that have no Deferreds, no sockets and no peers."""

UNPRIVILEGED = (HERE / "kernel", HERE / "sockets")
"""Folders whose tests show what is done without privilege, but for those that say that they need it."""

_waiting: list[Deferred[object]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --everything."""
    parser.addoption(
        "--everything",
        action="store_true",
        help="run also what needs root, real servers or much time; then none is skipped",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what only `.ci/run` is sure to be able to run."""
    if not item.config.getoption("everything"):
        for name in ("root", "real", "long"):
            if marker := item.get_closest_marker(name):
                needs = ", ".join(marker.args) or name
                pytest.skip(f"needs {needs}: .ci/run runs it, as does pytest --everything")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let Ctrl-C end a test that waits in the reactor."""

    def interrupt(*_: object) -> None:
        session.shouldstop = "interrupted"
        if not _waiting:
            raise KeyboardInterrupt
        from twisted.internet import reactor  # noqa: PLC0415 (pytest-twisted chooses the reactor first)

        reactor.callFromThread(_waiting[-1].cancel)

    signal.signal(signal.SIGINT, interrupt)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is run as nobody, and give a property, which is hundreds of tests, more time than a test."""
    for item in items:
        needs = any(map(item.get_closest_marker, ("root", "real")))
        if any(map(item.path.is_relative_to, UNPRIVILEGED)) and not needs:
            item.add_marker(pytest.mark.nobody)
        if getattr(getattr(item, "obj", None), "hypothesis", None) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PROPERTY))


def pytest_collection_finish() -> None:
    """Let the collector, which runs after each test, look no more at the thousands of tests that there are."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Give Twisted tests a deadline, and run the others outside the reactor's greenlet."""
    test = pyfuncitem.obj
    property_test = getattr(test, "hypothesis", None)
    inner = property_test.inner_test if property_test else test
    kind = getattr(inner, "_pytest_twisted_mark", None)
    if kind is None:
        assert not inspect.iscoroutinefunction(inner), "mark an async test with pytest_twisted.ensureDeferred"
        test(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames})
        return True
    from twisted.internet import reactor  # noqa: PLC0415 (as above)

    marker = pyfuncitem.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else DEADLINE

    @functools.wraps(inner)
    def with_deadline(*args: object, **kwargs: object) -> Deferred[object]:
        call = inner(*args, **kwargs) if kind == "async_test" else None
        waiting = ensureDeferred(call) if call is not None else maybeDeferred(inner, *args, **kwargs)
        _waiting.append(waiting)
        waiting.addTimeout(seconds, reactor, onTimeoutCancel=lambda *_: pytest.fail(f"still waiting after {seconds} s"))
        waiting.addBoth(lambda result: (_waiting.pop(), result)[1])
        return waiting

    with_deadline._pytest_twisted_mark = "inline_callbacks_test"  # type: ignore[attr-defined]  # pytest-twisted reads it
    if property_test:
        property_test.inner_test = with_deadline
    else:
        pyfuncitem.obj = with_deadline
    return None


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that logs a failure, or leaves a timer or a descriptor in the reactor."""
    from twisted.internet import reactor  # noqa: PLC0415 (as above)

    readers = set(reactor.getReaders())
    calls = {id(call) for call in reactor.getDelayedCalls()}
    failures: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_level") is LogLevel.critical:
            failures.append(event)

    globalLogPublisher.addObserver(observe)
    yield
    if not PURE & set(request.path.parts):  # a collection takes 4 ms, a quarter of all that these take
        gc.collect()  # an unhandled error in a Deferred is logged when the Deferred is collected
    globalLogPublisher.removeObserver(observe)
    left = [call for call in reactor.getDelayedCalls() if id(call) not in calls and call.active()]
    for call in left:
        call.cancel()
    opened = {r for r in set(reactor.getReaders()) - readers if "_signals" not in type(r).__module__}
    problems = [f"logged: {event.get('log_failure') or event}" for event in failures]
    problems += [f"timer left: {call}" for call in left] + [f"reader left: {reader!r}" for reader in opened]
    if problems:
        pytest.fail("\n".join(problems))
