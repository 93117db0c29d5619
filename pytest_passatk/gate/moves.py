"""Which problems moved, and whether chance alone would have moved them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb

from pytest_passatk.gate.holm import holm
from pytest_passatk.gate.pairs import Pair

CHANCE = 0.05  # a difference that comes by chance more often than this is called flaky


class Kind(StrEnum):
    """How a problem moved."""

    BROKEN = "broken"  # solved before, never now
    REGRESSED = "regressed"  # solved more seldom
    FLAKY = "flaky"  # the difference is what chance brings
    IMPROVED = "improved"  # solved more often
    NEW = "new"  # never solved before, solved now


@dataclass(frozen=True, slots=True)
class Move:
    """A problem whose pass rate differs between the sides.

    Attributes:
        pair: its counts.
        kind: how it moved.
        p: two-sided exact p-value of this problem alone.
        p_adjusted: by Holm, for all problems of the suite.
    """

    pair: Pair
    kind: Kind
    p: float
    p_adjusted: float


def find_moves(pairs: Sequence[Pair]) -> tuple[Move, ...]:
    """The problems whose pass rate differs, the least likely first."""
    values = [fisher(pair) for pair in pairs]
    found = [
        Move(pair, _kind(pair, p), p, adjusted)
        for pair, p, adjusted in zip(pairs, values, holm(values), strict=True)
        if pair.after.c * pair.before.n != pair.before.c * pair.after.n
    ]
    return tuple(sorted(found, key=lambda move: (move.p, move.pair.id)))


def fisher(pair: Pair) -> float:
    """Fisher's exact test on one problem: twice the smaller one-sided p-value, at most 1."""
    before, after = pair.before, pair.after
    passes = before.c + after.c
    draws = comb(before.n + after.n, passes)

    def tail(counts: range) -> float:
        return sum(comb(after.n, c) * comb(before.n, passes - c) for c in counts) / draws

    low, high = max(0, passes - before.n), min(after.n, passes)
    return min(1.0, 2 * min(tail(range(low, after.c + 1)), tail(range(after.c, high + 1))))


def _kind(pair: Pair, p: float) -> Kind:
    before, after = pair.before, pair.after
    if p > CHANCE:
        return Kind.FLAKY
    if after.c * before.n < before.c * after.n:
        return Kind.REGRESSED if after.c else Kind.BROKEN
    return Kind.IMPROVED if before.c else Kind.NEW
