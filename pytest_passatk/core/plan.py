"""What a session is going to sample: suites, their problems and settings, with no code attached.

Every process of a run derives the same plan from the same command line, so a plan can cross process boundaries and be
compared.
"""

from dataclasses import dataclass

from pytest_passatk.core.sample import Prompt, SamplingParams


@dataclass(frozen=True, slots=True)
class ProblemKey:
    """Names a problem of a session.

    Attributes:
        suite: node id of the suite's function.
        problem: id of the problem in its suite.
        arm: label of the arm, where the run has several.
    """

    suite: str
    problem: str
    arm: str = ""

    def __str__(self) -> str:
        return f"{self.suite}[{label(self.problem, self.arm)}]"


def label(name: str, arm: str) -> str:
    """A name with the arm that it belongs to: `name@arm`, or the name alone where a run has one arm."""
    return f"{name}@{arm}" if arm else name


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

    @property
    def title(self) -> str:
        """The name that a person would use: that of the function, without `test_`, and its arm."""
        return label(self.name.rsplit("::", 1)[-1].removeprefix("test_"), self.arm)

    @property
    def key(self) -> tuple[str, str]:
        """Tells it from every other suite of the session."""
        return self.name, self.arm


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a session samples.

    Attributes:
        suites: in order of collection.
        seed: of the run; the seed of each sample derives from it.
    """

    suites: tuple[PlannedSuite, ...]
    seed: int

    def by_model(self) -> dict[str, tuple[PlannedSuite, ...]]:
        """The suites of each model, in order of first use, so that one model is loaded at a time."""
        groups: dict[str, tuple[PlannedSuite, ...]] = {}
        for suite in self.suites:
            groups[suite.model] = (*groups.get(suite.model, ()), suite)
        return groups
