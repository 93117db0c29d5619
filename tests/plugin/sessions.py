"""A fresh pytest session for each test, run without and with workers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

# Sessions run in this process. What they import goes with them at their end, and numpy cannot be imported twice.
import pytest_passatk.harness.session
import pytest_passatk.harness.workers
import pytest_passatk.report.block  # noqa: F401
from pytest_passatk.store import SampleRow, Store

FAKES = Path(__file__).parent / "fakes"

# Plugins that others bring, which import all of hypothesis or trio in every session: a third of what a small one takes.
LEAN = ("-p", "no:hypothesispytest", "-p", "no:anyio")

HEADER = """
from pytest_passatk import Completion, Problem, suite
"""

# Sample i of a problem answers part i of its `says`, counted around: two of four samples of `half` are right.
SUITE = (
    HEADER
    + """
ROWS = [
    {"id": "always", "says": "7", "answer": "7"},
    {"id": "half", "says": "7|8", "answer": "7"},
    {"id": "never", "says": "8|9", "answer": "7"},
]

@suite(ROWS, prompt="{says}", extract=lambda text: text or None, n=4, model="fake_model:load")
def test_fake(problem, completion):
    assert completion.answer == problem.answer
"""
)


@dataclass(frozen=True)
class Sessions:
    """Runs pytest on suites of fake models.

    Attributes:
        pytester: of pytest.
        workers: given to `-n`.
    """

    pytester: pytest.Pytester
    workers: int

    def write(self, source: str = SUITE, name: str = "test_suite.py") -> Path:
        """Put a file beside the others."""
        path = self.pytester.path / name
        path.write_text(source)
        return path

    def run(self, *arguments: str) -> pytest.RunResult:
        """One session, its report in `report.json`."""
        return self.pytester.runpytest(*self._arguments, *arguments)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """One session as a process of its own, at the head of a process group; what it prints comes together."""
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *self._arguments, *arguments],
            cwd=self.pytester.path, env={**os.environ, **environment}, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    @property
    def _arguments(self) -> list[str]:
        return [*LEAN, "-n", str(self.workers), "--passatk-json", "report.json"]

    @property
    def report(self) -> Any:
        """The JSON report of the last session."""
        return json.loads((self.pytester.path / "report.json").read_text())

    @property
    def log(self) -> list[str]:
        """The samples that fake models drew so far."""
        path = self.pytester.path / "fake.log"
        return [line for line in path.read_text().splitlines() if line != "close"] if path.exists() else []

    @property
    def store(self) -> Path:
        """The file in which the sessions keep their samples."""
        return self.pytester.path / ".passatk" / "store.sqlite"

    def samples(self, suite: int = 0) -> dict[str, tuple[SampleRow, ...]]:
        """The samples of each problem in the last run, as the store has them."""
        store = Store(self.store, create=False)
        try:
            row = store.suites(store.runs()[-1].id)[suite]
            return {problem.id: problem.samples for problem in store.problems(row.id)}
        finally:
            store.close()

    def counts(self, suite: int = 0) -> dict[str, tuple[int, int]]:
        """N and c of each problem in the last report."""
        problems = self.report["suites"][suite]["problems"]
        return {problem["id"]: (problem["n"], problem["c"]) for problem in problems}


MakeSessions: TypeAlias = Callable[[int], Sessions]
