"""How a moment is read: from `{bytes: 1B, from: server}` to what a flow or its proxy waits for.

A moment is a word, or a mapping whose leading key names it.
"""

from __future__ import annotations

from typing import Annotated

from bustedwall.policy.rules import AtText, Trigger
from bustedwall.policy.words import nearest
from bustedwall.policy.written import KEY, Written, mistake
from bustedwall.policy.written_moments import FLOW_FORMS, FLOW_WORDS, FORMS, WORDS, Moment
from bustedwall.terms.scalars import shown


def form_of(value: object) -> type[Moment] | None:
    """Return the model of a mapping, by its leading key."""
    leading = [key for key in value if key in FORMS] if isinstance(value, dict) else []
    return FORMS[leading[0]] if leading else None


def read_moment(value: object) -> Trigger:
    """Return the moment that `when` names; raises ValidationError."""
    if isinstance(value, str):
        if value in WORDS:
            return WORDS[value]
        raise mistake(f"expected a moment, got {shown(value)}", value, hint=_word_hint(value))
    if not isinstance(value, dict) or not value:
        raise mistake(f"expected a moment, got {shown(value) if value != {} else 'no key'}", value, hint=_known())
    leading = [key for key in value if key in FORMS]
    if len(leading) > 1:
        first, second, *_ = leading
        what = f"'{first}' and '{second}' are two moments, and one is waited for"
        raise mistake(what, value, hint="write two rules, or a step '- wait' for the second")
    if leading:
        return FORMS[leading[0]].model_validate(value).trigger()
    if bare := next((key for key in value if key in WORDS), None):
        raise mistake(f"'{bare}' stands alone, as in 'when: {bare}'", value, (bare, KEY))
    # `from` may come before the word that is wrong.
    word = next((key for key in value if nearest(key, FORMS)), next(iter(value)))
    raise mistake(f"unknown moment '{word}'", value, (word, KEY), nearest(word, FORMS) or _known())


def read_flow_moment(value: object) -> Trigger:
    """Return the moment that `wait` names, which is one of the flow; raises ValidationError."""
    if isinstance(value, str):
        leading = value
    else:
        leading = next((key for key in value if key in FORMS), "") if isinstance(value, dict) else ""
    if leading in WORDS.keys() | FORMS.keys() and leading not in FLOW_WORDS.keys() | FLOW_FORMS.keys():
        what = f"'{leading}' is a moment of the policy; a step waits for a time or for a moment of its flow"
        raise mistake(what, value, () if isinstance(value, str) else (leading, KEY))
    return read_moment(value)


def _word_hint(word: str) -> str:
    if word in FORMS:
        return f"write {FORMS[word].form}"
    return nearest(word, [*WORDS, *FORMS]) or _known()


def _known() -> str:
    flow = [*FLOW_WORDS, *(form.form for form in FLOW_FORMS.values())]
    rest = [*(word for word in WORDS if word not in FLOW_WORDS)]
    rest += [form.form for word, form in FORMS.items() if word not in FLOW_FORMS]
    return f"a moment is {', '.join([*flow, *rest])}"


def word_of(moment: Trigger) -> str:
    """Return the word by which users call a moment."""
    if isinstance(moment, AtText):
        return "contains" if moment.pattern is None else "matches"
    bare = next((word for word, known in WORDS.items() if known == moment), None)
    return bare or next(word for word, form in FORMS.items() if form.moment is type(moment))


WrittenTrigger = Annotated[Trigger, Written("when", read_moment, form_of)]
"""A word, or a mapping."""
