"""The exact tests of a comparison, against enumeration of everything that could have happened instead."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import comb, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_passatk.core.estimate import Count
from pytest_passatk.gate import permutation
from pytest_passatk.gate.pairs import Pair, pair_up
from pytest_passatk.gate.permutation import GRID, Score, Tails, gain, pass_at, pooled_test, sign_flip_test

Sides = tuple[int, int, int, int]
"""n and c before, n and c after."""


def pairs_of(sides: Sequence[Sides]) -> tuple[Pair, ...]:
    return tuple(
        Pair(Count(str(number), n_before, c_before), Count(str(number), n_after, c_after))
        for number, (n_before, c_before, n_after, c_after) in enumerate(sides)
    )


def swapped(pairs: Sequence[Pair]) -> list[Pair]:
    return [Pair(pair.after, pair.before) for pair in pairs]


@st.composite
def any_pairs(draw: st.DrawFn, *, most: int = 4, sizes: tuple[int, int] = (1, 4)) -> tuple[Pair, ...]:
    n = st.integers(*sizes)
    sides = []
    for _ in range(draw(st.integers(1, most))):
        before, after = draw(n), draw(n)
        sides.append((before, draw(st.integers(0, before)), after, draw(st.integers(0, after))))
    return pairs_of(sides)


def fewest(pairs: Sequence[Pair]) -> int:
    return min(min(pair.before.n, pair.after.n) for pair in pairs)


def change(pairs: Sequence[Pair], score: Score) -> Fraction:
    return sum((score(pair.after.n, pair.after.c) - score(pair.before.n, pair.before.c) for pair in pairs), Fraction(0))


def reshuffled(pair: Pair, score: Score) -> Iterator[Fraction]:
    """The changes that the problem would show, had its right samples fallen elsewhere; each equally likely."""
    n_before, n_after = pair.before.n, pair.after.n
    right = pair.before.c + pair.after.c
    for places in combinations(range(n_before + n_after), right):
        after = sum(place >= n_before for place in places)
        yield score(n_after, after) - score(n_before, right - after)


def flipped(pair: Pair, score: Score) -> Iterator[Fraction]:
    yield change([pair], score)
    yield -change([pair], score)


def tails(worlds: Sequence[Sequence[Fraction]], observed: Fraction) -> tuple[float, float, float]:
    """The shares of all worlds below, at and above what was observed."""
    ways = Counter({Fraction(0): 1})
    for world in worlds:
        longer: Counter[Fraction] = Counter()
        for (so_far, times), (value, more) in product(ways.items(), Counter(world).items()):
            longer[so_far + value] += times * more
        ways = longer
    below, at = sum(times for total, times in ways.items() if total < observed), ways[observed]
    return below / ways.total(), at / ways.total(), (ways.total() - below - at) / ways.total()


def shares(found: Tails) -> tuple[float, float, float]:
    return found.below, found.at, found.above


def on_the_grid(score: Score) -> Score:
    return lambda n, c: Fraction(round(GRID * score(n, c)), GRID)


def fallen(n_before: int, n_after: int, right: int) -> dict[int, float]:
    """The chances of the right samples after, all falls being equally likely."""
    after = range(max(0, right - n_before), min(n_after, right) + 1)
    return {c: comb(n_after, c) * comb(n_before, right - c) / comb(n_before + n_after, right) for c in after}


@given(any_pairs(most=3), st.data(), st.sampled_from([pass_at, gain]))
def test_the_pooled_test_is_what_enumeration_says(pairs: tuple[Pair, ...], data: st.DataObject, which: object) -> None:
    score = (pass_at if which is pass_at else gain)(data.draw(st.integers(1, fewest(pairs)), "k"))
    expected = tails([list(reshuffled(pair, score)) for pair in pairs], change(pairs, score))
    assert shares(pooled_test(pairs, score)) == pytest.approx(expected, abs=1e-12)


@given(any_pairs(most=5, sizes=(1, 6)), st.data())
def test_the_sign_flip_test_is_what_enumeration_says(pairs: tuple[Pair, ...], data: st.DataObject) -> None:
    score = pass_at(data.draw(st.integers(1, fewest(pairs)), "k"))
    expected = tails([list(flipped(pair, score)) for pair in pairs], change(pairs, score))
    assert shares(sign_flip_test(pairs, score)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n_before", "n_after", "k"), [(6, 6, 3), (7, 5, 4), (5, 8, 5)])
@pytest.mark.parametrize("passes", [((1, 3), (4, 0)), ((5, 2), (0, 1)), ((2, 2), (3, 3))])
def test_a_score_on_the_grid_is_tested_exactly(
    n_before: int, n_after: int, k: int, passes: tuple[tuple[int, int], ...]
) -> None:
    pairs = pairs_of([(n_before, before, n_after, after) for before, after in passes])
    coarse = on_the_grid(lambda n, c: pass_at(k)(n, c) ** 3)  # a cube, so that the exact scores share no small grid
    expected = tails([list(reshuffled(pair, coarse)) for pair in pairs], change(pairs, coarse))
    assert shares(pooled_test(pairs, lambda n, c: pass_at(k)(n, c) ** 3)) == pytest.approx(expected, abs=1e-12)


@given(any_pairs(most=30, sizes=(1, 12)), st.data())
def test_the_tails_make_one_and_change_places_with_the_sides(pairs: tuple[Pair, ...], data: st.DataObject) -> None:
    score = pass_at(data.draw(st.integers(1, fewest(pairs)), "k"))
    for test in (pooled_test, sign_flip_test):
        there, back = test(pairs, score), test(swapped(pairs), score)
        assert sum(shares(there)) == pytest.approx(1, abs=1e-12)
        assert there.down + there.up == pytest.approx(1, abs=1e-12)
        assert shares(back) == pytest.approx(shares(there)[::-1], abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60), st.integers(1, 9))
@example([(True, True), (False, False)], 3)
def test_at_k_of_n_the_sign_flip_test_is_mcnemars(solved: list[tuple[bool, bool]], n: int) -> None:
    pairs = pairs_of([(n, before, n, after) for before, after in solved])
    up, down = solved.count((False, True)), solved.count((True, False))
    moved = up + down
    chances = [comb(moved, fixed) / 2**moved for fixed in range(moved + 1)]
    expected = sum(chances[:up]), chances[up], sum(chances[up + 1 :])
    assert shares(sign_flip_test(pairs, pass_at(n))) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 8), st.data())
def test_at_k_of_one_the_pooled_test_is_the_exact_one_of_cochran_mantel_and_haenszel(
    n: int, data: st.DataObject
) -> None:
    share = st.integers(0, n)
    passes = data.draw(st.lists(st.tuples(share, share), min_size=1, max_size=20))
    pairs = pairs_of([(n, before, n, after) for before, after in passes])
    sums = np.array([1.0])  # chances of the right samples after, all problems together
    for before, after in passes:
        chances = fallen(n, n, before + after)
        sums = np.convolve(sums, [chances.get(c, 0.0) for c in range(n + 1)])
    seen = sum(after for _, after in passes)
    expected = sums[:seen].sum(), sums[seen], sums[seen + 1 :].sum()
    assert shares(pooled_test(pairs, pass_at(1))) == pytest.approx(expected, abs=1e-12)


def every_sum(pairs: Sequence[Pair], score: Score) -> tuple[NDArray[np.float64], int]:
    """The chances of all sums of the pooled test, in steps of the grid, and the place of 0."""
    whole, place = np.array([1.0]), 0
    for pair in pairs:
        n_before, n_after, right = pair.before.n, pair.after.n, pair.before.c + pair.after.c
        single = np.zeros(2 * GRID + 1)
        for after, chance in fallen(n_before, n_after, right).items():
            single[round(GRID * score(n_after, after)) - round(GRID * score(n_before, right - after)) + GRID] += chance
        whole, place = np.convolve(whole, single), place + GRID
    return whole, place


@pytest.mark.parametrize("drop", [0, 3])
@pytest.mark.parametrize(("n_before", "n_after", "k"), [(16, 16, 5), (64, 16, 8), (16, 64, 3)])
def test_what_lies_outside_of_the_window_is_lost_to_nobody(drop: int, n_before: int, n_after: int, k: int) -> None:
    draw = np.random.default_rng(drop)
    rates = draw.beta(0.3, 0.5, 24)
    before, after = draw.binomial(n_before, rates), draw.binomial(n_after, rates)
    pairs = pairs_of([
        (n_before, int(b), n_after, max(0, int(a) - drop)) for b, a in zip(before, after, strict=True)
    ])  # fmt: skip
    sums, zero = every_sum(pairs, pass_at(k))
    grid = on_the_grid(pass_at(k))
    seen = zero + int(GRID * change(pairs, grid))
    expected = sums[:seen].sum(), sums[seen], sums[seen + 1 :].sum()
    assert shares(pooled_test(pairs, pass_at(k))) == pytest.approx(expected, abs=1e-12)


@given(any_pairs(most=20, sizes=(1, 12)), st.integers(1, 20))
def test_a_wider_window_changes_nothing(pairs: tuple[Pair, ...], times: int) -> None:
    many = [
        Pair(Count(f"{number}", pair.before.n, pair.before.c), Count(f"{number}", pair.after.n, pair.after.c))
        for number, pair in enumerate(pairs * times)
    ]
    for test in (pooled_test, sign_flip_test):
        narrow = test(many, pass_at(1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(permutation, "ALIASED", 1e-200)
            wide = test(many, pass_at(1))
        assert shares(narrow) == pytest.approx(shares(wide), abs=1e-12)


@pytest.mark.parametrize(("k", "shift"), [(1, 0.0), (1, 0.01), (3, 0.02), (8, 0.0)])
def test_for_many_problems_the_chance_is_the_normal_one(k: int, shift: float) -> None:
    draw = np.random.default_rng(k)
    rates, n = draw.beta(2, 3, 4000), 8
    before, after = draw.binomial(n, rates), draw.binomial(n, np.maximum(0, rates - shift))
    pairs = pairs_of([(n, int(b), n, int(a)) for b, a in zip(before, after, strict=True)])
    score = [float(pass_at(k)(n, c)) for c in range(n + 1)]
    variance = 0.0
    for pair in pairs:
        right = pair.before.c + pair.after.c
        variance += sum(chance * (score[c] - score[right - c]) ** 2 for c, chance in fallen(n, n, right).items())
    expected = NormalDist().cdf(float(change(pairs, pass_at(k))) / sqrt(variance))
    assert pooled_test(pairs, pass_at(k)).down == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("sides", [[(8, 0, 8, 0)] * 5, [(8, 8, 4, 4)] * 5, [(1, 0, 1, 0)], [(1, 1, 1, 1)]])
def test_where_nothing_can_have_moved_nothing_is_found(sides: list[Sides]) -> None:
    pairs = pairs_of(sides)
    for test in (pooled_test, sign_flip_test):
        assert shares(test(pairs, pass_at(1))) == pytest.approx((0, 1, 0), abs=1e-15)
        assert test(pairs, pass_at(1)).down == pytest.approx(0.5)


def test_a_single_sample_on_each_side_is_a_coin() -> None:
    found = pooled_test(pairs_of([(1, 1, 1, 0)]), pass_at(1))
    assert shares(found) == pytest.approx((0, 0.5, 0.5))
    assert (found.down, found.up) == pytest.approx((0.25, 0.75))


def test_a_landslide_has_a_chance_of_zero_and_not_a_wrong_one() -> None:
    pairs = pairs_of([(64, 64, 64, 0)] * 2000)
    for test in (pooled_test, sign_flip_test):
        assert test(pairs, pass_at(1)).down < 1e-12
        assert test(pairs, pass_at(1)).up == pytest.approx(1)


def test_unequal_sides_are_no_reason_to_find_a_change() -> None:
    found = pooled_test(pairs_of([(32, 8, 8, 2)] * 50), pass_at(1))
    assert found.down == pytest.approx(0.5, abs=0.05)


def test_no_problem_on_both_sides_is_refused() -> None:
    for test in (pooled_test, sign_flip_test):
        with pytest.raises(ValueError, match="no problem is on both sides"):
            test((), pass_at(1))


def test_the_gain_is_what_more_samples_add() -> None:
    assert gain(1)(8, 3) == 0
    assert gain(4)(8, 2) == Fraction(55, 70) - Fraction(2, 8)


def test_only_problems_of_both_sides_are_paired_in_the_order_of_the_candidate() -> None:
    before = [Count("b", 4, 1), Count("gone", 4, 4), Count("a", 4, 2)]
    after = [Count("a", 8, 3), Count("new", 8, 8), Count("b", 8, 5)]
    assert pair_up(before, after) == (Pair(before[2], after[0]), Pair(before[0], after[2]))


def test_two_problems_are_no_pair() -> None:
    with pytest.raises(ValueError, match="'a' cannot be paired with 'b'"):
        Pair(Count("a", 1, 0), Count("b", 1, 0))
