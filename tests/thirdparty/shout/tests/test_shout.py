from shout.fault import ShoutFault

from bustedwall.faults.fault import Shared
from bustedwall.terms.dice import Dice
from bustedwall.terms.items import FIN, Bytes
from bustedwall.testing.contract import FaultContract


class TestShout(FaultContract):
    faults = (ShoutFault,)


def test_bytes_become_capitals_and_the_end_stays() -> None:
    (stage,) = ShoutFault.model_validate({"from": "client"}).arm(Dice.seeded(1), Shared()).stages.values()

    assert list(stage.feed(Bytes(b"hello"), now=0.0)) == [Bytes(b"HELLO")]
    assert list(stage.feed(FIN, now=0.0)) == [FIN]
