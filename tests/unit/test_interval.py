"""Intervals of pass@k, and the variances behind them, against exact enumeration and simulation."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import comb, isfinite, sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_passatk.core.estimate import Count, Tally, mean_pass_at_k, tally_of
from pytest_passatk.core.interval import Estimate, default_ks, estimate, estimates, wilson
from pytest_passatk.core.variance import (
    Beta,
    bound_variance,
    expected_variance,
    fit_beta,
    problem_variance,
    run_variance,
    unbiased_variance,
)

TWICE = [(2, 1), (5, 1), (5, 2), (8, 4), (9, 3)]


def counts_of(passes: Sequence[int], n: int) -> list[Count]:
    return [Count(str(number), n, c) for number, c in enumerate(passes)]


@st.composite
def runs(draw: st.DrawFn) -> list[Count]:
    n = draw(st.integers(1, 12))
    passes = draw(st.lists(st.integers(0, n), min_size=1, max_size=30))
    more = draw(st.lists(st.integers(0, n), max_size=5))
    return counts_of(passes, n) + [Count(f"more {number}", n + 3, c) for number, c in enumerate(more)]


def chances(n: int, p: Fraction) -> list[Fraction]:
    """The binomial chances of c = 0 … n passes."""
    return [comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]


def true_variance(n: int, k: int, p: Fraction) -> Fraction:
    """The variance of one problem's pass@k, by enumeration of the outcomes."""
    values = [1 - Fraction(comb(n - c, k), comb(n, k)) for c in range(n + 1)]
    square = sum(chance * value**2 for chance, value in zip(chances(n, p), values, strict=True))
    return square - (1 - (1 - p) ** k) ** 2


def expected_tally(n: int, rates: Sequence[Fraction]) -> Tally:
    """A set of problems whose counts come out exactly as expected of the pass rates in equal parts."""
    tally: Tally = Counter()
    for p in rates:
        for c, chance in enumerate(chances(n, p)):
            tally[n, c] += int(chance * 6**n)
    return tally


@pytest.mark.parametrize(("n", "k"), TWICE)
@pytest.mark.parametrize("p", [Fraction(1, 9), Fraction(1, 2), Fraction(4, 5)])
def test_the_variance_of_a_problem_is_estimated_without_bias(n: int, k: int, p: Fraction) -> None:
    expectation = sum(chance * Fraction(problem_variance(n, c, k)) for c, chance in enumerate(chances(n, p)))
    assert float(expectation) == pytest.approx(float(true_variance(n, k, p)), rel=1e-12)


@given(st.integers(1, 100), st.data())
def test_the_variance_of_a_problem_is_never_negative(k: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(2 * k, 2 * k + 100))
    assert problem_variance(n, data.draw(st.integers(0, n)), k) >= 0


def test_the_variance_of_a_share_is_the_textbook_one() -> None:
    assert problem_variance(8, 3, 1) == pytest.approx(3 / 8 * 5 / 8 / 7)


def test_no_unbiased_variance_is_claimed_below_twice_k() -> None:
    with pytest.raises(ValueError, match="n >= 2k"):
        problem_variance(7, 3, 4)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (4, 3), (4, 4), (5, 3), (6, 6)])
@pytest.mark.parametrize("rates", [(1, 1), (1, 3), (2, 5), (0, 3), (3, 6)])
def test_the_bound_is_no_less_than_the_variance(n: int, k: int, rates: tuple[int, int]) -> None:
    shares = [Fraction(rate, 6) for rate in rates]
    truth = sum(true_variance(n, k, p) for p in shares) / len(shares)
    assert bound_variance(expected_tally(n, shares), k) >= float(truth)


@pytest.mark.parametrize("p", [Fraction(1, 6), Fraction(1, 2)])
def test_the_bound_is_tight_for_one_common_rate(p: Fraction) -> None:
    tally = expected_tally(7, [p])
    assert bound_variance(tally, 6) == pytest.approx(float(true_variance(7, 6, p)), rel=1e-3)


def test_the_bound_of_a_small_run_adds_one_pass() -> None:
    never, always = (2, 0), (2, 2)
    assert bound_variance(Counter([never, always]), 2) == pytest.approx(1 / 2 - 1 / 2 * (1 / 2 / (1 / 2 + 1 / 4)) ** 2)


@pytest.mark.parametrize(("n", "k"), [*TWICE, (4, 4), (7, 5)])
def test_the_expected_variance_under_a_uniform_spread_is_exact(n: int, k: int) -> None:
    square = sum(Fraction(comb(n - c, k), comb(n, k)) ** 2 for c in range(n + 1)) / (n + 1)
    assert expected_variance(Counter({(n, 0): 3}), k, Beta(1, 1)) == pytest.approx(float(square) - 1 / (2 * k + 1))


def test_the_expected_variance_takes_each_problem_at_its_own_n() -> None:
    spread, mixed = Beta(0.5, 2), Counter({(4, 0): 1, (8, 2): 3})
    parts = [expected_variance(Counter({(n, 0): 1}), 3, spread) for n in (4, 8, 8, 8)]
    assert expected_variance(mixed, 3, spread) == pytest.approx(sum(parts) / 4)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.5), (1.0, 1.0), (4.0, 12.0)])
def test_the_fit_finds_the_spread_that_made_the_counts(a: float, b: float) -> None:
    draw = np.random.default_rng(0)
    passes = draw.binomial(16, draw.beta(a, b, 20_000))
    fitted = fit_beta(Counter((16, int(c)) for c in passes))
    assert fitted.a == pytest.approx(a, rel=0.05)
    assert fitted.b == pytest.approx(b, rel=0.05)


def test_the_fit_sees_one_rate_and_two_extremes() -> None:
    one = fit_beta(Counter({(8, 4): 50}))
    two = fit_beta(Counter({(8, 0): 25, (8, 8): 25}))
    assert one.a + one.b > 1000
    assert two.a + two.b < 0.1
    assert one.a / (one.a + one.b) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("tally", [Counter({(8, 0): 5}), Counter({(8, 8): 5})])
def test_counts_that_all_agree_fix_no_spread(tally: Tally) -> None:
    with pytest.raises(ValueError, match="no spread"):
        fit_beta(tally)


def test_the_larger_variance_counts() -> None:
    tally = Counter({(8, 1): 15, (8, 8): 15})
    spread = fit_beta(tally)
    assert unbiased_variance(tally, 4) > expected_variance(tally, 4, spread)
    assert run_variance(tally, 4, spread) == unbiased_variance(tally, 4) / 30
    wide = Beta(1, 1)
    assert expected_variance(tally, 1, wide) > unbiased_variance(tally, 1)
    assert run_variance(tally, 1, wide) == expected_variance(tally, 1, wide) / 30


def test_one_problem_below_twice_k_brings_the_bound() -> None:
    tally = Counter({(8, 1): 15, (8, 8): 14, (7, 7): 1})
    spread = fit_beta(tally)
    assert bound_variance(tally, 4) > expected_variance(tally, 4, spread)
    assert run_variance(tally, 4, spread) == bound_variance(tally, 4) / 30


def test_wilson_of_a_published_example() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=5e-5)
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)


def assert_sound(found: Estimate) -> None:
    for low, high in (found.run, found.population):
        assert 0 <= low <= found.value <= high <= 1
    rounding = 1e-12
    assert found.population[0] <= found.run[0] + rounding
    assert found.run[1] <= found.population[1] + rounding
    assert 0 < found.run_se <= found.population_se
    assert isfinite(found.population_se)


@given(runs(), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
@example([Count("only", 1, 0)], None, 0.95)
@example([Count("only", 1, 1)], None, 0.95)
def test_the_intervals_hold_the_value_within_bounds(
    counts: list[Count], data: st.DataObject | None, level: float
) -> None:
    n = min(count.n for count in counts)
    k = data.draw(st.integers(1, n)) if data else 1
    found = estimate(counts, k, level)
    assert found.value == mean_pass_at_k(counts, k)
    assert (found.k, found.problems) == (k, len(counts))
    assert_sound(found)


@given(runs(), st.randoms(use_true_random=False))
def test_the_order_of_the_problems_changes_nothing(counts: list[Count], random: Random) -> None:
    shuffled = list(counts)
    random.shuffle(shuffled)
    same, other = estimate(counts, 1), estimate(shuffled, 1)
    assert same.value == other.value
    assert same.run == pytest.approx(other.run, rel=1e-12)
    assert same.population == pytest.approx(other.population, rel=1e-12)


@given(runs(), st.data())
def test_more_problems_of_the_same_counts_narrow_both_intervals(counts: list[Count], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, min(count.n for count in counts)))
    few, many = estimate(counts, k), estimate(counts * 4, k)
    assert few.value == many.value
    assert many.run[1] - many.run[0] < few.run[1] - few.run[0]
    assert many.population[1] - many.population[0] < few.population[1] - few.population[0]


@pytest.mark.parametrize("k", [1, 2, 4])
def test_more_samples_narrow_the_run_but_not_the_population(k: int) -> None:
    shares = [0, 0, 1, 2, 3, 5, 8, 8, 7, 4]
    few, many = estimate(counts_of(shares, 8), k), estimate(counts_of([16 * c for c in shares], 128), k)
    assert many.run_se < few.run_se / 3
    assert many.population_se > few.population_se / 2


@given(runs())
def test_a_higher_level_gives_wider_intervals(counts: list[Count]) -> None:
    narrow, wide = estimate(counts, 1, 0.8), estimate(counts, 1, 0.99)
    assert wide.run[0] <= narrow.run[0] <= narrow.run[1] <= wide.run[1]
    assert wide.population[0] <= narrow.population[0] <= narrow.population[1] <= wide.population[1]


@pytest.mark.parametrize("k", [1, 4, 8])
def test_where_no_sample_passed_the_run_is_worth_one_trial_for_every_k_samples(k: int) -> None:
    found = estimate(counts_of([0] * 30, 8), k)
    assert found.run == wilson(0.0, 240 / k)
    assert found.population == wilson(0.0, 30)


@pytest.mark.parametrize("k", [1, 4, 8])
def test_where_all_samples_passed_the_run_is_worth_all_of_them(k: int) -> None:
    found = estimate(counts_of([8] * 30, 8), k)
    assert found.run == wilson(1.0, 240)
    assert found.population == wilson(1.0, 30)


def test_a_run_is_worth_no_less_than_one_trial_a_problem() -> None:
    found = estimate(counts_of([1] + [0] * 29, 8), 8)
    assert run_variance(Counter({(8, 1): 1, (8, 0): 29}), 8, Beta(1, 30)) > found.value * (1 - found.value) / 30
    assert found.run == wilson(1 / 30, 30)


def test_a_run_is_worth_no_more_than_four_trials_a_sample() -> None:
    assert estimate(counts_of([0, 8] * 15, 8), 1).run == wilson(0.5, 4 * 240)


def test_between_the_limits_the_run_is_wilson_on_the_variance() -> None:
    counts = counts_of([0, 1, 2, 3, 3, 4, 5, 7], 8)
    found = estimate(counts, 2)
    tally = tally_of(counts)
    assert found.run_se == pytest.approx(sqrt(run_variance(tally, 2, fit_beta(tally))))
    assert found.run == pytest.approx(wilson(found.value, found.value * (1 - found.value) / found.run_se**2))


def test_with_all_samples_drawn_the_population_is_wilson_on_the_problems() -> None:
    found = estimate(counts_of([0] * 10 + [3] * 20, 8), 8)
    assert found.population == wilson(2 / 3, 30)


def test_the_population_adds_one_problem_of_the_widest_spread() -> None:
    passes = [1, 2, 2, 3, 5, 6, 6, 7]
    found = estimate(counts_of(passes, 8), 1)
    mean = sum(passes) / 64
    squares = sum((c / 8 - mean) ** 2 for c in passes)
    assert found.population_se == pytest.approx(sqrt((squares + mean * (1 - mean)) / 64))


def test_several_k_at_once_are_the_single_estimates() -> None:
    counts = counts_of([0, 1, 4, 8], 8)
    assert estimates(counts, (1, 2, 8)) == [estimate(counts, k) for k in (1, 2, 8)]


def share_covered(rates: NDArray[np.float64], n: int, k: int) -> float:
    """How often the run interval holds the true mean pass@k of the problems of that run; one row a run."""
    draw = np.random.default_rng(1)
    truth = (1 - (1 - rates) ** k).mean(axis=1)
    found = [estimate(counts_of(passes.tolist(), n), k).run for passes in draw.binomial(n, rates)]
    return float(np.mean([low <= value <= high for (low, high), value in zip(found, truth, strict=True)]))


@pytest.mark.parametrize("k", [1, 4, 8])
def test_the_run_interval_covers_the_truth_of_its_own_problems(k: int) -> None:
    rates = np.random.default_rng(2).beta(0.3, 0.5, (400, 30))
    assert share_covered(rates, 8, k) >= 0.92


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match="level="):
        estimate(counts_of([1], 2), 1, level)


def test_estimates_are_refused_as_points_are() -> None:
    with pytest.raises(ValueError, match="no problems"):
        estimate([], 1)
    with pytest.raises(ValueError, match="k=0"):
        estimate(counts_of([1], 2), 0)
    with pytest.raises(ValueError, match=r"pass@4 needs at least 4 samples of every problem; too few: 0 \(n=2\)"):
        estimates(counts_of([1], 2), (1, 4))


def test_the_default_ks_are_powers_of_two_and_n() -> None:
    assert default_ks(1) == (1,)
    assert default_ks(6) == (1, 2, 4, 6)
    assert default_ks(64) == (1, 2, 4, 8, 16, 32, 64)
    with pytest.raises(ValueError, match="n=0"):
        default_ks(0)
