"""How much faster one arm of a session is than another: a ratio of paired runs, with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, stdev

from pytest_passatk.gate.distributions import t_quantile
from pytest_passatk.gate.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Ratio:
    """The candidate's figure over the baseline's.

    Attributes:
        value: geometric mean of the ratios of paired runs.
        interval: of it; `None` where there is one pair, which does not tell how far pairs differ.
        runs: pairs.
    """

    value: float
    interval: tuple[float, float] | None
    runs: int


def paired_ratio(before: Measurement, after: Measurement, metric: str, level: float) -> Ratio | None:
    """The ratio of a figure of speed over the runs that both sides did in a session; `None` where there is none.

    A pair are the runs of one seed: the same requests, one right behind the other on one machine, so that what the
    machine does in the meantime weighs on both.

    Args:
        before: the first arm of the session.
        after: another.
        metric: one of `family.PACES`.
        level: two-sided confidence.
    """
    olds, news = _figures(before, metric), _figures(after, metric)
    return ratio_of([(olds[key], news[key]) for key in olds if key in news], level)


def ratio_of(pairs: Sequence[tuple[float, float]], level: float) -> Ratio | None:
    """The mean ratio of pairs (before, after) of positive numbers, with Student's t interval of its logarithm."""
    if not pairs:
        return None
    logs = [log(new / old) for old, new in pairs]
    middle, runs = fmean(logs), len(logs)
    if runs == 1:
        return Ratio(exp(middle), None, runs)
    reach = t_quantile((1 + level) / 2, runs - 1) * stdev(logs) / sqrt(runs)
    return Ratio(exp(middle), (exp(middle - reach), exp(middle + reach)), runs)


def _figures(side: Measurement, metric: str) -> dict[tuple[int, str], float]:
    """The figure of each run that has it, by seed and machine."""
    return {
        (run.seed, run.pace.machine): run.pace.figures[metric]
        for run in side.runs
        if run.pace and run.pace.figures.get(metric, 0) > 0
    }
