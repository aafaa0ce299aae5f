"""Suites: programs run behind proxies that break, judged by what they did and by what was broken. docs/suites.md."""
