"""A plugin of pytest: proxies for tests, whose faults must have had an effect. docs/pytest.md tells of it.

The proxies run in a process of their own, so a test may block, or run any loop. Nothing here imports Twisted.
"""
