"""What a comparison can see: the smallest drop that it would find, and the samples that a smaller one takes."""

from collections.abc import Sequence
from math import comb, fsum, sqrt
from statistics import NormalDist

from pytest_passatk.core.estimate import Count, Tally, tally_of
from pytest_passatk.core.interval import estimate
from pytest_passatk.core.variance import fit_beta

POWER = 0.8
MOST = 1 << 20  # samples of a problem beyond which nobody would go


def reach(alpha: float, power: float = POWER) -> float:
    """How many standard errors a drop must have to be found with that power: z(1 − alpha) + z(power)."""
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)


def detectable(variance: float, alpha: float, power: float = POWER) -> float:
    """The minimum detectable drop for a variance of the estimated change."""
    return reach(alpha, power) * sqrt(variance)


def projected_variance(counts: Sequence[Count], k: int, n: int) -> float:
    """The variance of the mean pass@k of these problems, had each n >= k samples.

    (1/P) [Σ_j C(k, j) C(n−k, k−j) / C(n, k) · m_{2k−j} − m_{2k}], m_j the mean of q^j: estimated without bias where
    every problem has 2k samples, and from a Beta distribution of pass rates elsewhere. Where all samples agree, the
    variance of the interval shrinks with n.
    """
    tally = tally_of(counts)
    if _agree(tally):
        return estimate(counts, k).run_se ** 2 * min(size for size, _ in tally) / n
    moments = _moments(tally, 2 * k)
    draws = comb(n, k)
    mean = fsum(comb(k, j) * comb(n - k, k - j) / draws * moments[2 * k - j] for j in range(k + 1)) - moments[2 * k]
    return max(0.0, mean) / tally.total()


def samples_needed(before: Sequence[Count], after: Sequence[Count], k: int, drop: float, alpha: float) -> int | None:
    """The samples a problem that the candidate needs to find `drop` in pass@k; `None` where this baseline rules it out.

    Args:
        before: counts of the baseline.
        after: counts that tell how the candidate's samples vary; those of the baseline, before there is a candidate.
        k: at least 1.
        drop: > 0, as a share.
        alpha: chance of a false alarm.
    """
    room = (drop / reach(alpha)) ** 2 - projected_variance(before, k, min(count.n for count in before))
    return fewest(after, k, room)


def fewest(counts: Sequence[Count], k: int, variance: float) -> int | None:
    """The fewest samples a problem that bring the variance of pass@k down to `variance`; `None` where none do."""
    if variance <= 0:
        return None
    high = k
    while projected_variance(counts, k, high) > variance:
        high *= 2
        if high > MOST:
            return None
    low = max(k, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if projected_variance(counts, k, middle) <= variance else (middle + 1, high)
    return low


def _agree(tally: Tally) -> bool:
    return all(c == 0 for _, c in tally) or all(c == n for n, c in tally)


def _moments(tally: Tally, order: int) -> list[float]:
    """The mean of q^j over the problems, j = 0 … order."""
    if min(n for n, _ in tally) < order:
        return [float(moment) for moment in fit_beta(tally).fail_moments(order)]
    problems = tally.total()
    return [
        fsum(times * (comb(n - c, j) / comb(n, j)) for (n, c), times in tally.items()) / problems
        for j in range(order + 1)
    ]
