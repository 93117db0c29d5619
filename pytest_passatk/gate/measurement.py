"""What a suite measured: a side of a comparison, read from a baseline, a stored run or the run that just ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_passatk.core.estimate import Count


@dataclass(frozen=True, slots=True)
class Measured:
    """One problem.

    Attributes:
        id: of the problem.
        n: samples with a verdict that counts, of all runs together.
        c: of these, right ones.
        row: digest of the problem's row; `None` where it was not noted.
        prompt: digest of the rendered prompt; `None` where it was not noted.
        runs: (n, c) in each run of the measurement, in their order, (0, 0) where a run left the problem out; together
            they make n and c. Empty where the measurement has one run.
    """

    id: str
    n: int
    c: int
    row: str | None = None
    prompt: str | None = None
    runs: tuple[tuple[int, int], ...] = ()

    @property
    def count(self) -> Count:
        """The counts as the estimators take them."""
        return Count(self.id, self.n, self.c)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run went, and on what.

    Attributes:
        machine: what must be equal for two paces to be compared: device and processor.
        figures: by metric: `tokens/s`, and in seconds `latency_p50`, `latency_p95`, `first_token_p50`,
            `first_token_p95`; those that are known.
    """

    machine: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run of a measurement.

    Attributes:
        key: digest of all that its samples follow from: model, sampling parameters and seed. Two runs with one key hold
            the same samples.
        seed: of the run.
        started: UTC, ISO 8601.
        versions: of this package, and of the libraries that drew the samples.
        pace: `None` where nothing was drawn anew, or it was not noted.
    """

    key: str
    seed: int
    started: str
    versions: Mapping[str, str]
    pace: Pace | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One suite under one model and one set of settings.

    Attributes:
        label: what a person calls this side: `main`, `run 12`, `this run`, or an arm.
        title: of the suite.
        model: plain form of what identifies the model (ModelInfo.identity()).
        sampling: plain form of SamplingParams.
        verifier: digest of the verifier; `None` where it was not noted.
        revision: of the rows, as the suite states it.
        runs: the runs that were pooled, oldest first.
        problems: sorted by id.
    """

    label: str
    title: str
    model: Mapping[str, Any]
    sampling: Mapping[str, Any]
    verifier: str | None
    revision: str | None
    runs: tuple[MeasuredRun, ...]
    problems: tuple[Measured, ...]

    @property
    def counts(self) -> tuple[Count, ...]:
        """The counts of all problems."""
        return tuple(problem.count for problem in self.problems)
