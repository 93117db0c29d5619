"""A fresh pytest session for each test, run without and with workers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Sessions run in this process. What they import goes with them at their end, and numpy cannot be imported twice.
import pytest_passatk.harness.session
import pytest_passatk.harness.workers  # noqa: F401

FAKES = Path(__file__).parent / "fakes"

HEADER = """
from pytest_passatk import Completion, Problem, suite
"""

# Sample i of a problem answers part i of its `says`; three of four samples of `half` are right, and so on.
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
        return self.pytester.runpytest(
            "-p", "no:cacheprovider", "-n", str(self.workers), "--passatk-json", "report.json", *arguments
        )

    @property
    def report(self) -> Any:
        """The JSON report of the last session."""
        return json.loads((self.pytester.path / "report.json").read_text())

    @property
    def log(self) -> list[str]:
        """The samples that fake models drew so far."""
        path = self.pytester.path / "fake.log"
        return [line for line in path.read_text().splitlines() if line != "close"] if path.exists() else []

    def counts(self, suite: int = 0) -> dict[str, tuple[int, int]]:
        """N and c of each problem in the last report."""
        problems = self.report["suites"][suite]["problems"]
        return {problem["id"]: (problem["n"], problem["c"]) for problem in problems}


MakeSessions = Callable[[int], Sessions]


@pytest.fixture
def make_sessions(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> MakeSessions:
    """Sessions with a number of workers, in a folder that knows the fake model."""
    pytester.syspathinsert(FAKES)
    monkeypatch.setenv("FAKE_LOG", str(pytester.path / "fake.log"))
    return lambda workers: Sessions(pytester, workers)


@pytest.fixture(params=[0, 2], ids=["n0", "n2"])
def sessions(make_sessions: MakeSessions, request: pytest.FixtureRequest) -> Sessions:
    """Sessions without and with workers."""
    return make_sessions(request.param)


@pytest.fixture
def alone(make_sessions: MakeSessions) -> Sessions:
    """Sessions without workers, for what workers cannot change."""
    return make_sessions(0)
