"""The state of one problem while its samples come in."""

from dataclasses import dataclass, field

from pytest_passatk.core.plan import PlannedProblem, PlannedSuite, ProblemKey
from pytest_passatk.core.record import Judged, ProblemRecord
from pytest_passatk.core.sample import Completion, Request, sample_seed
from pytest_passatk.core.verdict import Verdict


@dataclass(slots=True)
class Ledger:
    """Completions and verdicts of one problem, by index.

    Attributes:
        suite: the suite with its settings.
        problem: the problem.
        stream: names problem and settings in the store.
        completions: those drawn or found.
        verdicts: those given or found.
        classes: answer classes, once the item has told them.
        drawn: indices of the completions drawn in this run.
    """

    suite: PlannedSuite
    problem: PlannedProblem
    stream: str
    completions: dict[int, Completion] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    classes: tuple[int, ...] | None = None
    drawn: list[int] = field(default_factory=list)

    @property
    def key(self) -> ProblemKey:
        """The problem's name in the session."""
        return ProblemKey(self.suite.name, self.problem.id, self.suite.arm)

    @property
    def settled(self) -> bool:
        """Whether every sample has a verdict."""
        return len(self.verdicts) == self.suite.n

    def requests(self, run_seed: int) -> list[Request]:
        """What the model still has to answer."""
        return [
            Request(
                self.stream, self.problem.id, index, self.problem.prompt, self.suite.params,
                sample_seed(run_seed, self.problem.id, index), self.suite.arm,
            )
            for index in range(self.suite.n)
            if index not in self.completions
        ]  # fmt: skip

    def unjudged(self) -> list[Completion]:
        """The completions without a verdict."""
        return [completion for index, completion in sorted(self.completions.items()) if index not in self.verdicts]

    def record(self) -> ProblemRecord:
        """What is known so far."""
        judged = (Judged(self.completions[index], verdict) for index, verdict in sorted(self.verdicts.items()))
        return ProblemRecord(self.problem.id, self.stream, self.suite.n, tuple(judged), self.classes)
