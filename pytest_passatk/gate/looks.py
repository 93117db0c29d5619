"""Looks at a comparison while its samples come in: when to look, and how small a p-value has to be each time.

Who tests again and again at one level finds something in the end. Here the chance of a false alarm is spent over the
looks: hardly any of it at the first ones, nearly all at the last, so that a suite that is never stopped early is tested
almost as if nobody had looked before. See docs/statistics.md, "Stopping early".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import erfc, inf, pi, sqrt
from statistics import NormalDist, fmean
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.core.estimate import Count
from pytest_passatk.gate.power import projected_variance

Floats: TypeAlias = NDArray[np.float64]

PARTS = (8, 4, 2, 1)  # the looks come at these parts of n
FEWEST = 2  # samples a problem at a look: one alone says nothing of how samples vary
LEAST = 1e-12  # a level below this is none: p-values are not exact to that
REACH = 9.0  # standard deviations beyond which a path never goes
NODES = 200  # of the integration between the reach and the edge
HALVINGS = 60

_upper_tail = np.vectorize(lambda z: erfc(z / sqrt(2)) / 2, otypes=[np.float64])


@dataclass(frozen=True, slots=True)
class _Paths:
    """Where the paths are that no look has stopped: their masses at some places, at a time from 0 to 1."""

    places: Floats
    masses: Floats
    time: float

    def beyond(self, edge: float, time: float) -> float:
        """The chance to be beyond an edge at a later time."""
        return float(_upper_tail((edge - self.places) / sqrt(time - self.time)) @ self.masses)

    def until(self, edge: float, time: float) -> "_Paths":
        """Those that are below the edge at that time; by Gauss-Legendre quadrature."""
        reach = REACH * sqrt(time)
        roots, weights = _quadrature()
        half = (edge + reach) / 2
        places, step = half * (roots + 1) - reach, sqrt(time - self.time)
        density = np.exp(-(((places[:, None] - self.places) / step) ** 2) / 2) / (step * sqrt(2 * pi))
        return _Paths(places, half * weights * (density @ self.masses), time)

    def find_edge(self, chance: float, time: float) -> float:
        """The edge that is passed with that chance, by bisection."""
        low, high = -REACH * sqrt(time), REACH * sqrt(time)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.beyond(middle, time) > chance else (low, middle)
        return (low + high) / 2


@cache
def _quadrature() -> tuple[Floats, Floats]:
    roots, weights = np.polynomial.legendre.leggauss(NODES)
    return roots, weights


def schedule(n: int, k: int) -> tuple[int, ...]:
    """The samples a problem at which to look: n/8, n/4, n/2 and n, rounded up, of these no fewer than k or FEWEST."""
    return tuple(sorted({size for part in PARTS if (size := -(-n // part)) >= max(k, FEWEST)} | {n}))


def spent(time: float, alpha: float) -> float:
    """How much of alpha may be spent up to a time, 0 < time <= 1: 2 (1 − Φ(z(1 − alpha/2) / √time)).

    Source: Lan and DeMets 1983, "Discrete sequential boundaries for clinical trials", Biometrika 70; it comes close to
    the boundaries of O'Brien and Fleming 1979.
    """
    return erfc(-NormalDist().inv_cdf(alpha / 2) / sqrt(2 * time))


def boundaries(fractions: Sequence[float], alpha: float) -> tuple[float, ...]:
    """The one-sided p-value to stop at, for each look; all looks together stop with the chance alpha where nothing is.

    The statistic times the square root of its information moves as a Brownian motion: at a look, the paths that went on
    are carried forward by numerical integration, and the edge is put where as much of them lies beyond it as may be
    spent. Source: Armitage, McPherson and Rowe 1969, "Repeated significance tests on accumulating data", JRSS A 132.

    Args:
        fractions: the information at each look, as a share of that at the last, ascending; the last is 1.
        alpha: the chance of a false alarm, 0 < alpha < 1.

    Returns:
        A level for each look, 0 where none is left to spend that p-values could be compared with.

    Raises:
        ValueError: the fractions do not go up to 1.
    """
    if any(low >= high for low, high in pairwise([0.0, *fractions])) or [*fractions][-1:] != [1.0]:
        raise ValueError(f"{fractions}: fractions of information go up from 0 and end at 1")
    paths, used, levels = _Paths(np.zeros(1), np.ones(1), 0.0), 0.0, []
    for time in fractions:
        chance = spent(time, alpha) - used
        if chance < LEAST:  # nobody stops here
            levels.append(0.0)
            continue
        edge, used = paths.find_edge(chance, time), used + chance
        levels.append(float(_upper_tail(edge / sqrt(time))))
        paths = paths.until(edge, time)
    return tuple(levels)


def information(before: Sequence[Count], k: int, n: int) -> float:
    """How much is known of the change of pass@k once the candidate has n samples a problem, up to a factor.

    1 / (1/n_b + 1/n) at k = 1, n_b the baseline's samples a problem, and 1 / (V_b + V_n) otherwise. Both variances are
    those that the baseline's counts foresee: the candidate's are not known when the looks are planned.
    """
    if k == 1:
        return 1 / (fmean(1 / count.n for count in before) + 1 / n)
    fewest = min(count.n for count in before)
    variance = projected_variance(before, k, fewest) + projected_variance(before, k, n)
    return 1 / variance if variance > 0 else inf


def fractions(before: Sequence[Count], k: int, sizes: Sequence[int]) -> list[float]:
    """The information at each look as a share of that at the last.

    That of pass@1 stands in where the baseline's counts foresee no variance of pass@k, or none that shrinks.

    Args:
        before: counts of the baseline, of the problems that are compared.
        k: of the figure.
        sizes: samples a problem at each look, ascending.
    """
    for order in (k, 1):
        known = [information(before, order, size) for size in sizes]
        if known[-1] < inf and all(low < high for low, high in pairwise(known)):
            break
    return [each / known[-1] for each in known]
