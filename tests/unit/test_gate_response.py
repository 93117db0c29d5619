"""How pass@1 and pass@K answered to a change, and the room that there was."""

from collections import Counter
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import Estimate, estimate
from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.gate.family import Policy, Tolerance, parse_requirement
from pytest_passatk.gate.headroom import Headroom, Label, headroom
from pytest_passatk.gate.measurement import Measured, Measurement
from pytest_passatk.gate.response import respond

Rates = NDArray[np.float64]
POLICY = Policy({}, alpha=0.05)


def side(passes: NDArray[np.int64], n: int) -> Measurement:
    problems = tuple(Measured(f"{number:04}", n, int(c)) for number, c in enumerate(passes))
    return Measurement("main", "sums", {}, {}, None, None, (), problems)


def compared(before: Rates, after: Rates, n: int, seed: int = 0) -> Comparison:
    draw = np.random.default_rng(seed)
    return compare(side(draw.binomial(n, before), n), side(draw.binomial(n, after), n), (1, 8), POLICY)


def label(comparison: Comparison) -> Label:
    assert comparison.response is not None
    return comparison.response.label


def logit(rates: Rates, factor: float, shift: float = 0.0) -> Rates:
    return 1 / (1 + np.exp(-(factor * np.log(rates / (1 - rates)) + shift)))


def spread(problems: int) -> Rates:
    """Rates like those of a model on a benchmark of medium difficulty, mirrored so that their mean is 1/2."""
    half = np.random.default_rng(5).beta(0.4, 0.6, problems // 2).clip(1e-6, 1 - 1e-6)
    return np.concatenate([half, 1 - half])


@pytest.mark.parametrize(
    ("factor", "shift", "expected"),
    [
        (1.0, 0.8, Label.BOTH),
        (0.6, 0.0, Label.TRAJECTORY),
        (1.6, 0.0, Label.DIVERSITY_LOSS),
        (1.0, 0.0, Label.NONE),
        (1.0, -1.0, Label.UNRESOLVED),
    ],
)
def test_a_clear_change_has_its_label(factor: float, shift: float, expected: Label) -> None:
    rates = spread(400)
    assert label(compared(rates, logit(rates, factor, shift), 64)) is expected


def test_a_surer_hand_on_problems_within_reach_is_sharpening() -> None:
    before, after = np.repeat([0.6, 0.0], 200), np.repeat([0.9, 0.0], 200)
    assert label(compared(before, after, 64)) is Label.SHARPENING


def test_few_samples_resolve_nothing_and_seldom_claim_something() -> None:
    draw = np.random.default_rng(1)
    labels = Counter(
        label(compared(rates, rates, 8, seed=run)) for run, rates in enumerate(draw.beta(0.22, 0.39, (60, 30)))
    )
    assert labels[Label.UNRESOLVED] >= 50
    assert labels[Label.NONE] == labels[Label.TRAJECTORY] == 0


def test_no_change_among_many_samples_is_no_response() -> None:
    draw = np.random.default_rng(2)
    labels = Counter(
        label(compared(rates, rates, 32, seed=run)) for run, rates in enumerate(draw.beta(0.3, 0.13, (40, 164)))
    )
    assert labels[Label.NONE] >= 28
    assert labels[Label.BOTH] + labels[Label.TRAJECTORY] + labels[Label.SHARPENING] <= 6


def test_the_flat_label_is_two_one_sided_tests() -> None:
    rates = spread(400)
    drawn = compared(rates, rates, 64)
    assert label(drawn) is Label.NONE
    one, many = drawn.lines
    edge = 100 * max(abs(line.delta) + line.delta - line.bound for line in (one, many))
    still = [replace(line, p_up=0.5, p_down=0.5) for line in (one, many)]
    for tolerance, expected in ((edge + 0.01, Label.NONE), (edge - 0.01, Label.UNRESOLVED)):
        wanted = Tolerance(tolerance, "pp")
        one, many = (replace(line, tolerance=wanted) for line in still)
        assert respond(drawn.pairs, one, many, POLICY).label is expected


def test_the_response_is_that_of_the_largest_k_and_needs_two() -> None:
    rates = spread(40)
    several = compare(side((8 * rates).astype(int), 8), side((8 * rates).astype(int), 8), (1, 2, 8, 64), POLICY)
    assert several.response is not None
    assert several.response.k == 8
    single = compare(several.before, several.after, (1,), POLICY)
    assert single.response is None
    asked = Policy(parse_requirement("pass@4:3pp"))
    assert compare(several.before, several.after, (2,), asked).response is None


def test_the_room_is_what_conversion_and_coverage_could_add() -> None:
    counts = [Count(str(number), 16, c) for number, c in enumerate([0, 4, 8, 16] * 10)]
    one, many = estimate(counts, 1), estimate(counts, 8)
    found = headroom(one, many, 0.03, 0.95)
    assert found.conversion == pytest.approx(many.value - one.value)
    assert found.coverage == pytest.approx(1 - many.value)
    assert found.conversion_limit == pytest.approx(found.conversion + 1.959964 * sqrt(one.run_se**2 + many.run_se**2))
    assert found.coverage_limit == pytest.approx(1 - many.run[0])
    assert not found.saturated


def at(value: float, error: float, k: int) -> Estimate:
    interval = (max(0.0, value - 2 * error), min(1.0, value + 2 * error))
    return Estimate(k, value, interval, interval, error, error, 100)


@pytest.mark.parametrize(
    ("one", "many", "saturated"),
    [
        (at(0.99, 0.002, 1), at(0.995, 0.002, 8), True),
        (at(0.95, 0.002, 1), at(0.995, 0.002, 8), False),  # 4.5 points to convert
        (at(0.96, 0.002, 1), at(0.965, 0.002, 8), False),  # 3.5 points to cover
        (at(0.99, 0.02, 1), at(0.995, 0.02, 8), False),  # nobody knows
    ],
)
def test_a_benchmark_is_saturated_only_where_neither_room_is_left(
    one: Estimate, many: Estimate, saturated: bool
) -> None:
    assert headroom(one, many, 0.03, 0.95).saturated is saturated


def test_no_limit_is_above_the_whole() -> None:
    assert headroom(at(0.0, 0.5, 1), at(1.0, 0.5, 8), 0.03, 0.95) == Headroom(1.0, 1.0, 0.0, 1.0, saturated=False)
