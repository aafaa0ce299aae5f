"""What a file is, told by what it holds: a policy or a config."""

from __future__ import annotations

from enum import Enum

from bustedwall.policy.config_model import ConfigFile
from bustedwall.policy.model import PolicyFile
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.source import Document
from bustedwall.policy.words import nearest
from bustedwall.terms.scalars import shown


class Kind(Enum):
    """Which of the two."""

    POLICY = "policy"
    CONFIG = "config"


_KEYS = {
    Kind.POLICY: PolicyFile.model_fields.keys() - ConfigFile.model_fields.keys(),
    Kind.CONFIG: ConfigFile.model_fields.keys() - PolicyFile.model_fields.keys(),
}
"""Keys that only one of the two has."""


def kind_of(document: Document) -> Kind:
    """Return what a document is meant to be, mistyped keys included; raises PolicyError where nothing says so."""
    hint = "a policy has name, summary and rules; a config has proxies"
    if not isinstance(document.data, dict):
        what = f"expected a policy or a config, got {shown(document.data)}"
        raise PolicyError([document.problem((), what, hint)])
    written = list(document.data)
    for likely in (written.__contains__, lambda key: nearest(key, written)):
        found = {kind: sum(bool(likely(key)) for key in keys) for kind, keys in _KEYS.items()}
        if found[Kind.POLICY] != found[Kind.CONFIG]:
            return max(found, key=found.__getitem__)
    raise PolicyError([*document.problems, document.problem((), "this is neither a policy nor a config", hint)])


def expect(kind: Kind, document: Document) -> None:
    """Raise PolicyError if a document is plainly the other of the two."""
    data = document.data if isinstance(document.data, dict) else {}
    if kind is Kind.CONFIG and "rules" in data and "proxies" not in data:
        what, hint = "this is a policy and not a config", "a config names it under a proxy's policies, as './x.yaml'"
        raise PolicyError([_at_key(document, "rules", what, f"{hint}; a command line by --policy")])
    if kind is Kind.POLICY and "proxies" in data and "rules" not in data:
        hint = "a policy has name, summary and rules"
        raise PolicyError([_at_key(document, "proxies", "this is a config and not a policy", hint)])


def _at_key(document: Document, key: str, what: str, hint: str) -> Problem:
    return document.problem((key,), what, hint, at_key=True)
