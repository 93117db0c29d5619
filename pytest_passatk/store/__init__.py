"""The store: one SQLite file that makes a sample worth drawing only once."""

from pytest_passatk.store.rows import ProblemRow, RunRow, SampleRow, SourceRow, SuiteRow
from pytest_passatk.store.store import Store

__all__ = ["ProblemRow", "RunRow", "SampleRow", "SourceRow", "Store", "SuiteRow"]
