"""Our own faults keep the contract that those of others have to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from bustedwall.faults import built_in
from bustedwall.faults.fault import Fault
from bustedwall.testing.contract import FaultContract


class TestOurs(FaultContract):
    faults: ClassVar[Sequence[type[Fault]]] = tuple(built_in().values())
