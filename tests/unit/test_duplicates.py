"""Samples that were copied are told from those that chance repeats."""

from collections.abc import Sequence
from itertools import product
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_passatk.core.duplicates import ALARM, LONG, MOST, Sample, _gains, _steps, suspicious_copies

SHORT = 20


def samples(texts: Sequence[object], tokens: int = SHORT, logprob: float | None = None) -> list[Sample]:
    return [(str(text), tokens, logprob) for text in texts]


def chances(name: str, draw: np.random.Generator) -> NDArray[np.float64]:
    """The chances of the texts of one problem."""
    sure = draw.beta(0.5, 0.5)
    weights: dict[str, Sequence[float]] = {
        "peaked": [0.9, *[0.1 / 200] * 200],
        "flat": [1.0] * 5000,
        "zipf": [1 / rank for rank in range(1, 201)],
        "a point and a tail": [sure, *[(1 - sure) / 200] * 200],
        "a coin": [1.0, 1.0],
        "four of a kind": [1.0] * 4,
        "one answer": [1.0],
    }
    return np.array(weights[name]) / sum(weights[name])


def drawn(
    name: str, problems: int, n: int, times: int = 1, *, tokens: int = SHORT, seed: int = 0
) -> list[list[Sample]]:
    """Samples drawn independently, each given `times` times."""
    draw = np.random.default_rng(seed)
    rates = [chances(name, draw) for _ in range(problems)]
    return [samples(np.repeat(draw.choice(len(each), n // times, p=each), times).tolist(), tokens) for each in rates]


KINDS = ["peaked", "flat", "zipf", "a point and a tail", "a coin", "four of a kind", "one answer"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("problems", "n"), [(5, 4), (60, 8), (200, 8), (30, 64)])
def test_what_chance_repeats_is_no_copy(name: str, problems: int, n: int) -> None:
    for seed in range(5):
        assert suspicious_copies(drawn(name, problems, n, seed=seed)) is None


@pytest.mark.parametrize("name", ["flat", "zipf", "a point and a tail"])
@pytest.mark.parametrize(("times", "n"), [(2, 8), (3, 12), (4, 8), (2, 64), (4, 64)])
def test_a_cache_that_gives_each_completion_several_times_is_found(name: str, times: int, n: int) -> None:
    found = suspicious_copies(drawn(name, 60, n, times))
    assert found is not None
    assert found.times == times
    assert found.chance <= ALARM


def test_a_few_problems_are_enough() -> None:
    found = suspicious_copies(drawn("flat", 5, 8, 2))
    assert found is not None
    assert found.texts == 20
    assert "20 texts come exactly 2 times" in found.note
    assert "a server that ignores seeds" in found.note


def test_copies_that_are_not_all_are_found() -> None:
    honest, copied = drawn("flat", 60, 8), drawn("flat", 60, 8, 2, seed=1)
    found = suspicious_copies([*honest[:4], *copied[:56]])
    assert found is not None
    assert found.times == 2


@pytest.mark.parametrize(("problems", "n"), [(3, 8), (5, 64), (30, 4)])
def test_long_completions_that_are_all_alike_are_found_and_short_ones_are_not(problems: int, n: int) -> None:
    found = suspicious_copies(drawn("one answer", problems, n, tokens=LONG))
    assert found is not None
    assert found.times is None
    assert found.texts == problems
    assert f"{LONG} tokens and more repeat on {problems} problems" in found.note
    assert suspicious_copies(drawn("one answer", problems, n, tokens=LONG - 1)) is None


def test_one_long_problem_in_many_may_repeat() -> None:
    several = drawn("flat", 30, 8, tokens=LONG) + drawn("one answer", 3, 8, tokens=LONG)
    assert suspicious_copies(several) is None


def test_log_probabilities_say_what_is_unlikely_where_they_are_those_of_the_sampler() -> None:
    several = [samples(["same"] * 8, logprob=-9.0) for _ in range(5)]
    assert suspicious_copies(several) is None
    assert suspicious_copies(several, plain=True) is not None
    assert suspicious_copies([samples(["same"] * 8, logprob=-0.1) for _ in range(99)], plain=True) is None
    assert suspicious_copies([samples(["same"] * 8) for _ in range(99)], plain=True) is None


@pytest.mark.parametrize("nothing", [[], [[]], [samples("a")], [samples("aa")] * 99, [samples("ab")] * 99])
def test_too_few_samples_say_nothing(nothing: list[list[Sample]]) -> None:
    assert suspicious_copies(nothing) is None


@given(st.integers(1, 7), st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(2, MOST))
def test_no_bet_gains_on_average_whatever_the_texts(n: int, weights: list[int], times: int) -> None:
    shares = [weight / sum(weights) for weight in weights]
    mean = 0.0
    for texts in product(range(len(weights)), repeat=n):
        likely = exp(sum(log(shares[text]) for text in texts))
        mean += likely * exp(sum(_gains(_steps([str(text) for text in texts]), times)))
    assert mean <= 1 + 1e-9
