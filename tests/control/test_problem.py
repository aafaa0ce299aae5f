"""What is told of what was refused."""

from __future__ import annotations

from dataclasses import replace

from bustedwall.control.problem import mistakes
from bustedwall.policy.problem import PolicyError, Problem

WRONG = Problem(file="a.yaml", line=3, col=4, end=7, path="x.y", message="no", hint="yes", source_line="a: bcd")


def test_a_mistake_says_whether_it_is_but_a_want_of_privilege() -> None:
    told = mistakes(PolicyError([WRONG, replace(WRONG, privilege=True)]), text=False)
    assert [one.privilege for one in told] == [False, True]
