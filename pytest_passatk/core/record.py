"""What a run leaves behind: judged samples by problem, problems by suite, suites by run."""

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.sample import Completion
from pytest_passatk.core.verdict import Status, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """A completion with its verdict."""

    completion: Completion
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ProblemRecord:
    """The samples of one problem.

    Attributes:
        id: of the problem.
        stream: names problem and settings in the store.
        planned: n, the samples asked for.
        samples: those judged, by index; fewer than `planned` where the run was cut short.
        classes: the answer class of each sample, where the suite says when two answers are the same.
    """

    id: str
    stream: str
    planned: int
    samples: tuple[Judged, ...]
    classes: tuple[int, ...] | None = None

    def count(self, status: Status) -> int:
        """How many samples have that status."""
        return sum(sample.verdict.status is status for sample in self.samples)

    @property
    def solved(self) -> int:
        """The number c of right samples."""
        return self.count(Status.PASS)

    @property
    def skipped(self) -> bool:
        """Whether the body skipped the problem, which takes it out of the estimate."""
        return self.count(Status.SKIP) > 0

    @property
    def errors(self) -> tuple[Judged, ...]:
        """The samples on which the harness broke."""
        return tuple(sample for sample in self.samples if sample.verdict.status is Status.ERROR)


@dataclass(frozen=True, slots=True)
class SuiteRecord:
    """The problems of one suite.

    Attributes:
        planned: name and settings.
        model: what drew the samples.
        problems: in the order of the plan.
        reused: samples that the store already had.
        sampled: samples drawn in this run.
        seconds: wall time of sampling them, model loading excluded; 0 where nothing was sampled.
        drawn: tokens of the samples drawn in this run.
        runs: the records of the independent runs that it is made of, where the session had several.
    """

    planned: PlannedSuite
    model: ModelInfo
    problems: tuple[ProblemRecord, ...]
    reused: int
    sampled: int
    seconds: float
    drawn: Usage
    runs: tuple["SuiteRecord", ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile of options that a run was started with.

    Attributes:
        name: of the profile.
        file: where it stands, as seen from pytest's rootdir.
        options: what it set, as text by the option's name; what was given in a nearer place is not among it.
    """

    name: str
    file: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    Attributes:
        id: in the store; `None` without one.
        command: as typed.
        seed: of the run.
        started: UTC, ISO 8601.
        seconds: wall time of the session.
        suites: in order of collection.
        profile: of its options; `None` where none was asked for.
    """

    id: int | None
    command: str
    seed: int
    started: str
    seconds: float
    suites: tuple[SuiteRecord, ...]
    profile: Profile | None = None
