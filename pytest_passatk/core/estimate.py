"""Point estimators: what the first k of a problem's samples would have done, averaged over every choice of k.

Each is the mean of a statistic over all k-subsets of n exchangeable samples, so it is unbiased for k fresh draws. The
arithmetic is exact: integers up to the end, then one correctly rounded division.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import ceil, comb, isnan
from typing import TypeAlias

Tally: TypeAlias = Counter[tuple[int, int]]
"""Number of problems by their (n, c)."""


@dataclass(frozen=True, slots=True)
class Count:
    """The counts of one problem. Raises ValueError unless 0 <= c <= n.

    Attributes:
        id: the problem.
        n: judged samples.
        c: samples that passed.
    """

    id: str
    n: int
    c: int

    def __post_init__(self) -> None:
        if not 0 <= self.c <= self.n:
            raise ValueError(f"problem {self.id!r} has c={self.c} passes of n={self.n} samples: need 0 <= c <= n")


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k samples passes: 1 − C(n−c, k) / C(n, k).

    Raises ValueError unless 1 <= k <= n and 0 <= c <= n. Source: Chen et al. 2021, arXiv:2107.03374, equation 1.
    """
    _check(n, c, k)
    draws = comb(n, k)
    return (draws - comb(n - c, k)) / draws


def pass_hat_k(n: int, c: int, k: int) -> float:
    """The chance that all of k samples pass, pass^k: C(c, k) / C(n, k).

    Raises ValueError unless 1 <= k <= n and 0 <= c <= n. Source: Yao et al. 2024, arXiv:2406.12045.
    """
    _check(n, c, k)
    return comb(c, k) / comb(n, k)


def g_pass_at_k(n: int, c: int, k: int, tau: float) -> float:
    """The chance that at least ⌈τk⌉ of k samples pass, and at least one.

    τ = 0 is pass@k and τ = 1 is pass^k. A float τ counts as the simplest fraction that it stands for, so that τ = 0.55
    asks for 11 of 20 and not for 12. Raises ValueError unless 1 <= k <= n, 0 <= c <= n and 0 <= tau <= 1. Source: Liu
    et al. 2024, arXiv:2412.13147.
    """
    _check(n, c, k)
    if not 0 <= tau <= 1:
        raise ValueError(f"tau={tau} is no share of the k samples: need 0 <= tau <= 1")
    least = max(1, ceil(Fraction(tau).limit_denominator(1_000_000) * k))
    return sum(comb(c, j) * comb(n - c, k - j) for j in range(least, k + 1)) / comb(n, k)


def maj_at_k(correct: int, wrong: Sequence[int], k: int, *, silent: int = 0) -> float:
    """The chance that the correct answer wins a plurality vote of k samples; a tie of t answers counts 1/t.

    The samples are `correct` + sum(`wrong`) + `silent` in number. See docs/statistics.md for the counting.

    Args:
        correct: samples with the correct answer.
        wrong: samples of each wrong answer, one number a different answer.
        k: samples that vote.
        silent: samples without an answer; they may be drawn, but cast no vote.

    Raises:
        ValueError: a count is negative, or k is not in 1 … the number of samples.
    """
    if min(correct, silent, *wrong, 0) < 0:
        raise ValueError(f"negative count of answers: correct={correct}, wrong={list(wrong)}, silent={silent}")
    n = correct + sum(wrong) + silent
    _check(n, correct, k)
    wins = sum(
        (
            Fraction(comb(correct, votes) * ways, 1 + ties)
            for votes in range(1, min(correct, k) + 1)
            for ties, ways in _outvoted(wrong, votes, k - votes, silent)
        ),
        Fraction(0),
    )
    return float(wins / comb(n, k))


def best_of_k(scores: Sequence[float], passes: Sequence[bool], k: int) -> float:
    """The chance that the highest-scored of k samples passes; equal scores are drawn from evenly.

    In ascending order of score, the ranks i+1 … j of one score hold the maximum of C(j, k) − C(i, k) of the k-subsets.
    Raises ValueError unless 1 <= k <= n, as many scores as passes, and no score is NaN. See docs/statistics.md.
    """
    if len(scores) != len(passes):
        raise ValueError(f"{len(scores)} scores for {len(passes)} samples: need one a sample")
    if any(isnan(score) for score in scores):
        raise ValueError("a score is NaN, which has no rank: score every sample, or leave it out with its verdict")
    n = len(scores)
    _check(n, sum(map(bool, passes)), k)
    total, below = Fraction(0), 0
    for _, block in groupby(sorted(zip(scores, passes, strict=True), key=lambda pair: pair[0]), lambda pair: pair[0]):
        passed = [bool(verdict) for _, verdict in block]
        upto = below + len(passed)
        total += (comb(upto, k) - comb(below, k)) * Fraction(sum(passed), len(passed))
        below = upto
    return float(total / comb(n, k))


def mean_pass_at_k(counts: Sequence[Count], k: int) -> float:
    """The mean of pass@k over problems of equal weight, each from its own n; rounded once.

    Raises ValueError where there is no problem, k < 1, or a problem has fewer than k samples, which it names: leaving
    such problems out would change what is measured.
    """
    require_samples(counts, k)
    return mean_of_tally(tally_of(counts), k)


def mean_of_tally(tally: Tally, k: int) -> float:
    """`mean_pass_at_k` of problems that are already counted by (n, c); every n >= k >= 1."""
    solving: Counter[int] = Counter()
    for (n, c), problems in tally.items():
        solving[n] += problems * (comb(n, k) - comb(n - c, k))
    total = sum((Fraction(subsets, comb(n, k)) for n, subsets in solving.items()), Fraction(0))
    return float(total / tally.total())


def tally_of(counts: Sequence[Count]) -> Tally:
    """The number of problems for each (n, c): all that the arithmetic needs of them."""
    return Counter((count.n, count.c) for count in counts)


def require_samples(counts: Sequence[Count], k: int) -> None:
    """Raise ValueError unless there is a problem, k >= 1, and every problem has at least k samples."""
    if not counts:
        raise ValueError(f"pass@{k} of no problems: at least one problem is needed")
    if k < 1:
        raise ValueError(f"k={k}: pass@k needs k >= 1")
    short = [f"{count.id} (n={count.n})" for count in counts if count.n < k]
    if short:
        shown = ", ".join(short[:5]) + (f" and {len(short) - 5} more" if len(short) > 5 else "")  # noqa: PLR2004 - a readable line
        raise ValueError(f"pass@{k} needs at least {k} samples of every problem; too few: {shown}")


def _check(n: int, c: int, k: int) -> None:
    if not 0 <= c <= n:
        raise ValueError(f"c={c} passes of n={n} samples: need 0 <= c <= n")
    if k < 1:
        raise ValueError(f"k={k}: need k >= 1")
    if k > n:
        raise ValueError(f"k={k} of n={n} samples: need k <= n; draw more samples or ask for a smaller k")


def _outvoted(wrong: Sequence[int], votes: int, room: int, silent: int) -> Iterator[tuple[int, int]]:
    """(ties, ways) to draw `room` samples from the others, no wrong answer above `votes` and `ties` of them at it."""
    ways = Counter({(drawn, 0): comb(silent, drawn) for drawn in range(min(silent, room) + 1)})
    for size in wrong:
        choices = [(drawn, comb(size, drawn)) for drawn in range(min(size, votes, room) + 1)]
        longer: Counter[tuple[int, int]] = Counter()
        for (used, ties), so_far in ways.items():
            for drawn, chosen in choices[: room - used + 1]:
                longer[used + drawn, ties + (drawn == votes)] += so_far * chosen
        ways = longer
    return ((ties, count) for (used, ties), count in ways.items() if used == room)
