"""What goes to a judge, and the bench of judges that it goes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pytest_passatk.core.plan import ProblemKey
from pytest_passatk.core.problem import Problem
from pytest_passatk.core.protocols import Judge
from pytest_passatk.core.sample import Completion
from pytest_passatk.core.verdict import Status, Verdict

REMEDY = "rows must not depend on time, chance or the process"


@dataclass(frozen=True, slots=True)
class Task:
    """One completion to judge."""

    key: ProblemKey
    completion: Completion

    def __str__(self) -> str:
        return f"{self.key}#{self.completion.index}"


@dataclass(frozen=True, slots=True)
class Bench:
    """The judges of a session with the problems that they know, by the suite's name.

    `armed` is whatever has to stay alive while they judge.
    """

    judges: Mapping[str, Judge]
    problems: Mapping[str, Mapping[str, Problem]]
    armed: object = None

    def judge(self, task: Task) -> Verdict:
        """The verdict on one completion."""
        problem = self.problems[task.key.suite].get(task.key.problem)
        if problem is None:
            return Verdict(Status.ERROR, f"{task.key}: not among the rows that this judge loaded: {REMEDY}")
        return self.judges[task.key.suite](problem, task.completion)


OpenBench: TypeAlias = Callable[[], Bench]
