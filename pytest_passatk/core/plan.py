"""What a session is going to sample: suites, their problems and settings, with no code attached.

Every process of a run derives the same plan from the same command line, so a plan can cross process boundaries and be
compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_passatk.core.sample import Prompt, SamplingParams


@dataclass(frozen=True, slots=True)
class ProblemKey:
    """Names a problem of a session.

    Attributes:
        suite: node id of the suite's function.
        problem: id of the problem in its suite.
        arm: label of the arm, where the run has several.
        repeat: number of the run, see PlannedSuite.
    """

    suite: str
    problem: str
    arm: str = ""
    repeat: int = 0

    def __str__(self) -> str:
        return f"{self.suite}[{label(self.problem, self.arm, self.repeat)}]"


def label(name: str, arm: str, repeat: int = 0) -> str:
    """A name with arm and run that it belongs to: `name@arm#2`; what there is only one of is left out."""
    return name + (f"@{arm}" if arm else "") + (f"#{repeat}" if repeat else "")


def repeat_seed(seed: int, repeat: int) -> int:
    """The seed of one of several runs of a session: the first has the session's own, each further one the next."""
    return seed + max(0, repeat - 1)


@dataclass(frozen=True, slots=True)
class PlannedProblem:
    """One problem to sample.

    Attributes:
        id: of the problem.
        prompt: rendered from its row.
        judge: digest of the verifier and of the row; verdicts are kept under it.
        row: digest of the row alone.
    """

    id: str
    prompt: Prompt
    judge: str
    row: str = ""


@dataclass(frozen=True, slots=True)
class PlannedSuite:
    """One suite with the settings of this run.

    Attributes:
        name: node id of the suite's function.
        model: spec of the model.
        params: sampling parameters.
        n: samples a problem.
        ks: the k's to estimate, ascending.
        extracts: whether the suite extracts answers, so that "no answer" means something.
        problems: those selected, in order.
        revision: of the rows, as the suite states it.
        isolation: of the programs that the suite runs; `None` where it runs none.
        arm: label of the arm that samples it, where the run has several.
        repeat: which of several independent runs of the session it is, from 1; 0 where there is one, and where all are
            taken together.
        verifier: digest of what judges, the rows left out.
        collected: ids of all problems of the suite that there are, selected or not; empty where only some of the rows
            were read, so that nobody knows.
    """

    name: str
    model: str
    params: SamplingParams
    n: int
    ks: tuple[int, ...]
    extracts: bool
    problems: tuple[PlannedProblem, ...]
    revision: str | None = None
    isolation: str | None = None
    arm: str = ""
    verifier: str = ""
    collected: tuple[str, ...] = ()
    repeat: int = 0

    @property
    def title(self) -> str:
        """The name that a person would use: that of the function, without `test_`, and its arm."""
        return label(self.name.rsplit("::", 1)[-1].removeprefix("test_"), self.arm)

    @property
    def key(self) -> tuple[str, str]:
        """Tells it from every other suite of the session."""
        return suite_key(self.name, self.arm, self.repeat)


def pool_plans(runs: Sequence[PlannedSuite]) -> PlannedSuite:
    """The runs of one arm as one suite: n is that of all together, while k stays within one."""
    first = runs[0]
    if not first.repeat:
        return first
    problems = {problem.id: problem for run in runs for problem in run.problems}
    return replace(first, repeat=0, n=sum(run.n for run in runs), problems=tuple(problems.values()))


def suite_key(name: str, arm: str, repeat: int) -> tuple[str, str]:
    """What tells a suite from every other one of a session: its function's node id, and the arm with its run."""
    return name, label(arm, "", repeat)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a session samples.

    Attributes:
        suites: in order of collection.
        seed: of the run; the seed of each sample derives from it, see also `repeat_seed`.
    """

    suites: tuple[PlannedSuite, ...]
    seed: int

    def by_arm(self) -> tuple[tuple[PlannedSuite, ...], ...]:
        """The suites, those that differ in their run only together."""
        groups: dict[tuple[str, str], tuple[PlannedSuite, ...]] = {}
        for suite in self.suites:
            groups[suite.name, suite.arm] = (*groups.get((suite.name, suite.arm), ()), suite)
        return tuple(groups.values())

    def pooled(self) -> "Plan":
        """The same with the runs of an arm as one."""
        return replace(self, suites=tuple(map(pool_plans, self.by_arm())))

    def by_model(self) -> dict[str, tuple[PlannedSuite, ...]]:
        """The suites of each model, in order of first use, so that one model is loaded at a time."""
        groups: dict[str, tuple[PlannedSuite, ...]] = {}
        for suite in self.suites:
            groups[suite.model] = (*groups.get(suite.model, ()), suite)
        return groups
