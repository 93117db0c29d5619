"""Exact tests on paired counts: pooled within-problem permutation, and sign-flip.

Both ask how extreme an observed sum over the problems is. Each problem contributes an independent random value from a
finite set; all values are put on one grid of whole numbers, and the distribution of their sum is the product of the
problems' characteristic functions at the frequencies of a discrete Fourier transform.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, comb, lcm, log, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.gate.pairs import Pair

Score: TypeAlias = Callable[[int, int], Fraction]
"""The score of a problem with c passes of n samples, exactly."""

FINEST = 256  # the finest grid on which scores stay exact
GRID = 200  # steps in a score of 1 where they cannot
ALIASED = 1e-15  # chance that may fall outside of the transform's window, and be counted at its wrong end


@dataclass(frozen=True, slots=True)
class Tails:
    """Where an observed value lies in a distribution: the chances to be below it, at it and above it."""

    below: float
    at: float
    above: float

    @property
    def down(self) -> float:
        """The one-sided mid-p value against a drop (Lancaster 1961): P(T < t) + P(T = t) / 2."""
        return self.below + self.at / 2

    @property
    def up(self) -> float:
        """The one-sided mid-p value against a rise."""
        return self.above + self.at / 2


@dataclass(frozen=True, slots=True)
class _Part:
    """A random contribution: whole values, their chances, and how many problems have it."""

    values: NDArray[np.int64]
    chances: NDArray[np.float64]
    times: int


def pass_at(k: int) -> Score:
    """The score pass@k, 1 − C(n−c, k) / C(n, k)."""
    return lambda n, c: 1 - Fraction(comb(n - c, k), comb(n, k))


def gain(k: int) -> Score:
    """The score pass@k − pass@1: what k samples add to one."""
    return lambda n, c: pass_at(k)(n, c) - Fraction(c, n)


def pooled_test(pairs: Sequence[Pair], score: Score) -> Tails:
    """Where the observed change lies if before and after do not differ on any problem.

    Then, given the t = c_b + c_a passes of a problem, c_a is hypergeometric: every t of the n_b + n_a samples are
    equally likely to be the right ones. The statistic is the sum over problems of score(n_a, c_a) − score(n_b, c_b). At
    k = 1 and equal n this is the exact form of the Cochran-Mantel-Haenszel test. Scores are exact where they share a
    denominator of at most FINEST, and rounded to 1/GRID elsewhere; the test is exact for the rounded statistic. See
    docs/statistics.md.

    Raises:
        ValueError: there is no pair.
    """
    table = _table(pairs, score)
    groups = Counter((pair.before.n, pair.after.n, pair.before.c + pair.after.c) for pair in pairs)
    parts = [_pooled(*group, table, times) for group, times in groups.items()]
    return _locate(sum(_change(pair, table) for pair in pairs), parts)


def sign_flip_test(pairs: Sequence[Pair], score: Score) -> Tails:
    """Where the observed change lies if each problem's change were as likely to have the other sign.

    It takes the problems as a draw from a population of them; at k = n it is the exact form of McNemar's test.

    Raises:
        ValueError: there is no pair.
    """
    table = _table(pairs, score)
    changes = Counter(abs(_change(pair, table)) for pair in pairs)
    halves = np.array([0.5, 0.5])
    parts = [_Part(np.array([-size, size]), halves, times) for size, times in changes.items()]
    return _locate(sum(_change(pair, table) for pair in pairs), parts)


def _table(pairs: Sequence[Pair], score: Score) -> dict[tuple[int, int], int]:
    """The score of each (n, c) that can occur, in steps of the grid."""
    if not pairs:
        raise ValueError("no problem is on both sides: there is nothing to test")
    sizes = {count.n for pair in pairs for count in (pair.before, pair.after)}
    exact = {(n, c): score(n, c) for n in sizes for c in range(n + 1)}
    common = 1
    for value in exact.values():
        common = lcm(common, value.denominator)
        if common > FINEST:
            return {key: round(GRID * value) for key, value in exact.items()}
    return {key: int(common * value) for key, value in exact.items()}


def _change(pair: Pair, table: Mapping[tuple[int, int], int]) -> int:
    return table[pair.after.n, pair.after.c] - table[pair.before.n, pair.before.c]


def _pooled(n_before: int, n_after: int, passes: int, table: Mapping[tuple[int, int], int], times: int) -> _Part:
    """The change of a problem whose passes fall on both sides by chance."""
    after = range(max(0, passes - n_before), min(n_after, passes) + 1)
    draws = comb(n_before + n_after, passes)
    return _Part(
        np.array([table[n_after, c] - table[n_before, passes - c] for c in after]),
        np.array([comb(n_after, c) * comb(n_before, passes - c) / draws for c in after]),
        times,
    )


def _locate(observed: int, parts: Sequence[_Part]) -> Tails:
    """Where a sum lies in the distribution of the parts' sum."""
    centres = [round(float(part.values @ part.chances)) for part in parts]
    shifted = [
        _Part(part.values - centre, part.chances, part.times) for part, centre in zip(parts, centres, strict=True)
    ]
    observed -= sum(part.times * centre for part, centre in zip(parts, centres, strict=True))
    reach = _reach(shifted)
    if abs(observed) > reach:
        return Tails(0.0, 0.0, 1.0) if observed < 0 else Tails(1.0, 0.0, 0.0)
    chances = _distribution(shifted, reach)
    place = observed + reach
    below, at = float(chances[:place].sum()), float(chances[place])
    return Tails(min(1.0, below), min(1.0, at), min(1.0, float(chances[place + 1 :].sum())))


def _reach(parts: Sequence[_Part]) -> int:
    """How far from 0 the sum can be: as far as it goes at all, or as far as Bernstein's inequality lets it matter."""
    widest = max(int(np.abs(part.values).max()) for part in parts)
    whole = sum(part.times * int(np.abs(part.values).max()) for part in parts)
    means = [float(part.values @ part.chances) for part in parts]
    drift = abs(sum(part.times * mean for part, mean in zip(parts, means, strict=True)))
    variance = sum(
        part.times * (float(part.values**2 @ part.chances) - mean**2) for part, mean in zip(parts, means, strict=True)
    )
    rare = log(2 / ALIASED)
    slope = rare * 2 * widest / 3
    return min(whole, ceil(drift + slope + sqrt(slope**2 + 2 * rare * variance)))


def _distribution(parts: Sequence[_Part], reach: int) -> NDArray[np.float64]:
    """The chances of the sums −reach … reach; shape (2 · reach + 1,)."""
    size = 1 << (2 * reach + 1).bit_length()
    waves = np.ones(size // 2 + 1, dtype=np.complex128)
    for part in parts:
        single = np.zeros(size)
        np.add.at(single, part.values % size, part.chances)
        waves *= np.fft.rfft(single) ** part.times
    chances = np.fft.irfft(waves, size).clip(min=0)
    return np.concatenate([chances[size - reach :], chances[: reach + 1]])
