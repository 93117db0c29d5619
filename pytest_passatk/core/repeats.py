"""Independent runs of one session, taken together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from pytest_passatk.core.costs import Usage
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.plan import pool_plans
from pytest_passatk.core.record import Judged, ProblemRecord, SuiteRecord


@dataclass(frozen=True, slots=True)
class Drift:
    """A test of whether runs differ.

    Attributes:
        statistic: χ² of the runs' passes, given those of each problem in all runs.
        df: its degrees of freedom: the runs less one, where they share problems.
        p: chance of a statistic as large if all runs sample alike.
        runs: how many.
    """

    statistic: float
    df: int
    p: float
    runs: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """How the runs of one suite stand to each other.

    Attributes:
        sizes: samples a problem in each run, in their order.
        drift: whether they differ; `None` below three runs, and where no sample could have come out otherwise.
    """

    sizes: tuple[int, ...]
    drift: Drift | None = None


def pool_records(records: Iterable[SuiteRecord]) -> tuple[SuiteRecord, ...]:
    """One record for each arm of a suite, of all its runs together, in the order of the first of each.

    Sample i of the r-th run has the index i + (r − 1) · n in it.
    """
    arms: dict[tuple[str, str], list[SuiteRecord]] = {}
    for record in records:
        arms.setdefault((record.planned.name, record.planned.arm), []).append(record)
    return tuple(_pool(runs) if runs[0].planned.repeat else runs[0] for runs in arms.values())


def pool_outcomes(runs: Sequence[Sequence[Outcomes]]) -> list[Outcomes]:
    """The outcomes of every problem in all runs together, as those of a pooled record."""
    found: dict[str, Outcomes] = {}
    for each in (each for run in runs for each in run):
        found[each.id] = _add(found[each.id], each) if each.id in found else each
    return list(found.values())


def _add(one: Outcomes, more: Outcomes) -> Outcomes:
    return Outcomes(
        one.id,
        one.planned + more.planned,
        passed=one.passed + more.passed,
        failed=one.failed + more.failed,
        timeouts=one.timeouts + more.timeouts,
        errors=(*one.errors, *(one.planned + index for index in more.errors)),
        skipped=one.skipped or more.skipped,
        forgeable=one.forgeable + more.forgeable,
    )


def _pool(runs: Sequence[SuiteRecord]) -> SuiteRecord:
    problems: dict[str, list[ProblemRecord]] = {}
    for problem in (problem for run in runs for problem in run.problems):
        problems.setdefault(problem.id, []).append(problem)
    return SuiteRecord(
        planned=pool_plans([run.planned for run in runs]),
        model=runs[0].model,
        problems=tuple(_pool_problem(parts) for parts in problems.values()),
        reused=sum(run.reused for run in runs),
        sampled=sum(run.sampled for run in runs),
        seconds=sum(run.seconds for run in runs),
        drawn=sum((run.drawn for run in runs), Usage()),
        runs=tuple(runs),
    )


def _pool_problem(parts: Sequence[ProblemRecord]) -> ProblemRecord:
    samples = tuple(_renumbered(parts))
    return replace(parts[0], planned=sum(part.planned for part in parts), samples=samples, classes=_join_classes(parts))


def _renumbered(parts: Sequence[ProblemRecord]) -> Iterator[Judged]:
    start = 0
    for part in parts:
        for each in part.samples:
            yield replace(each, completion=replace(each.completion, index=start + each.completion.index))
        start += part.planned


def _join_classes(parts: Sequence[ProblemRecord]) -> tuple[int, ...] | None:
    """Answer classes over all runs: those of two runs are one where they share an answer's text."""
    joined: list[int] = []
    known: dict[str | None, int] = {}
    numbers = count()
    for part in parts:
        if part.classes is None:
            return None
        labelled = [(own, each.verdict.answer) for own, each in zip(part.classes, part.samples, strict=True)]
        found = {own: known[answer] for own, answer in labelled if answer in known}
        for own, answer in labelled:
            if own not in found:
                found[own] = next(numbers)
            known.setdefault(answer, found[own])
            joined.append(found[own])
    return tuple(joined)
