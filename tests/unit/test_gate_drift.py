"""Whether runs of one measurement differ, and the tails of the distributions behind that."""

from collections.abc import Sequence
from itertools import combinations
from math import erfc, exp, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_passatk.gate.distributions import chi_square_survival, t_survival
from pytest_passatk.gate.drift import ALARM, between_runs, drift_note
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement


def measurement(problems: Sequence[Sequence[tuple[int, int]]], runs: int | None = None) -> Measurement:
    """Problems with their (n, c) in each run."""
    measured = tuple(
        Measured(f"{number:04}", sum(n for n, _ in counts), sum(c for _, c in counts), runs=tuple(counts))
        for number, counts in enumerate(problems)
    )
    runs = len(problems[0]) if runs is None else runs
    keys = tuple(MeasuredRun(f"key {number}", number, "2026-01-01T00:00:00", {}) for number in range(runs))
    return Measurement("main", "sums", {}, {}, None, None, keys, measured)


def sampled(draw: np.random.Generator, rates: NDArray[np.float64], sizes: NDArray[np.int64]) -> Measurement:
    """A measurement of problems × runs: pass rates and samples, each of that shape."""
    passes = draw.binomial(sizes, rates)
    return measurement([
        [(int(n), int(c)) for n, c in zip(row_n, row_c, strict=True)]
        for row_n, row_c in zip(sizes, passes, strict=True)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("statistic", "df", "chance"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (16.918978, 9, 0.05), (6.634897, 1, 0.01), (124.342113, 100, 0.05),
     (1.0, 10, 0.999828), (59.703, 30, 0.001)],
)  # fmt: skip
def test_the_tail_of_chi_square_is_that_of_the_tables(statistic: float, df: int, chance: float) -> None:
    assert chi_square_survival(statistic, df) == pytest.approx(chance, rel=2e-5)


@given(st.floats(0, 300))
def test_the_tail_of_chi_square_has_closed_forms(x: float) -> None:
    assert chi_square_survival(x, 1) == pytest.approx(erfc(sqrt(x / 2)), rel=1e-9, abs=1e-300)
    assert chi_square_survival(x, 2) == pytest.approx(exp(-x / 2), rel=1e-9)
    assert chi_square_survival(x, 4) == pytest.approx(exp(-x / 2) * (1 + x / 2), rel=1e-9)


@given(st.integers(1, 60), st.floats(0, 200), st.floats(0.1, 50))
def test_the_tail_of_chi_square_falls(df: int, x: float, more: float) -> None:
    assert 0 <= chi_square_survival(x + more, df) <= chi_square_survival(x, df) <= 1


@pytest.mark.parametrize(
    ("statistic", "df", "chance"),
    [(6.313752, 1, 0.05), (2.919986, 2, 0.05), (4.540703, 3, 0.01), (3.746947, 4, 0.01), (2.015048, 5, 0.05),
     (1.812461, 10, 0.05), (2.330083, 1000, 0.01)],
)  # fmt: skip
def test_the_tail_of_t_is_that_of_the_tables(statistic: float, df: int, chance: float) -> None:
    assert t_survival(statistic, df) == pytest.approx(chance, rel=2e-3)
    assert t_survival(0, df) == 0.5


def test_the_tail_of_t_with_one_degree_of_freedom_is_that_of_cauchy() -> None:
    assert t_survival(1, 1) == pytest.approx(0.25)
    assert t_survival(sqrt(3), 1) == pytest.approx(1 / 2 - (pi / 3) / pi)


def test_the_variance_behind_the_statistic_is_that_of_every_way_to_deal_the_samples() -> None:
    sizes, right = (2, 3, 1), 3
    runs = [run for run, size in enumerate(sizes) for _ in range(size)]
    deals = np.array(
        [np.bincount([runs[place] for place in places], minlength=3) for places in combinations(range(6), right)]
    )
    off = np.array([1, 0, 1]) - deals.mean(0)
    covariance = np.cov(deals.T, bias=True)
    expected = off @ np.linalg.pinv(covariance) @ off
    found = between_runs(measurement([[(2, 2), (3, 0), (1, 1)]]))
    assert found is not None
    off = np.array([2, 0, 1]) - deals.mean(0)
    assert found.statistic == pytest.approx(off @ np.linalg.pinv(covariance) @ off)
    assert expected != pytest.approx(found.statistic)
    assert (found.df, found.runs) == (2, 3)


def test_two_runs_would_give_the_square_of_the_test_of_cochran_mantel_and_haenszel() -> None:
    counts = [((8, 5), (8, 2)), ((8, 8), (8, 6)), ((8, 1), (8, 1))]
    passed = [first[1] + second[1] for first, second in counts]
    off = sum(first[1] - total / 2 for (first, _), total in zip(counts, passed, strict=True))
    variance = sum(total * (16 - total) * 64 / (16**2 * 15) for total in passed)
    found = between_runs(measurement([[*sides, (0, 0)] for sides in counts]))
    assert found is not None
    assert found.statistic == pytest.approx(off**2 / variance)
    assert found.df == 1
    assert found.p == pytest.approx(erfc(sqrt(found.statistic / 2)))


def test_runs_that_sample_alike_are_called_different_as_seldom_as_promised() -> None:
    draw = np.random.default_rng(0)
    alarms = strict = 0
    for _ in range(400):
        rates = np.repeat(draw.beta(0.3, 0.5, (30, 1)), 4, axis=1)
        sizes = draw.choice([0, 4, 8, 16], (30, 4))
        found = between_runs(sampled(draw, rates, sizes))
        assert found is not None
        alarms, strict = alarms + (found.p <= 0.1), strict + (found.p <= 0.01)
    assert 20 <= alarms <= 60  # 40 of 400 expected
    assert strict <= 12


def test_a_drift_of_all_problems_is_found() -> None:
    draw = np.random.default_rng(0)
    found = 0
    for _ in range(40):
        rates = np.clip(draw.beta(0.3, 0.5, (164, 1)), 1e-9, 1 - 1e-9)
        drifted = 1 / (1 + (1 - rates) / rates * np.exp(draw.normal(0, 0.3, (1, 4))))
        found += drift_note(sampled(draw, drifted, np.full((164, 4), 16))) is not None
    assert found >= 30


def test_a_drift_is_told_with_its_size() -> None:
    note = drift_note(measurement([[(8, 8), (8, 0), (8, 1)]] * 5))
    assert note is not None
    assert note.startswith("the 3 runs of main differ more than their samples explain (χ² = ")
    assert "df = 2" in note
    steady = measurement([[(8, 4), (8, 4), (8, 5)]] * 5)
    drift = between_runs(steady)
    assert drift is not None
    assert drift.p > ALARM
    assert drift_note(steady) is None


@pytest.mark.parametrize(
    "nothing",
    [
        measurement([[(8, 8), (8, 0)]] * 5),  # two runs
        measurement([[]] * 5, runs=1),
        measurement([[(8, 8), (8, 8), (8, 8)], [(4, 0), (8, 0), (0, 0)]]),  # nothing could have come out otherwise
        measurement([[(8, 3), (0, 0), (0, 0)], [(0, 0), (8, 8), (0, 0)]]),  # no problem in two runs
        measurement([[]] * 5, runs=3),  # counts that are not told by run
        Measurement("empty", "sums", {}, {}, None, None, measurement([[(1, 1)] * 3]).runs, ()),
    ],
)
def test_where_runs_cannot_be_told_apart_nothing_is_said(nothing: Measurement) -> None:
    assert between_runs(nothing) is None
    assert drift_note(nothing) is None
