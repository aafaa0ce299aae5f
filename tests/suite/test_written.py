"""Texts are found however the output comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bustedwall.suite.lines import Lines
from bustedwall.suite.written import TAIL, Written


def written(*pieces: str, sought: tuple[str, ...]) -> Written:
    one = Written(sought)
    for piece in pieces:
        one.add(piece)
    return one


def test_what_was_written_once_stays_written_whatever_comes_after_it() -> None:
    one = written("Traceback: lost\n", *["x" * 65_536] * 40, sought=("Traceback", "nothing"))
    assert one.has("Traceback")
    assert not one.has("nothing")


def test_of_much_output_no_more_is_kept_than_what_is_needed() -> None:
    long = "y" * (3 * TAIL)
    one = Written(["y" * (2 * TAIL), "z"])
    for _ in range(20):
        one.add("x" * 65_536)
        assert len(one._end) <= 2 * TAIL
    one.add(long[: 2 * TAIL - 1])
    assert not one.has("y" * (2 * TAIL))
    one.add("y")
    assert one.has("y" * (2 * TAIL)), "longer than what is kept for the last line"


@given(st.lists(st.text("ab\r\n", max_size=5), max_size=12), st.lists(st.text("ab\r\n", min_size=1, max_size=6)))
def test_a_text_is_found_in_pieces_exactly_where_it_is_in_the_whole(pieces: list[str], sought: list[str]) -> None:
    one = written(*pieces, sought=tuple(sought))
    assert {text: one.has(text) for text in sought} == {text: text in "".join(pieces) for text in sought}


def test_a_text_is_found_whose_letters_come_in_two_reads() -> None:
    lines, one = Lines(), Written(["für\r\n"])
    for byte in "das ist für\r\nuns".encode():
        one.add(lines.add(0.0, bytes([byte])))
    assert one.has("für\r\n")


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert written("a\nboom \n", " \n", sought=()).last_line() == "boom"
    assert written(sought=()).last_line() == ""
