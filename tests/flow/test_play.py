"""The notation of conversations: a failure shows the whole of it, and where it went otherwise."""

from __future__ import annotations

import pytest
from tests.flow.play import CLIENT, SERVER, arm, play, rule

from bustedwall.flow.flow import Flow
from bustedwall.policy.rules import AtBytes, AtOpen
from bustedwall.terms.commands import Reset, Send
from bustedwall.terms.events import Arrived, Opened, Passed
from bustedwall.terms.items import Bytes

EXPECTED = """\
the conversation went otherwise:
  0s  Opened()
+        SetLoss(CLIENT, {Loss(FROM)})
  1s  Arrived(CLIENT, Bytes(b'hello'))
-        Send(SERVER, b'hell')
+        Send(SERVER, b'hello')
  2s  Passed(SERVER, 5)
         Reset(CLIENT)"""


def test_a_failure_is_a_readable_diff_of_the_conversation() -> None:
    flow = Flow(
        (rule(AtOpen(), arm("drop all from client"), name="p/a"), rule(AtBytes(SERVER, 5), arm("reset client")))
    )

    with pytest.raises(AssertionError) as failure:
        play(
            flow,
            (0.0, Opened(), []),
            (1.0, Arrived(CLIENT, Bytes(b"hello")), [Send(SERVER, b"hell")]),
            (2.0, Passed(SERVER, 5), [Reset(CLIENT)]),
        )

    said = [line for line in str(failure.value).splitlines() if line and not line.startswith("?")]  # points at letters
    assert said == EXPECTED.splitlines()
