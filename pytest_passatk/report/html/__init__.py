"""A run as one page to look at in a browser; docs/html-report.md describes it."""

from pytest_passatk.report.html.page import write

__all__ = ["write"]
