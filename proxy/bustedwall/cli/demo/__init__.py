"""`bustedwall demo`: "connection reset by peer", in each of the ways in which it comes about, before your eyes."""

from bustedwall.cli.demo.command import demo

__all__ = ["demo"]
