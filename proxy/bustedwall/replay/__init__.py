"""A run played again: what a journal says that was decided, and where another run differs. docs/determinism.md."""
