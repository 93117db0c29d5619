"""Intervals around pass@k: `run`, for these problems sampled again, and `population`, for new problems of the kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import NormalDist

from pytest_passatk.core.estimate import Count, Tally, mean_of_tally, pass_at_k, require_samples, tally_of
from pytest_passatk.core.variance import Beta, fit_beta, run_variance

MOST_TRIALS = 4
"""A run is never worth more than this many independent trials for each of its samples."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """pass@k of a set of problems; everything as a share, 0 … 1.

    Attributes:
        k: samples a problem may use.
        value: the unbiased estimate.
        run: interval for the mean pass@k of exactly these problems: what sampling again would move.
        population: interval for the mean pass@k of the problems that these are a random draw of.
        run_se: the standard error behind `run`.
        population_se: the standard error behind `population`.
        problems: how many problems.
    """

    k: int
    value: float
    run: tuple[float, float]
    population: tuple[float, float]
    run_se: float
    population_se: float
    problems: int


def estimate(counts: Sequence[Count], k: int, level: float = 0.95) -> Estimate:
    """pass@k with both intervals at confidence `level`; see docs/statistics.md for the constructions.

    Raises ValueError where there is no problem, k < 1, a problem has fewer than k samples, or not 0 < level < 1.
    """
    return estimates(counts, (k,), level)[0]


def estimates(counts: Sequence[Count], ks: Sequence[int], level: float = 0.95) -> list[Estimate]:
    """`estimate` for several k at the cost of one pass over the counts."""
    for k in ks:
        require_samples(counts, k)
    if not 0 < level < 1:
        raise ValueError(f"level={level}: a confidence level lies between 0 and 1, for example 0.95")
    tally = tally_of(counts)
    spread = None if _is_unanimous(tally) else fit_beta(tally)
    return [_estimate(tally, k, spread, level) for k in ks]


def default_ks(n: int) -> tuple[int, ...]:
    """The powers of two up to n, and n. Raises ValueError for n < 1."""
    if n < 1:
        raise ValueError(f"n={n}: at least one sample a problem is needed")
    return tuple(sorted({2**i for i in range(n.bit_length())} | {n}))


def wilson(value: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share `value` seen in `trials` > 0 trials, which may be fractional.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = value + z * z / (2 * trials)
    reach = z * sqrt(value * (1 - value) / trials + (z / (2 * trials)) ** 2)
    scale = 1 + z * z / trials
    return min(value, max(0.0, (middle - reach) / scale)), max(value, min(1.0, (middle + reach) / scale))


def _estimate(tally: Tally, k: int, spread: Beta | None, level: float) -> Estimate:
    value, problems = mean_of_tally(tally, k), tally.total()
    trial = _trial_variance(value, problems)
    run = _run_trials(tally, k, spread, trial)
    population = min(run, _population_trials(tally, k, value))
    return Estimate(
        k=k,
        value=value,
        run=wilson(value, run, level),
        population=wilson(value, population, level),
        run_se=sqrt(trial / run),
        population_se=sqrt(trial / population),
        problems=problems,
    )


def _trial_variance(value: float, problems: int) -> float:
    """The variance of one yes-or-no trial; at 0 and 1, of one whose chance is half a problem away from there."""
    chance = value if 0 < value < 1 else 1 / (2 * problems)
    return chance * (1 - chance)


def _run_trials(tally: Tally, k: int, spread: Beta | None, trial: float) -> float:
    """How many independent trials of pass@k one run of these problems is worth.

    At least one a problem: a sum of unequal yes-or-no draws varies no more than one of equal draws (Hoeffding 1956).
    Where all samples agree, the counts fix no variance, and the trials are those of the spread that hides best: one
    common pass rate where none passed, and fails that pass@k cannot mend where all did. See docs/statistics.md.
    """
    problems = tally.total()
    samples = sum(n * times for (n, _), times in tally.items())
    if spread is None:
        return samples if any(c for _, c in tally) else samples / k
    variance = run_variance(tally, k, spread)
    most = MOST_TRIALS * samples
    return max(problems, min(trial / variance, most) if variance else most)


def _population_trials(tally: Tally, k: int, value: float) -> float:
    """How many independent trials of pass@k these problems are worth as a draw from their population.

    The variance between the problems, as in Miller 2024, arXiv:2411.00640, with one added problem of the
    widest spread, so that a few problems that happen to agree are not trusted; at least one trial a problem.
    """
    problems = tally.total()
    if not 0 < value < 1:
        return problems
    widest = value * (1 - value)
    squares = fsum(times * (pass_at_k(n, c, k) - value) ** 2 for (n, c), times in tally.items())
    return max(problems, problems**2 * widest / (squares + widest))


def _is_unanimous(tally: Tally) -> bool:
    """Whether all samples of all problems passed, or all failed."""
    return all(c == 0 for _, c in tally) or all(c == n for n, c in tally)
