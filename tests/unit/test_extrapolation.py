"""pass@K beyond the samples that there are."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.estimate import Count, mean_pass_at_k
from pytest_passatk.core.extrapolation import extrapolate


def counts_of(passes: Sequence[int], n: int) -> list[Count]:
    return [Count(str(number), n, c) for number, c in enumerate(passes)]


@given(st.integers(1, 12), st.data())
def test_the_point_lies_in_the_bracket_and_the_bracket_above_what_was_measured(n: int, data: st.DataObject) -> None:
    counts = counts_of(data.draw(st.lists(st.integers(0, n), min_size=1, max_size=20)), n)
    k = data.draw(st.integers(n + 1, 4 * n))
    found = extrapolate(counts, k)
    assert found.k == k
    assert found.low == mean_pass_at_k(counts, n)
    assert 0 <= found.low <= found.point <= found.high <= 1
    if k < 4 * n:
        farther = extrapolate(counts, k + 1)
        assert farther.high >= found.high - 1e-12
        assert farther.point >= found.point - 1e-12


def test_the_upper_end_is_the_formula_of_the_documentation() -> None:
    counts = counts_of([0, 0, 0, 1, 5], 8)
    last, before = 3 / 5, 3 / 5 + 1 / 8 / 5 + 1 / (8 * 5)
    assert extrapolate(counts, 20).high == pytest.approx(1 - last * (last / before) ** 12)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.5), (0.22, 0.39), (1.0, 3.0)])
def test_pass_rates_of_a_beta_are_guessed_well_and_bracketed(a: float, b: float) -> None:
    draw = np.random.default_rng(0)
    rates, n, k = draw.beta(a, b, 2000), 8, 32
    found = extrapolate(counts_of(draw.binomial(n, rates).tolist(), n), k)
    truth = 1 - float(((1 - rates) ** k).mean())
    assert found.low < truth < found.high
    assert found.point == pytest.approx(truth, abs=0.02)


def test_pass_rates_of_no_beta_are_guessed_badly_and_still_bracketed() -> None:
    draw = np.random.default_rng(0)
    rates, n, k = np.where(draw.random(2000) < 0.4, 0.0, draw.beta(2, 2, 2000)), 8, 32
    found = extrapolate(counts_of(draw.binomial(n, rates).tolist(), n), k)
    truth = 1 - float(((1 - rates) ** k).mean())
    assert found.low < truth < found.high
    assert found.point > truth + 0.05


def test_all_passed_leaves_nothing_and_none_passed_little_to_say() -> None:
    assert extrapolate(counts_of([8] * 5, 8), 32).low == 1
    none = extrapolate(counts_of([0] * 5, 8), 32)
    assert (none.low, none.point) == (0, 0)
    assert 0 < none.high < 1


def test_problems_with_more_samples_keep_them() -> None:
    counts = [*counts_of([0, 2, 5], 8), Count("more", 32, 30)]
    found = extrapolate(counts, 16)
    assert found.low == mean_pass_at_k(counts, 8)
    assert found.low < found.point < found.high


@pytest.mark.parametrize("k", [1, 8, 33, 100])
def test_what_is_measured_or_too_far_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=rf"pass@{k} cannot be extrapolated from n=8 .* at most 4n = 32"):
        extrapolate(counts_of([1, 2], 8), k)


def test_no_problem_is_refused() -> None:
    with pytest.raises(ValueError, match="no problems"):
        extrapolate([], 2)
