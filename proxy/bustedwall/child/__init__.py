"""Proxies in a process of their own, for programs that are no Twisted ones: it ends when they do, however they end."""
