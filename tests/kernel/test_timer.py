"""A timer that is a descriptor."""

from __future__ import annotations

import select
import time

from bustedwall.kernel.timer import Timer


def test_a_timer_goes_off_not_before_its_time_and_can_be_cleared() -> None:
    timer = Timer()
    when = time.monotonic() + 0.02
    timer.set(when)

    assert select.select([timer.fd], [], [], 5)[0]
    assert time.monotonic() >= when
    timer.clear()
    assert not select.select([timer.fd], [], [], 0)[0]
    timer.close()


def test_a_time_that_is_past_means_at_once() -> None:
    timer = Timer()
    timer.set(0.0)

    assert select.select([timer.fd], [], [], 5)[0]
    timer.close()
