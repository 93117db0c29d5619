"""What a comparison can see: the smallest drop that it would find, and the samples that a smaller one takes."""

from collections.abc import Callable, Sequence
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

    That of the interval as it is now, scaled as `sampling_variance` shrinks from the present n to the other; as 1/n
    where the counts fix no spread. So no number of samples is called enough that was just called too small.
    """
    return projection(counts, k)(n)


def sampling_variance(moments: Sequence[float], k: int, n: int) -> float:
    """The mean variance of a problem's pass@k from n >= k samples.

    It is Σ_j C(k, j) C(n−k, k−j) / C(n, k) · m_{2k−j} − m_{2k}: two k-subsets of n samples share j with that chance.

    Args:
        moments: m_0 … m_2k, the means of q^j, q a problem's chance to fail.
        k: at least 1.
        n: samples of each problem.
    """
    draws = comb(n, k)
    return fsum(comb(k, j) * comb(n - k, k - j) / draws * (moments[2 * k - j] - moments[2 * k]) for j in range(k + 1))


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
    projected = projection(after, k)
    return fewest(k, lambda n: projected(n) <= room) if room > 0 else None


def samples_needed_by_both(
    before: Sequence[Count], after: Sequence[Count], k: int, drop: float, alpha: float
) -> int | None:
    """The same where each side is sampled as often as the other: arms of one session."""
    old, new, room = projection(before, k), projection(after, k), (drop / reach(alpha)) ** 2
    return fewest(k, lambda n: old(n) + new(n) <= room)


def fewest(k: int, enough: Callable[[int], bool]) -> int | None:
    """The fewest samples a problem, from k on, that are enough; `None` where nobody would draw as many.

    Args:
        k: the fewest that can be asked for.
        enough: says so of a number, and of every larger one.
    """
    high = k
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = max(k, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def projection(counts: Sequence[Count], k: int) -> Callable[[int], float]:
    """`projected_variance` as a function of n, at the cost of one fit."""
    tally, variance = tally_of(counts), estimate(counts, k).run_se ** 2
    now = min(n for n, _ in tally)
    moments = fail_moments(tally, 2 * k)
    present = sampling_variance(moments, k, now) if moments else 0.0
    return lambda n: variance * (sampling_variance(moments, k, n) / present if present else now / n)


def fail_moments(tally: Tally, order: int) -> list[float]:
    """The mean of q^j over the problems, j = 0 … order; empty where all samples agree.

    Without bias where every problem has `order` samples, and from a Beta distribution of pass rates elsewhere.
    """
    if all(c == 0 for _, c in tally) or all(c == n for n, c in tally):
        return []
    if min(n for n, _ in tally) < order:
        return [float(moment) for moment in fit_beta(tally).fail_moments(order)]
    problems = tally.total()
    return [
        fsum(times * (comb(n - c, j) / comb(n, j)) for (n, c), times in tally.items()) / problems
        for j in range(order + 1)
    ]
