"""The store: one SQLite file that makes a sample worth drawing only once."""

from pytest_passatk.store.runs import RunRow, SampleRow, SuiteRow
from pytest_passatk.store.store import Store

__all__ = ["RunRow", "SampleRow", "Store", "SuiteRow"]
