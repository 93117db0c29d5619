"""How fast both sides went: tokens per second and latencies."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, median, stdev

from pytest_passatk.gate.comparison import PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.distributions import t_survival
from pytest_passatk.gate.family import PACES, Policy, Tolerance
from pytest_passatk.gate.measurement import Measurement, Pace
from pytest_passatk.gate.ratio import paired_ratio

SPREAD = 3  # runs from which on it is known how far runs of one kind differ


def compare_pace(
    before: Measurement, after: Measurement, policy: Policy, *, one_session: bool = False
) -> tuple[PaceLine, ...]:
    """The figures of speed that either side has, and those that were asked for.

    A side's value is the median of its runs; those of another machine are not compared. A metric that was asked for and
    has no decision makes the sides incomparable; `why` says what is missing. Arms of one session have a ratio, too.
    """
    lines = [_line(metric, before, after, policy, one_session=one_session) for metric in PACES]
    return tuple(line for line in lines if line.tolerance or line.before is not None or line.after is not None)


def _line(metric: str, before: Measurement, after: Measurement, policy: Policy, *, one_session: bool) -> PaceLine:
    tolerance = policy.asked.get(metric)
    olds, news = _paces(before, metric), _paces(after, metric)
    alike = [pace for pace in olds if news and pace.machine == news[-1].machine]
    old, new = _typical(alike or olds, metric), _typical(news, metric)
    why = _missing(metric, before, after, olds, news)
    if old is None or new is None or why:
        return PaceLine(metric, old, new, None, tolerance, None, why)
    loss = (old - new) / old * (1 if metric == "tokens/s" else -1)
    ratio = paired_ratio(before, after, metric, policy.level) if one_session else None
    if tolerance is None:
        return PaceLine(metric, old, new, loss, None, None, "", ratio)
    usual = _is_usual([pace.figures[metric] for pace in alike], new, policy.alpha)
    return PaceLine(metric, old, new, loss, tolerance, *_decide(loss, tolerance, before.label, usual=usual), ratio)


def _paces(measurement: Measurement, metric: str) -> list[Pace]:
    return [run.pace for run in measurement.runs if run.pace and run.pace.figures.get(metric, 0) > 0]


def _typical(paces: Sequence[Pace], metric: str) -> float | None:
    return median(pace.figures[metric] for pace in paces) if paces else None


def _missing(metric: str, before: Measurement, after: Measurement, olds: Sequence[Pace], news: Sequence[Pace]) -> str:
    """What keeps a metric from being compared; empty where nothing does."""
    lacking = [side.label for side, paces in ((before, olds), (after, news)) if not paces]
    if lacking:
        return f"no {metric} in {' and '.join(lacking)}: only a run that draws all its samples anew has it (--no-cache)"
    machines = sorted({pace.machine for pace in olds})
    if news[-1].machine in machines:
        return ""
    return (
        f"{before.label} ran on {' and on '.join(machines)}, {after.label} on {news[-1].machine}: speed compares on "
        f"one machine only; save a baseline there"
    )


def _is_usual(values: Sequence[float], new: float, alpha: float) -> bool:
    """Whether runs that differ as these do would bring another as far off as `new`; never below SPREAD of them.

    By Student's t: the next value is off the mean of R by a standard deviation times √(1 + 1/R).
    """
    if len(values) < SPREAD or not (deviation := stdev(values)):
        return False
    off = abs(new - fmean(values)) / (deviation * sqrt(1 + 1 / len(values)))
    return t_survival(off, len(values) - 1) > alpha


def _decide(loss: float, tolerance: Tolerance, baseline: str, *, usual: bool) -> tuple[Decision, str]:
    """The verdict, with what makes it inconclusive."""
    limit = tolerance.share(1.0)
    if abs(loss) <= limit:
        return Decision.OK, ""
    if loss < 0:
        return Decision.OK if usual else Decision.IMPROVED, ""
    return (Decision.INCONCLUSIVE, f"the runs of {baseline} differ as much") if usual else (Decision.REGRESSED, "")
