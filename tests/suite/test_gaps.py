from __future__ import annotations

from itertools import accumulate

import pytest

from bustedwall.suite.expected import Reconnects
from bustedwall.suite.gaps import complaints, grows, has_jitter


def came(*gaps: float) -> list[float]:
    return [0.0, *accumulate(gaps)]


def asked(**what: object) -> Reconnects:
    return Reconnects.model_validate(what)


def test_exponential_growth_is_seen_and_a_constant_pause_is_none() -> None:
    assert grows([0.1, 0.2, 0.4, 0.8])
    assert not grows([0.5, 0.5, 0.51, 0.5])
    assert not grows([0.0001, 0.0002, 0.0004, 0.004]), "within the machine's own noise"


@pytest.mark.parametrize("gaps", [[1.0] * 6, [0.1, 0.2, 0.4, 0.8, 1.6], [0.5, 1.0, 1.5, 2.001]])
def test_what_a_clock_does_has_no_jitter(gaps: list[float]) -> None:
    assert not has_jitter(gaps)


def test_full_jitter_is_seen() -> None:
    assert has_jitter([0.083, 0.131, 0.397, 0.712, 1.118])


def test_each_complaint_says_what_came() -> None:
    assert list(complaints(asked(grow=True), came(1, 1, 1, 1))) == [
        "the gaps between its connections do not grow: 1.000 s, 1.000 s, 1.000 s, 1.000 s"
    ]
    assert list(complaints(asked(at_least="100ms"), came(1, 0.05))) == [
        "it came back after 0.050 s, expected no sooner than 0.1 s"
    ]
    assert list(complaints(asked(count={"at_least": 1}), [0.0])) == ["it came back never, expected at least 1"]
    assert list(complaints(asked(jitter=True), came(1, 2))) == [
        "it came back twice: 4 gaps are needed to say whether they grow or have jitter"
    ]
    assert not list(complaints(asked(grow=True, jitter=True), came(0.1, 0.23, 0.39, 0.911, 1.7)))
