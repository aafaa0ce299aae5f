from __future__ import annotations

from dataclasses import replace

from bustedwall.policy.problem import PolicyError, Problem

PROBLEM = Problem(file="a.yaml", line=3, col=4, end=7, path="x.y", message="no", hint="yes", source_line="a: bcd")


def test_a_problem_shows_the_line_with_a_caret_and_the_hint() -> None:
    expected = "a.yaml:3:4: error: x.y: no\n 3 | a: bcd\n   |    ^~~\n   = hint: yes"
    assert PROBLEM.render() == expected


def test_a_problem_of_a_whole_file_has_no_line() -> None:
    problem = Problem(file="a.yaml", line=0, col=0, end=0, path="", message="cannot read this file")
    assert problem.render() == "a.yaml: error: cannot read this file"


def test_a_long_line_is_cut_around_the_caret() -> None:
    line = "x" * 500 + "HERE" + "y" * 500
    _, text, caret, _ = replace(PROBLEM, col=501, end=505, source_line=line).render().splitlines()
    assert len(text) < 130
    assert text[caret.index("^") : caret.index("~") + 3] == "HERE"


def test_a_tab_is_one_column_wide() -> None:
    _, text, caret, _ = replace(PROBLEM, col=3, end=6, source_line="a\tbcd").render().splitlines()
    assert text[caret.index("^") :] == "bcd"


def test_a_message_cannot_steer_the_terminal() -> None:
    rendered = replace(PROBLEM, message="\x1b[2J\nfake", source_line="\x9b2J").render()
    assert "\x1b" not in rendered
    assert "\x9b" not in rendered
    assert len(rendered.splitlines()) == 4


def test_half_of_a_surrogate_pair_can_be_printed() -> None:
    assert replace(PROBLEM, file="\udcff.yaml").render().encode()


def test_the_problems_of_an_error_are_in_the_order_of_the_text() -> None:
    later, other = replace(PROBLEM, line=9), replace(PROBLEM, file="b.yaml", line=1)
    assert PolicyError([later, other, PROBLEM]).problems == (PROBLEM, later, other)


def test_the_same_problem_is_told_once() -> None:
    assert PolicyError([PROBLEM, PROBLEM]).problems == (PROBLEM,)


def test_an_error_says_all_its_problems() -> None:
    later = replace(PROBLEM, line=9)
    assert str(PolicyError([PROBLEM, later])) == f"{PROBLEM.render()}\n{later.render()}"
