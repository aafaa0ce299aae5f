"""A fault for bustedwall."""
