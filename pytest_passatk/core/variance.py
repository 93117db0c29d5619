"""How far pass@k of a fixed set of problems moves from one run to the next, estimated from a single run.

Notation, as in docs/statistics.md: q is a problem's chance to fail, V = C(n−c, k) / C(n, k) its unbiased estimate of
q^k, and m_j the mean of q^j over the problems. The variance of one problem's pass@k is E V² − q^2k.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import comb, fsum, log

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.core.estimate import Tally

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Beta:
    """A Beta distribution of the problems' pass rates; a, b > 0."""

    a: float
    b: float

    def fail_moments(self, order: int) -> Floats:
        """m_0 … m_order, the mean of q^j: the product over i < j of (b+i) / (a+b+i)."""
        i = np.arange(order)
        return np.concatenate([[1.0], np.cumprod((self.b + i) / (self.a + self.b + i))])


def run_variance(tally: Tally, k: int, spread: Beta) -> float:
    """The variance of the mean pass@k over these problems: the larger of two estimates.

    The first is what a Beta distribution of pass rates implies; it is precise, and wrong where the rates follow no
    Beta. The second needs no distribution: unbiased where every n >= 2k, an upper bound elsewhere. See
    docs/statistics.md. Every n must be at least k, and k at least 1.
    """
    free = unbiased_variance if min(n for n, _ in tally) >= 2 * k else bound_variance
    return max(expected_variance(tally, k, spread), free(tally, k)) / tally.total()


def unbiased_variance(tally: Tally, k: int) -> float:
    """Mean of V² − C(n−c, 2k) / C(n, 2k), the unbiased estimate of a problem's variance; every n >= 2k.

    C(n−c, 2k) / C(n, 2k) estimates q^2k without bias, as in Chen et al. 2021, arXiv:2107.03374, for pass@2k.
    """
    return _mean(tally, lambda n, c: problem_variance(n, c, k))


def problem_variance(n: int, c: int, k: int) -> float:
    """V² − C(n−c, 2k) / C(n, 2k) of one problem, rounded once. Raises ValueError unless n >= 2k."""
    if n < 2 * k:
        raise ValueError(f"n={n}, k={k}: an unbiased variance of pass@k exists only for n >= 2k")
    failing, draws = comb(n - c, k), comb(n, k)
    failing_twice, draws_twice = comb(n - c, 2 * k), comb(n, 2 * k)
    return (failing**2 * draws_twice - failing_twice * draws**2) / (draws**2 * draws_twice)


def bound_variance(tally: Tally, k: int) -> float:
    """Mean V² − m_n (m_n / m_{n−1})^(2k−n), an upper bound of the mean variance; n is the smallest, n < 2k.

    m_j is log-convex in j, hence m_2k >= m_n (m_n / m_{n−1})^(2k−n), and n samples estimate m_{n−1} and m_n without
    bias. One added pass in the n × P samples keeps the ratio below 1 where no problem passed exactly once.
    """
    n = min(samples for samples, _ in tally)
    last = fail_moment(tally, n)
    before = fail_moment(tally, n - 1) + 1 / (n * tally.total())
    square = _mean(tally, lambda samples, c: (comb(samples - c, k) / comb(samples, k)) ** 2)
    return max(0.0, square - last * (last / before) ** (2 * k - n))


def expected_variance(tally: Tally, k: int, spread: Beta) -> float:
    """Mean variance of a problem whose pass rate comes from `spread`, over the problems' own n.

    Two k-subsets of n samples share j of them with probability C(k, j) C(n−k, k−j) / C(n, k), and both fail with
    probability q^(2k−j).
    """
    moments = spread.fail_moments(2 * k)
    excess = moments[::-1][: k + 1] - moments[2 * k]
    sizes: Counter[int] = Counter()
    for (n, _), problems in tally.items():
        sizes[n] += problems
    return fsum(problems * float(_overlaps(n, k) @ excess) for n, problems in sizes.items()) / tally.total()


def fit_beta(tally: Tally) -> Beta:
    """The Beta distribution of pass rates that makes the counts most likely (beta-binomial likelihood).

    The search goes over the logit of the mean and the log of a + b, on a grid that closes in on its best point; where
    the counts vary no more than one common rate would make them, a + b stops at the grid's end. Raises ValueError where
    every sample passed or none did: such counts fix no spread.
    """
    passes = sum(c * problems for (_, c), problems in tally.items())
    fails = sum((n - c) * problems for (n, c), problems in tally.items())
    if passes == 0 or fails == 0:
        raise ValueError("no spread of pass rates can be fitted where every sample passed, or none did")
    beyond = _beyond(tally)
    centre, reach = np.array([log(passes / fails), log(20.0)]), np.array([2.0, 6.2])
    for _ in range(3):
        grid = centre[:, None] + reach[:, None] * np.linspace(-1, 1, 17)
        mean, total = 1 / (1 + np.exp(-grid[0]))[:, None], np.exp(grid[1])[None, :]
        a, b = (mean * total).ravel(), ((1 - mean) * total).ravel()
        best = int(np.argmax(_log_likelihood(a, b, beyond)))
        centre = np.array([grid[0, best // 17], grid[1, best % 17]])
        reach = reach / 6
    return Beta(float(a[best]), float(b[best]))


def _log_likelihood(a: Floats, b: Floats, beyond: Floats) -> Floats:
    """Of the counts, up to a constant: a problem adds the logs of (a)_c (b)_{n−c} / (a+b)_n, rising factorials."""
    i = np.arange(beyond.shape[1])
    passes, fails, samples = beyond
    return np.asarray(
        np.log(a[:, None] + i) @ passes + np.log(b[:, None] + i) @ fails - np.log((a + b)[:, None] + i) @ samples
    )


def _beyond(tally: Tally) -> Floats:
    """How many problems have more than i passes, fails and samples, for i = 0 … max n − 1; shape (3, max n)."""
    longest = max(n for n, _ in tally)
    beyond = np.zeros((3, longest))
    for (n, c), problems in tally.items():
        for row, size in enumerate((c, n - c, n)):
            beyond[row, :size] += problems
    return beyond


def _overlaps(n: int, k: int) -> Floats:
    """The chance that two k-subsets of n samples share j of them, j = 0 … k."""
    draws = comb(n, k)
    return np.array([comb(k, j) * comb(n - k, k - j) / draws for j in range(k + 1)])


def fail_moment(tally: Tally, j: int) -> float:
    """The unbiased estimate of m_j; every n >= j."""
    return _mean(tally, lambda n, c: comb(n - c, j) / comb(n, j))


def _mean(tally: Tally, of: Callable[[int, int], float]) -> float:
    """The mean over the problems of a function of (n, c)."""
    return fsum(problems * of(n, c) for (n, c), problems in tally.items()) / tally.total()
