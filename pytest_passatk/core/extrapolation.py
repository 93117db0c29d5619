"""pass@K for K beyond the samples that there are: a bracket, and a guess inside of it. Nothing is gated on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from pytest_passatk.core.estimate import Count, Tally, mean_of_tally, require_samples, tally_of
from pytest_passatk.core.variance import Beta, fail_moment, fit_beta

FARTHEST = 4  # times the samples of a problem; beyond, the bracket says nothing


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """pass@k of these problems, had they more samples; shares, 0 … 1.

    Attributes:
        k: above the samples of a problem.
        low: pass@n, which pass@k cannot be below.
        high: what it cannot be above, sampling noise apart.
        point: what a Beta distribution of pass rates leads to expect.
    """

    k: int
    low: float
    high: float
    point: float


def extrapolate(counts: Sequence[Count], k: int) -> Extrapolation:
    """pass@k from fewer samples than k; n is the smallest number of a problem.

    The means m_j of q^j, q a problem's chance to fail, are log-convex in j, so 1 − m_n (m_n / m_{n−1})^(k−n) is above
    pass@k whatever the pass rates. One added pass keeps the ratio below 1 where no problem passed exactly once. The
    point may be far from the truth where pass rates follow no Beta; see docs/statistics.md.

    Raises:
        ValueError: there is no problem, n >= k, or k is beyond FARTHEST times n.
    """
    require_samples(counts, 1)
    tally = tally_of(counts)
    n = min(samples for samples, _ in tally)
    if not n < k <= FARTHEST * n:
        raise ValueError(
            f"pass@{k} cannot be extrapolated from n={n} samples: K must be above n, where pass@K is not measured, and "
            f"at most {FARTHEST}n = {FARTHEST * n}"
        )
    last, before = fail_moment(tally, n), fail_moment(tally, n - 1) + 1 / (n * tally.total())
    low, high = mean_of_tally(tally, n), 1 - last * (last / before) ** (k - n)
    return Extrapolation(k, low, max(low, high), min(max(low, _expected(tally, k)), max(low, high)))


def _expected(tally: Tally, k: int) -> float:
    """The mean pass@k, each problem's own samples known, its pass rate from a Beta distribution fitted to all."""
    if all(c == 0 for _, c in tally) or all(c == n for n, c in tally):
        return mean_of_tally(tally, 1)
    spread = fit_beta(tally)
    failing = fsum(problems * _all_fail(spread, n, c, k) for (n, c), problems in tally.items())
    return 1 - failing / tally.total()


def _all_fail(spread: Beta, n: int, c: int, k: int) -> float:
    """The chance that k fresh samples fail, given c passes of n: Π_{i<k} (b+n−c+i) / (a+b+n+i)."""
    i = np.arange(k)
    return float(np.prod((spread.b + n - c + i) / (spread.a + spread.b + n + i)))
