"""texts.yaml: what it names exists, and what it says of reproducing is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from bustedwall.cli.trying import commands
from bustedwall.explain import model
from bustedwall.explain.model import FILE, Symptom, Texts, load
from bustedwall.policy import library
from bustedwall.policy.check import check
from bustedwall.policy.load import load_policy, load_use
from bustedwall.policy.parse import parse

TEXTS = load()
EACH = pytest.mark.parametrize("symptom", TEXTS.symptoms, ids=lambda symptom: symptom.name)


def names(uses: list[str]) -> set[str]:
    return {use.partition(":")[0] for use in uses}


@EACH
def test_each_cause_has_a_policy_of_the_library_that_loads_and_has_a_cure(symptom: Symptom) -> None:
    for cause in symptom.causes:
        assert cause.policies
        for use in cause.policies:
            name = use.partition(":")[0]
            path = library.find(name)
            assert path is not None, name
            assert load_use(use)
            assert load_policy(path).cure
            assert commands(use)


@EACH
def test_each_cause_can_be_told_by_something_that_is_to_be_seen(symptom: Symptom) -> None:
    seen = {name for look in symptom.looks for answer in look.answers for name in names(answer.policies)}

    assert seen <= {name for cause in symptom.causes for name in names(cause.policies)}
    for cause in symptom.causes:
        assert not cause.policies or seen & names(cause.policies), cause.what


@EACH
def test_each_symptom_yields_to_such_as_there_are(symptom: Symptom) -> None:
    assert set(symptom.yields_to) <= {other.name for other in TEXTS.symptoms} - {symptom.name}
    assert bool(symptom.vague) or not symptom.yields_to


@EACH
def test_sentences_have_their_full_stop_where_the_page_sets_none(symptom: Symptom) -> None:
    assert symptom.means.endswith(".")
    for cause in symptom.causes:
        assert not cause.what.endswith(".")


def test_each_name_is_there_once() -> None:
    every = [symptom.name for symptom in TEXTS.symptoms]

    assert len(every) == len(set(every))


def test_a_mistake_in_the_file_is_told_with_its_place() -> None:
    text = (Path(model.__file__ or "").parent / FILE).read_text(encoding="utf-8")
    document = parse(text.replace("    means:", "    mean:", 1), FILE)

    texts, problems = check(Texts, document)

    assert texts is None
    assert any("did you mean 'means'?" in problem.render() for problem in problems)


def test_the_difference_that_rick_jones_makes_is_told() -> None:
    """https://lists.isc.org/pipermail/bind-users/2006-May/062788.html, his fourth cause."""
    means = {symptom.name: symptom.means for symptom in TEXTS.symptoms}

    assert "by peer" in means["reset"]
    assert "ETIMEDOUT" in means["reset"]
    assert "not a reset by the peer" in " ".join(means["kernel-gave-up"].split())
