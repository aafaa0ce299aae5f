"""What the kernel can do is believed when it was seen, and only then."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.relay.peers import until

from bustedwall.kernel import abilities, trials
from bustedwall.kernel.abilities import NO_ANSWER, NO_EFFECT, Abilities, Tried, find_out
from bustedwall.kernel.endings import close, reset
from bustedwall.kernel.trials import TRIALS, Aid, Family
from bustedwall.terms.losses import NO_LOSS, Losses
from bustedwall.terms.needs import Ability
from bustedwall.testing.written import examples, read

PRIVILEGED = {ability for ability in Ability if ability.privileged}
"""What is missing where root's privileges are: no test can know whether they are."""


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, "no")


def ignore(*_: object, **__: object) -> None:
    """Take the option and do nothing, as gVisor does with some."""


def hindrances(found: Abilities, what: Ability | Aid) -> set[str | None]:
    return {tried.hindrance for tried in found.tried if tried.what is what}


def test_everything_works_on_the_machine_that_runs_the_tests() -> None:
    found = find_out()

    assert found.missing() <= PRIVILEGED, found.tried
    assert {tried.what for tried in found.tried} == {*Ability, *Aid}
    assert {tried.family for tried in found.tried if isinstance(tried.what, Ability)} == set(found.families)


def test_it_waits_for_no_timer_of_tcp() -> None:
    # The shortest one. Not each time, because the machine may be busy.
    until(lambda: find_out().seconds < 0.2, "it takes less than a retransmission")


def test_nothing_is_left_open() -> None:
    while any(thread.name == "abilities" for thread in threading.enumerate()):
        time.sleep(0.01)  # another test's
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 (no objects in between)
    find_out().leave()

    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_all_that_a_fault_can_need_is_tried() -> None:
    needed = {need for text in examples() for need in read(text).needs()}

    assert needed == {*Ability} - {Ability.CAPTURE}, "which is for `pcap`, and no fault"
    assert set(TRIALS) == {*Ability, *Aid}


@pytest.mark.parametrize(("act", "hindrance"), [(refuse, "EPERM"), (ignore, NO_EFFECT)])
@pytest.mark.parametrize(
    ("trick", "missing"),
    [
        ("apply_losses", {Ability.LOSE_FROM, Ability.LOSE_TO, Ability.LOSE_SOME}),
        ("lose_arriving", {Ability.LOSE_SYN}),
    ],
)
def test_a_loss_that_is_refused_or_has_no_effect_is_missing(
    monkeypatch: pytest.MonkeyPatch, trick: str, missing: set[Ability], act: Callable[..., None], hindrance: str
) -> None:
    monkeypatch.setattr(trials, trick, act)
    found = find_out()

    assert found.missing() | PRIVILEGED == missing | PRIVILEGED
    assert [hindrances(found, ability) for ability in missing] == [{hindrance}] * len(missing)


@pytest.mark.parametrize("heard", [reset, close])
def test_who_is_heard_has_not_vanished(monkeypatch: pytest.MonkeyPatch, heard: Callable[[Any], object]) -> None:
    monkeypatch.setattr(trials, "vanish", heard)
    found = find_out()

    assert found.missing() - PRIVILEGED == {Ability.VANISH}
    assert hindrances(found, Ability.VANISH) == {NO_EFFECT}


def test_a_loss_that_cannot_be_healed_is_missing_and_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = trials.apply_losses

    def only_set(sock: socket.socket, losses: Losses, before: Losses = NO_LOSS) -> None:
        if losses != NO_LOSS:
            apply(sock, losses, before)

    monkeypatch.setattr(trials, "apply_losses", only_set)
    monkeypatch.setattr(abilities, "LIMIT", 0.01)
    found = find_out()

    assert found.missing() | PRIVILEGED == {Ability.LOSE_FROM, Ability.LOSE_TO} | PRIVILEGED
    assert hindrances(found, Ability.LOSE_FROM) == {NO_ANSWER}


def test_a_machine_without_ipv6_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Family, "here", lambda family: family is Family.IPV4)
    found = find_out()

    assert found.families == (Family.IPV4,)
    assert found.missing() <= PRIVILEGED


def test_what_works_with_one_version_of_ip_only_is_missing() -> None:
    tried = (
        Tried(Ability.LOSE_TO, Family.IPV4, None),
        Tried(Ability.LOSE_TO, Family.IPV6, NO_EFFECT),
        Tried(Ability.LOSE_FROM, Family.IPV4, None),
        Tried(Aid.SPLICE, Family.IPV4, "EPERM"),
    )

    assert Abilities(tried, tuple(Family), 0.0).missing() == {Ability.LOSE_TO}


def test_the_probe_asks_for_no_version() -> None:
    sources = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in (abilities, trials)]

    assert not any(word in source for source in sources for word in ("uname", "platform", "release("))
