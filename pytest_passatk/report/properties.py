"""A run's figures as properties of a JUnit file: pairs of name and value."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.report.text import visible
from pytest_passatk.report.wording import probability_of

Property: TypeAlias = tuple[str, str]


def properties(summaries: Sequence[SuiteSummary], comparisons: Sequence[Comparison]) -> Iterator[Property]:
    """pass@k of every suite, then the verdicts.

    `passatk.SUITE.pass@1` is the estimate, with `.low` and `.high` (for these problems, sampled again) and `.n`;
    `passatk.gate.SUITE.pass@1` is the verdict, with `.delta` and `.p`. Where there is none of these,
    `passatk.SUITE.withheld` and `passatk.gate.SUITE.incomparable` say why.
    """
    for summary in summaries:
        yield from _estimates(summary)
    for comparison in comparisons:
        yield from _verdicts(comparison)


def _estimates(summary: SuiteSummary) -> Iterator[Property]:
    suite = f"passatk.{visible(summary.title)}"
    if summary.withheld:
        yield f"{suite}.withheld", visible(summary.withheld)
    for estimate in summary.estimates:
        name = f"{suite}.pass@{estimate.k}"
        yield name, _number(estimate.value)
        yield f"{name}.low", _number(estimate.run[0])
        yield f"{name}.high", _number(estimate.run[1])
        yield f"{name}.n", str(summary.n)


def _verdicts(comparison: Comparison) -> Iterator[Property]:
    suite = f"passatk.gate.{visible(comparison.title)}"
    if comparison.incomparable:
        yield f"{suite}.incomparable", visible("; ".join(comparison.incomparable))
    for line in comparison.lines:
        if line.gated:
            name = f"{suite}.{line.metric}"
            yield name, str(line.decision)
            yield f"{name}.delta", _number(line.delta)
            yield f"{name}.p", _number(probability_of(line))
    for pace in comparison.pace:
        if pace.decision:
            yield f"{suite}.{pace.metric}", str(pace.decision)
            if pace.loss is not None:
                yield f"{suite}.{pace.metric}.loss", _number(pace.loss)


def _number(value: float) -> str:
    return f"{value:.6g}"
