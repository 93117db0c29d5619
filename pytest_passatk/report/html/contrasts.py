"""Comparisons as a page shows them: the words of every other report, and numbers for its charts."""

from collections.abc import Iterator, Sequence
from typing import Any

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import Estimate, estimates
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.gate.comparison import Comparison, Line, PaceLine
from pytest_passatk.report.wording import (
    answered,
    change,
    figure,
    finds,
    moved,
    needs,
    pace_change,
    probability,
    probability_of,
    ratios,
    ruling,
    sizes,
)

MOST = 256  # k's of a curve; those of more samples are thinned out


def contrasts_of(record: SuiteRecord, comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The comparisons of one suite, plainly."""
    ids = [problem.id for problem in record.problems]
    return [_contrast(each, ids) for each in comparisons if _suite(each) == record.planned.key]


def strays_of(records: Sequence[SuiteRecord], comparisons: Sequence[Comparison]) -> list[str]:
    """Why there is no verdict, for suites that a baseline has and this run has not."""
    known = {record.planned.key for record in records}
    strays = [each for each in comparisons if _suite(each) not in known]
    return [f"{stray.title}: {reason}" for stray in strays for reason in stray.incomparable]


def curve(counts: Sequence[Count], level: float, ks: Sequence[int] = ()) -> dict[str, list[float]]:
    """pass@k with its `run` interval for each k that all problems have the samples of; empty where none has.

    Args:
        counts: of the problems.
        level: confidence of the interval.
        ks: to have in any case, where n is so large that not every k is drawn.
    """
    n = min((count.n for count in counts), default=0)
    found = estimates(counts, orders(n, ks), level) if n else []
    return {
        "k": [each.k for each in found],
        "value": [each.value for each in found],
        "low": [each.run[0] for each in found],
        "high": [each.run[1] for each in found],
    }


def orders(n: int, ks: Sequence[int]) -> list[int]:
    """1 … n; beyond MOST, about as many in all, ever further apart, with the k's asked for."""
    half = MOST // 2
    if n <= MOST:
        return list(range(1, n + 1))
    apart = {round(half * (n / half) ** (step / half)) for step in range(half + 1)}
    return sorted(set(range(1, half)) | apart | {k for k in ks if k <= n})


def _suite(comparison: Comparison) -> tuple[str, str]:
    return comparison.suite, comparison.arm


def _contrast(comparison: Comparison, ids: Sequence[str]) -> dict[str, Any]:
    pairs = {pair.id: pair for pair in comparison.pairs}
    moves = {move.pair.id: move for move in comparison.moves}
    ks, level = [line.k for line in comparison.lines], comparison.policy.level
    return {
        "before": comparison.before.label,
        "after": comparison.after.label,
        "summary": _summary(comparison),
        "decisions": sorted({str(line.decision) for line in comparison.lines if line.gated}),
        "level": f"{level:.0%}",
        "size": f"{len(pairs):,} problems, n {sizes(comparison)}" if pairs else "no problem",
        "lines": [_line(line) for line in comparison.lines],
        "pace": [_pace(pace) for pace in comparison.pace],
        "moved": moved(comparison) if comparison.lines else "",
        "remarks": list(_remarks(comparison)),
        "notes": comparison.notes,
        "incomparable": comparison.incomparable,
        "curves": [
            curve([getattr(pair, side) for pair in comparison.pairs], level, ks) for side in ("before", "after")
        ],
        "counts": [(pairs[each].before.c, pairs[each].before.n) if each in pairs else None for each in ids],
        "kinds": [moves[each].kind if each in moves else None for each in ids],
        "chances": [probability(moves[each].p) if each in moves else None for each in ids],
        "adjusted": [probability(moves[each].p_adjusted) if each in moves else None for each in ids],
    }


def _summary(comparison: Comparison) -> str:
    """`pass@1 ok, pass@4 regressed`, or that there is nothing to say."""
    if comparison.incomparable:
        return "incomparable"
    verdicts = [f"{line.metric} {line.decision}" for line in comparison.lines if line.gated]
    verdicts += [f"{pace.metric} {pace.decision}" for pace in comparison.pace if pace.decision]
    return ", ".join(verdicts)


def _remarks(comparison: Comparison) -> Iterator[str]:
    if comparison.response:
        yield answered(comparison.response)
    yield from needs(comparison)
    yield from ratios(comparison)


def _line(line: Line) -> dict[str, Any]:
    low, high = line.interval
    return {
        "metric": line.metric,
        "before": value_in(line.before),
        "after": value_in(line.after),
        "change": change(line.delta),
        "interval": f"{change(low)} – {change(high)}",
        "p": probability(probability_of(line)),
        "generalises": probability(line.p_generalises),
        "finds": finds(line),
        "tolerated": str(line.tolerance),
        "verdict": ruling(line),
        "decision": line.decision,
        "gated": line.gated,
    }


def _pace(pace: PaceLine) -> dict[str, Any]:
    values = [None if value is None else figure(pace.metric, value) for value in (pace.before, pace.after)]
    return {
        "metric": pace.metric,
        "before": values[0],
        "after": values[1],
        "change": pace_change(pace),
        "tolerated": None if pace.tolerance is None else str(pace.tolerance),
        "decision": pace.decision,
        "verdict": ", ".join(filter(None, [pace.decision and str(pace.decision), pace.why])) or "not gated",
    }


def value_in(estimate: Estimate) -> str:
    """pass@k as every report writes it."""
    return f"{estimate.value:.3f}"
