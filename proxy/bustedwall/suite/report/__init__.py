"""Reports of a suite: each is made of `SuiteResult` alone, and written as text. docs/reports.md tells of them."""

from bustedwall.suite.report import as_json, github, html, junit

__all__ = ["as_json", "github", "html", "junit"]
