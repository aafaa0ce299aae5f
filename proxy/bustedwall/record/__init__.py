"""REMEMBER: one stream of facts, many readers."""
