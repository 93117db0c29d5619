"""The two-sample test: against all permutations, its size, its power, and what it says."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from pytest_passatk.stress.two_sample import ALARM, two_sample

Tokens = Sequence[tuple[int, ...]]


def chi_square(without: Tokens, patched: Tokens) -> float:
    """Pearson's χ² of homogeneity by its definition, summed over positions."""
    total = 0.0
    sizes = (len(without), len(patched))
    for at in range(max(map(len, [*without, *patched]))):
        columns = [[sample[at] if at < len(sample) else None for sample in side] for side in (without, patched)]
        for token in set(columns[0] + columns[1]):
            for column, size in zip(columns, sizes, strict=True):
                expected = size * (columns[0] + columns[1]).count(token) / sum(sizes)
                total += (column.count(token) - expected) ** 2 / expected
    return total


def exact_p(without: Tokens, patched: Tokens) -> float:
    samples = [*without, *patched]
    observed = chi_square(without, patched)
    places = list(combinations(range(len(samples)), len(patched)))
    extreme = 0
    for chosen in places:
        right = [samples[at] for at in chosen]
        left = [samples[at] for at in range(len(samples)) if at not in chosen]
        extreme += chi_square(left, right) >= observed - 1e-9
    return extreme / len(places)


TINY: list[tuple[Tokens, Tokens]] = [
    ([(1, 2), (1, 3), (2, 2), (1, 2)], [(3, 3), (3, 2), (2, 3), (3, 3)]),
    ([(1,), (1,), (1,), (2,)], [(1,), (2,), (2,), (2,), (2,)]),
    ([(1, 2, 3), (1,), (1, 2)], [(4, 2, 3), (1, 2), (4, 2, 3)]),
    ([(7, 7)] * 3, [(7, 7)] * 3),
]


@pytest.mark.parametrize(("without", "patched"), TINY)
def test_the_statistic_is_pearsons(without: Tokens, patched: Tokens) -> None:
    found = two_sample({"a": without}, {"a": patched}, permutations=9)
    assert found.statistic == pytest.approx(chi_square(without, patched))


@pytest.mark.parametrize(("without", "patched"), TINY)
def test_p_is_that_of_all_permutations(without: Tokens, patched: Tokens) -> None:
    exact = exact_p(without, patched)
    found = two_sample({"a": without}, {"a": patched}, permutations=19_999)
    assert found.p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5 + 1e-4)


def test_problems_add_up_and_are_permuted_each_by_itself() -> None:
    """Two problems with nothing in common but their difference: labels must not be moved between them."""
    one, other = ([(1,)] * 3, [(2,)] * 3), ([(8,)] * 3, [(9,)] * 3)
    found = two_sample({"a": one[0], "b": other[0]}, {"a": one[1], "b": other[1]}, permutations=9999)
    assert found.statistic == pytest.approx(12)
    assert found.p == pytest.approx((2 / 20) ** 2, rel=0.35)  # of 20 × 20 labellings, 2 × 2 are as extreme


def test_labels_move_within_blocks_only() -> None:
    """Blocks of 2 + 2 have 6 labellings each, of which 2 are as extreme; all in one, there would be 2 of 70."""
    without, patched = [(1,), (8,)] * 2, [(2,), (9,)] * 2
    found = two_sample({"a": without}, {"a": patched}, blocks=2, permutations=9999)
    assert found.p == pytest.approx((2 / 6) ** 2, rel=0.1)


def test_samples_that_are_planned_to_end_at_other_steps_are_held_to_the_stated_rate() -> None:
    """Across lengths 1 and 6, labels would vary more than the samples: no more than 1 % would be at or below .05."""
    rng = np.random.default_rng(7)
    logits = rng.normal(size=(6, 3))
    runs, accused = 400, 0
    for run in range(runs):
        sides = [
            [sample[: 1 + 5 * (at % 2)] for at, sample in enumerate(drawn(rng, logits, 0.8, 24))] for _ in range(2)
        ]
        accused += two_sample({"a": sides[0]}, {"a": sides[1]}, blocks=2, seed=run, permutations=99).p <= 0.05
    assert runs * 0.05 - 3 * 4.4 <= accused <= runs * 0.05 + 3 * 4.4


def drawn(rng: np.random.Generator, logits: np.ndarray, temperature: float, count: int) -> list[tuple[int, ...]]:
    """Samples from a softmax: one position a row of the logits."""
    weights = np.exp(logits / temperature)
    columns = [rng.choice(logits.shape[1], size=count, p=row / row.sum()) for row in weights]
    return [tuple(map(int, sample)) for sample in np.stack(columns, axis=1)]


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_a_patch_that_changes_nothing_is_accused_no_more_often_than_stated(alpha: float) -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(3, 8))
    runs, accused = 400, 0
    for run in range(runs):
        sides = [{name: drawn(rng, logits, 0.8, 12) for name in "ab"} for _ in range(2)]
        accused += two_sample(*sides, seed=run, permutations=99).p <= alpha
    deviation = (runs * alpha * (1 - alpha)) ** 0.5
    assert runs * alpha - 4 * deviation <= accused <= runs * alpha + 3 * deviation


@pytest.mark.parametrize("seed", range(5))
def test_dividing_by_the_temperature_twice_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = {name: 2 * rng.normal(size=(8, 20)) for name in "abcd"}
    once, twice = (
        {name: drawn(rng, each, temperature, 200) for name, each in logits.items()} for temperature in (0.8, 0.64)
    )
    again = {name: drawn(rng, each, 0.8, 200) for name, each in logits.items()}
    assert two_sample(once, twice).alarm
    assert not two_sample(once, again).alarm


def test_a_change_among_many_rare_tokens_is_found() -> None:
    """Each of a thousand is too rare to be counted by itself; the patch loses a fifth of them."""
    rng = np.random.default_rng(0)
    flat = np.zeros((8, 1000))
    lost = flat - 9.0 * (np.arange(1000) >= 800)
    without = {"a": drawn(rng, flat, 1.0, 200)}
    found = two_sample(without, {"a": drawn(rng, lost, 1.0, 200)})
    assert found.alarm
    assert "rare tokens" in found.words
    assert not two_sample(without, {"a": drawn(rng, flat, 1.0, 200)}).alarm


def test_one_position_that_differs_is_named_with_its_token() -> None:
    rng = np.random.default_rng(0)
    flat = np.zeros((3, 4))
    without = {name: drawn(rng, flat, 1.0, 100) for name in ("p0", "p1")}
    patched = {name: drawn(rng, flat, 1.0, 100) for name in ("p0", "p1")}
    patched["p1"] = [(first, second, 9 if at % 2 else third) for at, (first, second, third) in enumerate(patched["p1"])]
    found = two_sample(without, patched)
    assert found.alarm
    assert (found.problem, found.position) == ("p1", 2)
    assert found.words == "token 9 is 0.0% of 100 without the patch, 50.0% of 100 with it"


def test_samples_that_end_early_differ() -> None:
    found = two_sample({"a": [(1, 1)] * 12}, {"a": [(1,)] * 12})
    assert found.alarm
    assert found.position == 1
    assert "ended" in found.words or "token 1 " in found.words


def test_one_seed_gives_one_answer() -> None:
    without, patched = TINY[0]
    answers = {two_sample({"a": without}, {"a": patched}, seed=seed).p for seed in (1, 1, 1)}
    assert len(answers) == 1


def test_the_smallest_p_is_one_in_the_permutations_and_below_the_alarm() -> None:
    found = two_sample({"a": [(1,)] * 30}, {"a": [(2,)] * 30})
    assert found.p == 1 / 5000
    assert found.p < ALARM
    assert not two_sample({"a": [(1,)] * 30}, {"a": [(2,)] * 30}, permutations=99).alarm


def test_equal_samples_have_p_1() -> None:
    assert two_sample({"a": [(1, 2)] * 9}, {"a": [(1, 2)] * 5}).p == 1


@pytest.mark.parametrize(
    ("without", "patched"),
    [({}, {}), ({"a": [(1,)]}, {"b": [(1,)]}), ({"a": [(1,)]}, {"a": []}), ({"a": []}, {"a": [(1,)]})],
)
def test_sides_that_cannot_be_compared_are_refused(without: dict[str, Tokens], patched: dict[str, Tokens]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        two_sample(without, patched)
