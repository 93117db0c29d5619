"""Point estimators, against the enumeration of every k-subset of small sample sets."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import partial
from itertools import combinations
from math import ceil, comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.estimate import (
    Count,
    best_of_k,
    g_pass_at_k,
    maj_at_k,
    mean_pass_at_k,
    pass_at_k,
    pass_hat_k,
)


def cases(n: int) -> list[tuple[int, int]]:
    """Every (c, k) of n samples."""
    return [(c, k) for c in range(n + 1) for k in range(1, n + 1)]


@st.composite
def triples(draw: st.DrawFn, most: int = 200) -> tuple[int, int, int]:
    n = draw(st.integers(1, most))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@st.composite
def problems(draw: st.DrawFn) -> list[Count]:
    rows = draw(st.lists(st.integers(4, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1))
    return [Count(str(number), n, c) for number, (n, c) in enumerate(rows)]


def over_subsets(n: int, k: int, statistic: Callable[[Sequence[int]], Fraction | int]) -> Fraction:
    """The mean of a statistic over all k-subsets of range(n)."""
    return sum((Fraction(statistic(subset)) for subset in combinations(range(n), k)), Fraction(0)) / comb(n, k)


def any_below(c: int, subset: Sequence[int]) -> bool:
    return min(subset) < c


def all_below(c: int, subset: Sequence[int]) -> bool:
    return max(subset) < c


def enough_below(c: int, least: int, subset: Sequence[int]) -> bool:
    return sum(sample < c for sample in subset) >= least


@pytest.mark.parametrize("n", range(1, 9))
def test_pass_at_k_and_pass_hat_k_are_the_rounded_means_over_all_subsets(n: int) -> None:
    for c, k in cases(n):
        assert pass_at_k(n, c, k) == float(over_subsets(n, k, partial(any_below, c)))
        assert pass_hat_k(n, c, k) == float(over_subsets(n, k, partial(all_below, c)))


@pytest.mark.parametrize("tau", [0.0, 0.25, 0.5, 0.55, 0.75, 1.0])
@pytest.mark.parametrize("n", range(1, 7))
def test_g_pass_at_k_is_the_rounded_mean_over_all_subsets(n: int, tau: float) -> None:
    for c, k in cases(n):
        least = max(1, ceil(Fraction(str(tau)) * k))
        assert g_pass_at_k(n, c, k, tau) == float(over_subsets(n, k, partial(enough_below, c, least)))


@pytest.mark.parametrize(("tau", "k", "least"), [(0.55, 20, 11), (5 / 6, 6, 5), (1 / 3, 3, 1), (0.07, 100, 7)])
def test_g_pass_at_k_reads_tau_as_the_fraction_that_was_meant(tau: float, k: int, least: int) -> None:
    assert g_pass_at_k(k, least, k, tau) == 1
    assert g_pass_at_k(k, least - 1, k, tau) == 0


def vote_share(drawn: Iterable[int]) -> Fraction:
    """What a plurality vote gives answer 0; a negative label casts no vote."""
    votes = [label for label in drawn if label >= 0]
    most = max((votes.count(label) for label in set(votes)), default=0)
    winners = {label for label in votes if votes.count(label) == most}
    return Fraction(0 in winners, max(1, len(winners)))


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=8), st.data())
def test_maj_at_k_is_the_rounded_mean_over_all_subsets(labels: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(labels)))
    wrong = [labels.count(label) for label in (1, 2, 3)]
    expected = over_subsets(len(labels), k, lambda subset: vote_share(labels[i] for i in subset))
    assert maj_at_k(labels.count(0), wrong, k, silent=labels.count(-1)) == float(expected)


def best_share(scores: Sequence[int], passes: Sequence[bool], subset: Sequence[int]) -> Fraction:
    highest = [i for i in subset if scores[i] == max(scores[j] for j in subset)]
    return Fraction(sum(passes[i] for i in highest), len(highest))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=8), st.data())
def test_best_of_k_is_the_rounded_mean_over_all_subsets(samples: list[tuple[int, bool]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(samples)))
    scores, passes = [score for score, _ in samples], [passed for _, passed in samples]
    expected = over_subsets(len(samples), k, lambda subset: best_share(scores, passes, subset))
    assert best_of_k(scores, passes, k) == float(expected)


@pytest.mark.parametrize("p", [Fraction(1, 7), Fraction(1, 2), Fraction(9, 10)])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (5, 3), (8, 8)])
def test_pass_at_k_is_unbiased(n: int, k: int, p: Fraction) -> None:
    expectation = sum(comb(n, c) * p**c * (1 - p) ** (n - c) * exact(n, c, k) for c in range(n + 1))
    assert expectation == 1 - (1 - p) ** k


def exact(n: int, c: int, k: int) -> Fraction:
    """pass@k as the fraction that the returned float stands for; C(n, k) is small here."""
    fraction = Fraction(pass_at_k(n, c, k)).limit_denominator(comb(n, k))
    assert float(fraction) == pass_at_k(n, c, k)
    return fraction


@given(triples())
def test_pass_at_k_rises_with_passes_and_with_k(triple: tuple[int, int, int]) -> None:
    n, c, k = triple
    assert pass_at_k(n, max(c - 1, 0), k) <= pass_at_k(n, c, k)
    assert pass_at_k(n, c, max(k - 1, 1)) <= pass_at_k(n, c, k)
    assert pass_hat_k(n, c, max(k - 1, 1)) >= pass_hat_k(n, c, k)


@given(triples(), st.floats(0, 1))
def test_the_estimators_are_ordered_and_within_bounds(triple: tuple[int, int, int], tau: float) -> None:
    n, c, k = triple
    assert 0 <= pass_hat_k(n, c, k) <= g_pass_at_k(n, c, k, tau) <= pass_at_k(n, c, k) <= 1
    assert g_pass_at_k(n, c, k, 1) == pass_hat_k(n, c, k)
    assert g_pass_at_k(n, c, k, 0) == pass_at_k(n, c, k)


@given(triples())
def test_one_sample_is_the_share_of_passes(triple: tuple[int, int, int]) -> None:
    n, c, _ = triple
    wrong = [n - c]
    assert pass_at_k(n, c, 1) == pass_hat_k(n, c, 1) == maj_at_k(c, wrong, 1) == c / n
    assert best_of_k([0.0] * n, [i < c for i in range(n)], 1) == c / n


@given(triples())
def test_all_samples_pass_at_n_unless_all_fail(triple: tuple[int, int, int]) -> None:
    n, c, _ = triple
    assert pass_at_k(n, c, n) == (c > 0)
    assert pass_hat_k(n, c, n) == (c == n)


@given(problems(), st.integers(1, 4), st.randoms())
def test_the_mean_is_the_rounded_mean_of_fractions_in_any_order(counts: list[Count], k: int, random: Random) -> None:
    total = sum((1 - Fraction(comb(row.n - row.c, k), comb(row.n, k)) for row in counts), Fraction(0))
    shuffled = list(counts)
    random.shuffle(shuffled)
    assert mean_pass_at_k(counts, k) == mean_pass_at_k(shuffled, k) == float(total / len(counts))


def test_problems_weigh_the_same_whatever_their_number_of_samples() -> None:
    assert mean_pass_at_k([Count("many", 100, 100), Count("few", 1, 0)], 1) == 0.5


@pytest.mark.parametrize("estimator", [pass_at_k, pass_hat_k])
@pytest.mark.parametrize(
    ("n", "c", "k", "message"),
    [
        (4, 1, 0, "k=0: need k >= 1"),
        (4, 1, 5, "k=5 of n=4 samples: need k <= n"),
        (4, 5, 2, "c=5 passes of n=4 samples"),
        (4, -1, 2, "c=-1 passes of n=4 samples"),
    ],
)
def test_bad_arguments_are_named(
    estimator: Callable[[int, int, int], float], n: int, c: int, k: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        estimator(n, c, k)
    with pytest.raises(ValueError, match=message):
        g_pass_at_k(n, c, k, 0.5)


@pytest.mark.parametrize("tau", [-0.1, 1.1, float("nan")])
def test_g_pass_at_k_refuses_a_tau_outside_its_range(tau: float) -> None:
    with pytest.raises(ValueError, match="tau="):
        g_pass_at_k(4, 2, 2, tau)


def test_maj_at_k_refuses_negative_counts_and_too_large_k() -> None:
    with pytest.raises(ValueError, match="negative count of answers"):
        maj_at_k(2, [3, -1], 2)
    with pytest.raises(ValueError, match="k=7 of n=6 samples"):
        maj_at_k(2, [3], 7, silent=1)


def test_best_of_k_refuses_scores_without_a_rank_or_a_sample() -> None:
    with pytest.raises(ValueError, match="NaN"):
        best_of_k([1.0, float("nan")], [True, False], 1)
    with pytest.raises(ValueError, match="1 scores for 2 samples"):
        best_of_k([1.0], [True, False], 1)


def test_a_count_outside_its_samples_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"problem 'a/1' has c=3 passes of n=2 samples"):
        Count("a/1", 2, 3)
    with pytest.raises(ValueError, match="c=-1"):
        Count("a/1", 2, -1)


def test_the_mean_names_the_problems_with_too_few_samples() -> None:
    counts = [Count("ok", 8, 1), *(Count(f"p{i}", 2, 1) for i in range(7))]
    with pytest.raises(ValueError, match=r"needs at least 4 samples .*: p0 \(n=2\), .*p4 \(n=2\) and 2 more$"):
        mean_pass_at_k(counts, 4)


def test_the_mean_refuses_no_problems_and_no_samples() -> None:
    with pytest.raises(ValueError, match="no problems"):
        mean_pass_at_k([], 1)
    with pytest.raises(ValueError, match="k=0"):
        mean_pass_at_k([Count("a", 2, 1)], 0)
