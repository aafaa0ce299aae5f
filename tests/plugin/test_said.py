"""What the plugin decides and says, from facts alone."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from bustedwall.client import ControlError, Json
from bustedwall.plugin import walls
from bustedwall.plugin.marks import Case, cases
from bustedwall.plugin.timeline import MOST, timeline
from bustedwall.plugin.verdict import Asked, complaints, waiting


def fact(name: str, at: float = 0.0, flow: int | None = 1, **fields: object) -> Json:
    return {
        "schema": 1,
        "at": f"2026-11-25T10:20:{30 + at:09.6f}+00:00",
        "proxy": "w",
        "flow": flow,
        "fact": name,
    } | fields


def fired(number: int, at: float) -> Json:
    return fact("rule-fired", at, number=number, rule="p/r")


def armed(number: int, at: float) -> Json:
    return fact("fault-armed", at, number=number, rule="p/r", fault="blackhole client", to_prove=True)


def lost(number: int, at: float, verdict: str, seconds: float, later: float = 0.0) -> Json:
    told = {"causes": ["p/r: blackhole client"], "verdict": verdict, "seconds": seconds, "later": later}
    return fact("loss-evidence", at, number=number) | told


FIRED, ARMED, MET = fired(1, 0.0), armed(2, 0.0), lost(3, 1.0, "effective", 1.0)


def asked(
    policy: str = "p", after: int = 0, until: int | None = None, *, may_not_fire: bool = False, proxy: str = "w"
) -> Asked:
    return Asked(proxy, policy, may_not_fire, [(after, until)])


def test_a_use_without_effect_is_complained_of() -> None:
    unmet = "this test has not met the policy that it is about"
    assert list(complaints([asked()], [FIRED])) == [f"p fired once, no fault took hold: {unmet}"]
    # The second of two blocks never fires; nor does the first of another two.
    uses = [asked(until=3), asked(after=3)]
    assert list(complaints(uses, [FIRED, ARMED, MET])) == [f"p never fired, of its 2 uses the 2.: {unmet}"]
    uses = [asked(until=1), asked(after=3)]
    facts = [fired(4, 2.0), armed(5, 2.0), lost(6, 3.0, "effective", 1.0)]
    assert list(complaints(uses, facts)) == [f"p never fired, of its 2 uses the 1.: {unmet}"]
    uses = [asked(until=3, may_not_fire=True), asked(after=3)]
    assert list(complaints(uses, [FIRED, ARMED, MET])) == [f"p never fired, of its 2 uses the 2.: {unmet}"]
    assert list(complaints([asked()], [FIRED, ARMED, MET])) == []
    assert list(complaints([asked(may_not_fire=True)], [])) == []
    assert len(list(complaints([asked(proxy="other")], [FIRED, ARMED, MET]))) == 1


def test_evidence_that_comes_late_is_that_of_the_use_that_it_proves() -> None:
    """The first loss ends at 1 s and is known at 1.4 s; the second is from 1.1 to 1.2 s, and is known at once."""
    facts = [FIRED, ARMED, fired(3, 1.1), armed(4, 1.1), lost(5, 1.2, "no traffic met it", 0.1)]
    facts.append(lost(6, 1.4, "effective", 1.0, later=0.4))
    first, second = asked(until=2), asked(after=2)
    assert str(first.effect(facts)) == "p fired once, effective: 1"
    assert str(second.effect(facts)) == "p fired once, no traffic met it: 1"
    assert waiting([first], facts[:-1])


def test_a_use_that_a_block_has_interrupted_goes_on() -> None:
    use = asked(until=1)
    use.begin(3)
    assert use.lasts
    assert use.effect([fired(2, 0.0), fired(4, 1.0)]).fired == 1
    use.end(4)
    use.end(9)
    assert use.spans == [(0, 1), (3, 4)]


def test_a_verdict_is_waited_for_only_where_it_matters() -> None:
    assert waiting([asked()], [FIRED, ARMED])
    assert not waiting([asked()], [FIRED, ARMED, MET])
    assert not waiting([asked()], [FIRED])
    assert not waiting([asked(may_not_fire=True)], [FIRED, ARMED])


def test_a_family_is_each_of_its_policies() -> None:
    found = cases(family="idle", may_not_fire=True)
    assert "aws-nlb-idle" in map(str, found)
    assert "cable-pull" not in map(str, found)
    assert all(case.of_family and case.may_not_fire for case in found)


def test_a_mark_has_either_policies_or_a_family() -> None:
    with pytest.raises(ValueError, match="expected either policy or family"):
        cases()
    with pytest.raises(ValueError, match="expected either policy or family"):
        cases("slow-link", family="idle")
    with pytest.raises(ValueError, match="there is no family 'idel'; did you mean 'idle'"):
        cases(family="idel")


def test_what_a_machine_cannot_do_is_skipped_of_a_family_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = ControlError(400, "it takes more", [{"path": "", "message": "it takes more", "hint": "", "privilege": True}])
    wrong = ControlError(400, "no such", [{"path": "", "message": "no such", "hint": "", "privilege": False}])
    wall = Mock()
    monkeypatch.setattr(walls, "Wall", Mock(return_value=wall))

    def used(case: Case, error: ControlError) -> None:
        wall.use.side_effect = error
        walls.Walls(Mock(), "test_it.py::test", case).proxy("127.0.0.1:1")

    with pytest.raises(pytest.skip.Exception, match=r"it takes more \(400\)"):
        used(Case("p", {}, may_not_fire=False, of_family=True), told)
    with pytest.raises(ControlError):
        used(Case("p", {}, may_not_fire=False), told)
    with pytest.raises(ControlError):
        used(Case("p", {}, may_not_fire=False, of_family=True), wrong)


def test_a_timeline_is_the_facts_in_words() -> None:
    facts = [
        fact("control-changed"),
        fact("flow-accepted", client="a", via=None),
        fact("panic", 1.5, None, cause="x y"),
    ]
    assert timeline(facts) == [
        "   0.000 s  flow 1   flow-accepted client=a",
        '   1.500 s  proxy    panic cause="x y"',
    ]
    assert timeline([]) == ["nothing has happened on any proxy of this test"]


def test_a_long_timeline_has_its_ends() -> None:
    lines = timeline([fact("peer-finished", number / 100, number=number) for number in range(MOST + 40)])
    assert len(lines) == MOST + 1
    assert lines[MOST // 2].strip() == "… 40 more …"


def test_a_mark_names_policies_as_a_config_does() -> None:
    assert [str(one) for one in cases("slow-link")] == ["slow-link"]
    assert [str(one) for one in cases(["a", {"b": {"x": "1s", "y": 2}}])] == ["a", "b:x=1s,y=2"]
    with pytest.raises(ValueError, match="expected a policy's name"):
        cases({"a": {}, "b": {}})
    with pytest.raises(ValueError, match="nothing would be broken"):
        cases([])
