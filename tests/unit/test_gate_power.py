"""What a comparison can see, against exact enumeration of what sampling brings."""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import estimate
from pytest_passatk.gate.power import (
    MOST,
    detectable,
    fail_moments,
    fewest,
    projected_variance,
    reach,
    samples_needed,
    samples_needed_by_both,
    sampling_variance,
)


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


def test_the_reach_is_the_textbook_one() -> None:
    assert reach(0.05) == pytest.approx(1.6449 + 0.8416, abs=1e-4)
    assert reach(0.01) / reach(0.05) == pytest.approx(1.27, abs=0.01)
    assert detectable(0.0004, 0.05) == pytest.approx(0.02 * reach(0.05))
    assert detectable(0.0004, 0.05, power=0.95) > detectable(0.0004, 0.05)


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 9), (3, 3), (3, 5), (4, 20)])
@pytest.mark.parametrize("p", [Fraction(0), Fraction(1, 9), Fraction(1, 2), Fraction(4, 5), Fraction(1)])
def test_the_variance_of_known_rates_is_exact(k: int, n: int, p: Fraction) -> None:
    moments = [float((1 - p) ** j) for j in range(2 * k + 1)]
    assert sampling_variance(moments, k, n) == pytest.approx(float(true_variance(n, k, p)), abs=1e-12)


@pytest.mark.parametrize(("pilot", "k", "n"), [(2, 1, 1), (2, 1, 7), (4, 2, 2), (4, 2, 9), (6, 3, 4), (5, 2, 64)])
@pytest.mark.parametrize("rates", [(1, 3), (2, 2), (0, 5), (6, 3)])
def test_a_pilot_of_twice_k_samples_projects_without_bias(pilot: int, k: int, n: int, rates: tuple[int, int]) -> None:
    shares = [Fraction(rate, 6) for rate in rates]
    truth = sum(true_variance(n, k, p) for p in shares) / len(shares)
    mean = 0.0
    for first, second in product(range(pilot + 1), repeat=2):
        chance = float(chances(pilot, shares[0])[first] * chances(pilot, shares[1])[second])
        moments = fail_moments(Counter([(pilot, first), (pilot, second)]), 2 * k)
        mean += chance * sampling_variance(moments, k, n) if moments else 0.0  # the estimate where all agree is 0
    assert mean == pytest.approx(float(truth), abs=1e-12)


def test_a_pilot_of_fewer_samples_takes_a_beta_distribution() -> None:
    draw = np.random.default_rng(0)
    passes = draw.binomial(8, draw.beta(1, 2, 20_000))
    moments = fail_moments(Counter((8, int(c)) for c in passes), 16)
    assert moments == pytest.approx([2 / (2 + j) for j in range(17)], rel=0.03)


@given(runs(), st.data())
def test_the_present_samples_keep_the_variance_of_the_interval_and_more_lower_it(
    counts: list[Count], data: st.DataObject
) -> None:
    now = min(count.n for count in counts)
    k = data.draw(st.integers(1, now), "k")
    more = data.draw(st.integers(now, 4 * now), "more")
    assert projected_variance(counts, k, now) == pytest.approx(estimate(counts, k).run_se ** 2)
    assert projected_variance(counts, k, more) <= projected_variance(counts, k, now) * (1 + 1e-9)


@pytest.mark.parametrize("find", [samples_needed, samples_needed_by_both])
@given(counts=runs(), data=st.data(), drop=st.floats(0.001, 0.2))
def test_a_drop_takes_more_samples_exactly_where_it_could_not_be_seen(
    find: Callable[..., int | None], counts: list[Count], data: st.DataObject, drop: float
) -> None:
    now = min(count.n for count in counts)
    k = data.draw(st.integers(1, now), "k")
    smallest = detectable(2 * estimate(counts, k).run_se ** 2, 0.01)
    needed = find(counts, counts, k, drop, 0.01)
    assume(abs(drop - smallest) > 1e-9)
    assert (needed is not None and needed <= now) == (drop > smallest)


@pytest.mark.parametrize(("k", "share"), [(1, 0.1), (2, 0.5), (4, 0.9), (1, 3)])
def test_the_fewest_samples_are_the_fewest(k: int, share: float) -> None:
    counts = counts_of([0, 1, 3, 4, 7, 8] * 10, 8)
    wanted = share * projected_variance(counts, k, 8)
    found = fewest(k, lambda n: projected_variance(counts, k, n) <= wanted)
    assert found is not None
    assert projected_variance(counts, k, found) <= wanted
    assert found == k or projected_variance(counts, k, found - 1) > wanted


def test_a_baseline_that_varies_too_much_rules_a_drop_out() -> None:
    few, many = counts_of([3, 5, 2, 6], 8), counts_of([192, 320, 128, 384], 512)
    assert samples_needed(few, few, 1, 0.01, 0.01) is None
    assert samples_needed(many, few, 1, 0.1, 0.01) is not None


def test_two_sides_that_are_sampled_together_see_what_a_baseline_rules_out() -> None:
    few = counts_of([3, 5, 2, 6], 8)
    both = samples_needed_by_both(few, few, 1, 0.01, 0.01)
    assert both is not None
    assert 2 * projected_variance(few, 1, both) <= (0.01 / reach(0.01)) ** 2 < 2 * projected_variance(few, 1, both - 1)


def test_what_nobody_would_sample_is_not_asked_for() -> None:
    assert fewest(1, lambda _: False) is None
    assert fewest(1, lambda n: n > 4 * MOST) is None


@pytest.mark.parametrize("passes", [[0, 0, 0], [8, 8, 8]])
def test_samples_that_all_agree_gain_in_proportion_to_their_number(passes: list[int]) -> None:
    counts = counts_of(passes, 8)
    assert projected_variance(counts, 2, 32) == pytest.approx(estimate(counts, 2).run_se ** 2 / 4)
