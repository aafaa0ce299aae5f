"""DECIDE WHAT: from YAML to immutable rules. Files are read at load, nothing else is touched."""
