from __future__ import annotations

import time

import pytest

from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.source import Document, Span


def problems(text: str) -> list[str]:
    """Return the messages, whether or not there was a reading on."""
    try:
        return [problem.message for problem in parse(text, "x.yaml").problems]
    except PolicyError as error:
        return [problem.message for problem in error.problems]


def span(document: Document, *path: str | int) -> Span:
    return document.places[path].value


def test_a_document_is_plain_data() -> None:
    document = parse("a: [1, two, {b: null}]\nc: 'on'\n", "x.yaml")
    assert document.data == {"a": [1, "two", {"b": None}], "c": "on"}
    assert document.problems == []


def test_each_value_knows_its_place() -> None:
    document = parse("a:\n  - one\n  - {b: two}\n", "x.yaml")
    assert span(document, "a", 0) == Span(2, 5, 2, 8)
    assert span(document, "a", 1, "b") == Span(3, 9, 3, 12)


def test_a_key_knows_its_place() -> None:
    assert parse("a: 1\nlonger: 2\n", "x.yaml").places["longer",].key == Span(2, 1, 2, 7)


def test_quotes_make_text() -> None:
    assert parse("a: '5'\nb: \"true\"\nc: |\n  7\n", "x.yaml").data == {"a": "5", "b": "true", "c": "7\n"}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse("on: 1\n22: 2\nnull: 3\n", "x.yaml").data == {"on": 1, "22": 2, "null": 3}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert span(parse("\ufeffa: b\n", "x.yaml"), "a") == Span(1, 4, 1, 5)


def test_line_ends_of_other_systems_count_as_one() -> None:
    assert span(parse("a: 1\r\nb: 2\r\n", "x.yaml"), "b") == Span(2, 4, 2, 5)


def test_an_alias_is_what_its_anchor_is() -> None:
    document = parse("a: &x {b: 1}\nc: *x\n", "x.yaml")
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert span(document, "c", "b") == span(document, "a", "b")


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert parse("a: &x {b: 1}\nc: {<<: *x}\n", "x.yaml").data == {"a": {"b": 1}, "c": {"<<": {"b": 1}}}


def test_the_first_of_two_equal_keys_counts() -> None:
    document = parse("a: 1\na: 2\n", "x.yaml")
    assert document.data == {"a": 1}
    assert [problem.message for problem in document.problems] == ["duplicate key 'a', first used in line 1"]


def test_all_duplicate_keys_are_told() -> None:
    assert len(problems("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n")) == 3


@pytest.mark.parametrize("tag", ["!!str", "!!python/name:os.system", "!mine", "!"])
def test_a_tag_is_refused(tag: str) -> None:
    assert problems(f"a: {tag} b\n") == ["tags such as !this are not used here"]


@pytest.mark.parametrize("text", ["? [a]\n: b\n", "{a: b}: c\n", "!!str a: b\n", "a: &x b\n*x : c\n"])
def test_a_key_that_is_no_plain_word_is_refused(text: str) -> None:
    assert problems(text) == ["a key is a plain word"]


def test_an_alias_bomb_is_refused_quickly() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20)
    )
    began = time.monotonic()
    assert problems(bomb) == ["more than 20000 values, aliases expanded"]
    assert time.monotonic() - began < 5


def test_many_aliases_of_little_are_refused() -> None:
    assert problems("a: &a 1\nb: [" + "*a, " * 300 + "]\n") == ["more than 200 aliases"]


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000, "? " * 50_000])
def test_deep_nesting_is_refused_quickly(text: str) -> None:
    began = time.monotonic()
    assert problems(text) in (["this is nested too deeply"], ["a key is a plain word"])
    assert time.monotonic() - began < 5


def test_many_values_are_refused() -> None:
    assert problems("[" + "1, " * 30_000 + "]") == ["more than 20000 values, aliases expanded"]
