"""The item: one problem, which waits for the verdicts on its samples."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import Traceback

from pytest_passatk.core.plan import ProblemKey, label
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.record import ProblemRecord
from pytest_passatk.core.sample import Prompt
from pytest_passatk.core.suite import Suite
from pytest_passatk.core.verdict import Status
from pytest_passatk.harness.status import SAMPLES, SOLVED

OURS = ("_pytest.", "pluggy.", "pytest_passatk.harness.", "pytest_passatk.judging.")


class BrokenSamples(Exception):  # noqa: N818 - it names what the report shows
    """The harness broke on some samples of a problem, so that its count says nothing."""


class ProblemItem(pytest.Item):
    """One problem of a suite.

    Attributes:
        suite: the suite as its file states it.
        problem: the problem.
        prompt: what the model is asked.
        fixtures: the names of the fixtures that the body takes.
        arm: label of the arm that samples it, where the run has several.
        repeat: number of the run, where the session has several; 0 elsewhere.
        collected: ids of all problems of the suite; empty where only some of the rows were read.
        judge: runs the item.
        key: the problem's name in the session.
    """

    def __init__(
        self,
        *,
        suite: Suite,
        problem: Problem,
        prompt: Prompt,
        fixtures: tuple[str, ...],
        arm: str,
        repeat: int,
        collected: tuple[str, ...],
        judge: Callable[["ProblemItem"], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.suite = suite
        self.problem = problem
        self.prompt = prompt
        self.fixtures = fixtures
        self.arm = arm
        self.repeat = repeat
        self.collected = collected
        self.judge = judge
        self.obj = suite.body  # conditions of skip marks are evaluated in its module
        name = self.nodeid.removesuffix(f"[{label(problem.id, arm, repeat)}]")
        self.key = ProblemKey(name, problem.id, arm, repeat)

    def add_marks(self, marks: Iterable[pytest.Mark]) -> None:
        """Apply the marks of the suite's function."""
        for mark in marks:
            self.own_markers.append(mark)
            self.keywords[mark.name] = mark

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the suite's function stands."""
        return self.path, self.suite.body.__code__.co_firstlineno - 1, self.name

    def runtest(self) -> None:
        """Wait for the verdicts, and report them."""
        self.judge(self)

    def report(self, record: ProblemRecord) -> None:
        """Turn a record into the outcome of this test: a count is no failure, a broken harness is one."""
        self.user_properties += [(SOLVED, record.solved), (SAMPLES, record.planned)]
        if record.errors:
            raise BrokenSamples(self._describe(record))
        for sample in record.samples:
            if sample.verdict.status is Status.SKIP:
                pytest.skip(sample.verdict.reason)

    def _describe(self, record: ProblemRecord) -> str:
        indices: dict[str, list[str]] = {}
        for sample in record.errors:
            indices.setdefault(sample.verdict.reason.rstrip(), []).append(f"#{sample.completion.index}")
        parts = [f"{len(record.errors)} of {record.planned} samples could not be judged; the estimate is withheld."]
        parts += [f"{self.key}{' '.join(names)}:\n{reason}" for reason, names in indices.items()]
        return "\n\n".join(parts)

    def _traceback_filter(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Traceback:
        """Without the frames of test framework and harness, which say nothing to the author of a suite."""
        own = excinfo.traceback.filter(lambda entry: not entry.frame.f_globals.get("__name__", "").startswith(OURS))
        return own or excinfo.traceback

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The words of our own errors; pytest's traceback of any other."""
        if isinstance(excinfo.value, BrokenSamples):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)
