"""What a run says of a suite, in the form in which comparisons take it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.outcomes import outcomes_of
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.stream import digest
from pytest_passatk.core.summary import Figures
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement, Pace

DIGITS = 12  # hex digits of a digest in a baseline: 48 bits, against mistakes and not against malice
PACKAGE = "pytest-passatk"


def measure(
    record: SuiteRecord, *, label: str, seed: int, started: str, version: str, pace: Pace | None = None
) -> Measurement:
    """What a run measured: the counts of the problems with all their verdicts.

    A problem that the body skipped is left out, and so is one that `unmeasured` names.

    Args:
        record: of the suite.
        label: what a person calls this side.
        seed: of the run.
        started: UTC, ISO 8601.
        version: of this package.
        pace: of the run, see `pace_of`.
    """
    counts = [each.count for each in map(outcomes_of, record.problems) if each.state == "complete"]
    planned = {problem.id: problem for problem in record.planned.problems}
    problems = [_measured(count, planned[count.id]) for count in counts]
    run = _run(record.planned, record.model, seed, version, started=started, pace=pace)
    return _measurement(record.planned, record.model, label, run, problems)


def unmeasured(record: SuiteRecord) -> tuple[str, ...]:
    """The problems with a sample on which the harness broke, or one that is missing."""
    return tuple(each.id for each in map(outcomes_of, record.problems) if each.state in {"error", "incomplete"})


def foresee(planned: PlannedSuite, info: ModelInfo, *, label: str, seed: int, version: str) -> Measurement:
    """What a run is going to measure, with no sample yet: enough to see whether it will be comparable."""
    problems = [_measured(Count(problem.id, 0, 0), problem) for problem in planned.problems]
    return _measurement(planned, info, label, _run(planned, info, seed, version), problems)


def pace_of(figures: Figures, *, device: str, processor: str) -> Pace | None:
    """How fast a run went; `None` where it drew nothing.

    Latencies are left out where some samples came from the store: those may be of another machine.

    Args:
        figures: of the suite.
        device: of the model.
        processor: of this machine.
    """
    if not figures.sampled:
        return None
    latencies = {} if figures.reused else {
        "latency_p50": figures.latency_p50, "latency_p95": figures.latency_p95,
        "first_token_p50": figures.first_token_p50, "first_token_p95": figures.first_token_p95,
    }  # fmt: skip
    known = {"tokens/s": figures.tokens_per_second, **latencies}
    readable = {metric: float(f"{value:.4g}") for metric, value in known.items() if value is not None}
    return Pace(f"{device}, {processor}", readable)


def run_key(model: Mapping[str, Any], sampling: Mapping[str, Any], seed: int) -> str:
    """The key of a run, see `MeasuredRun`."""
    return short({"model": dict(model), "sampling": dict(sampling), "seed": seed})


def plain_sampling(params: SamplingParams) -> dict[str, Any]:
    """Sampling parameters as JSON has them, with lists for tuples."""
    return {**asdict(params), "stop": list(params.stop)}


def short(value: Any) -> str:
    """The digest of a value as baselines have it."""
    return digest(value)[:DIGITS]


def _measured(count: Count, problem: PlannedProblem) -> Measured:
    return Measured(count.id, count.n, count.c, problem.row[:DIGITS] or None, short(problem.prompt))


def _run(
    planned: PlannedSuite, info: ModelInfo, seed: int, version: str, *, started: str = "", pace: Pace | None = None
) -> MeasuredRun:
    key = run_key(info.identity(), plain_sampling(planned.params), seed)
    return MeasuredRun(key, seed, started, {PACKAGE: version, **info.versions}, pace)


def _measurement(
    planned: PlannedSuite, info: ModelInfo, label: str, run: MeasuredRun, problems: list[Measured]
) -> Measurement:
    return Measurement(
        label=label,
        title=planned.title,
        model=info.identity(),
        sampling=plain_sampling(planned.params),
        verifier=planned.verifier[:DIGITS] or None,
        revision=planned.revision,
        runs=(run,),
        problems=tuple(sorted(problems, key=lambda problem: problem.id)),
    )
