"""The state of one problem while its samples come in."""

from dataclasses import dataclass, field

from pytest_passatk.core.plan import PlannedProblem, PlannedSuite, ProblemKey, repeat_seed
from pytest_passatk.core.record import Judged, ProblemRecord
from pytest_passatk.core.sample import Completion, FinishReason, Request, sample_seed
from pytest_passatk.core.verdict import Status, Verdict


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
        n: samples that are wanted by now; fewer than those planned where the suite is sampled in stages.
        final: whether no more will be wanted.
        held: completions beyond n, for when they are wanted; they have no part in anything before.
        foregone: verdicts on these.
    """

    suite: PlannedSuite
    problem: PlannedProblem
    stream: str
    completions: dict[int, Completion] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    classes: tuple[int, ...] | None = None
    drawn: list[int] = field(default_factory=list)
    n: int = field(init=False)
    final: bool = True
    held: dict[int, Completion] = field(default_factory=dict)
    foregone: dict[int, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.n = self.suite.n

    @property
    def key(self) -> ProblemKey:
        """The problem's name in the session."""
        return ProblemKey(self.suite.name, self.problem.id, self.suite.arm, self.suite.repeat)

    @property
    def settled(self) -> bool:
        """Whether every sample has a verdict, and no more are to come."""
        return self.final and len(self.verdicts) == self.n

    @property
    def planned(self) -> int:
        """The samples that make the problem complete, as far as is known by now."""
        return self.n if self.final else self.suite.n

    @property
    def solved(self) -> int:
        """Samples that are right."""
        return sum(verdict.status is Status.PASS for verdict in self.verdicts.values())

    def ask_for(self, n: int) -> None:
        """Want n samples for now; what there is beyond waits, and what waited and is wanted now counts as found."""
        completions, verdicts = self.completions | self.held, self.verdicts | self.foregone
        self.n, self.final = n, False
        self.completions = {index: completion for index, completion in completions.items() if index < n}
        self.held = {index: completion for index, completion in completions.items() if index >= n}
        self.verdicts = {index: verdict for index, verdict in verdicts.items() if index < n}
        self.foregone = {index: verdict for index, verdict in verdicts.items() if index >= n}

    def enter(self, completion: Completion) -> bool:
        """Keep a completion that was drawn in this run; returns whether it is wanted by now."""
        if completion.index in self.completions or completion.index >= self.suite.n:
            return False
        if completion.index >= self.n:
            if completion.finish_reason is not FinishReason.ABORT:  # which is asked for again
                self.held[completion.index] = completion
            return False
        self.completions[completion.index] = completion
        self.drawn.append(completion.index)
        return True

    def requests(self, run_seed: int) -> list[Request]:
        """What the model still has to answer."""
        seed = repeat_seed(run_seed, self.suite.repeat)
        return [
            Request(
                self.stream, self.problem.id, index, self.problem.prompt, self.suite.params,
                sample_seed(seed, self.problem.id, index), self.suite.arm, max(0, self.suite.repeat - 1),
            )
            for index in range(self.n)
            if index not in self.completions
        ]  # fmt: skip

    def unjudged(self) -> list[Completion]:
        """The completions without a verdict."""
        return [completion for index, completion in sorted(self.completions.items()) if index not in self.verdicts]

    def record(self) -> ProblemRecord:
        """What is known so far."""
        judged = (Judged(self.completions[index], verdict) for index, verdict in sorted(self.verdicts.items()))
        return ProblemRecord(self.problem.id, self.stream, self.planned, tuple(judged), self.classes)
