"""For the tests of those who write faults of their own; it needs pytest and hypothesis, `bustedwall[testing]`."""

import pytest

pytest.register_assert_rewrite("bustedwall.testing.contract")
