"""The ratio of two speeds: by hand, by simulation, and which runs are pairs."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, inf, log, pi, tan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.distributions import t_quantile, t_survival
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement, Pace
from pytest_passatk.gate.pace import compare_pace
from pytest_passatk.gate.ratio import Ratio, paired_ratio, ratio_of

HERE, THERE = "cpu, x86_64, 4 cores", "cuda:0, x86_64, 64 cores"
NOW = "2026-01-02T03:04:05+00:00"


def side(label: str, speeds: Sequence[float | None], *, machine: str = HERE) -> Measurement:
    runs = tuple(
        MeasuredRun(f"{label} {seed}", seed, NOW, {}, None if speed is None else Pace(machine, {"tokens/s": speed}))
        for seed, speed in enumerate(speeds)
    )
    return Measurement(label, "sums", {}, {}, None, None, runs, ())


def ratio(before: Measurement, after: Measurement) -> Ratio | None:
    return paired_ratio(before, after, "tokens/s", 0.95)


def seen(found: Ratio | None) -> tuple[Any, ...]:
    assert found is not None
    return found.value, found.interval, found.runs


def test_a_ratio_by_hand() -> None:
    """Ratios of .8, .9 and 1.0: mean of the logs −.10950, their deviation .11163, t of 2 degrees 4.3027."""
    found = ratio_of([(100, 80), (200, 180), (50, 50)], 0.95)
    assert found is not None
    assert found.value == pytest.approx(exp((log(0.8) + log(0.9)) / 3))
    assert found.interval == pytest.approx((0.6792, 1.1827), abs=1e-4)
    assert found.runs == 3


def test_one_pair_tells_a_ratio_and_no_interval() -> None:
    assert seen(ratio_of([(100, 80)], 0.95)) == (pytest.approx(0.8), None, 1)


def test_nothing_tells_nothing() -> None:
    assert ratio_of([], 0.95) is None


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)), min_size=2, max_size=6))
def test_turning_the_sides_round_turns_the_ratio_round(pairs: list[tuple[float, float]]) -> None:
    there, back = ratio_of(pairs, 0.95), ratio_of([(new, old) for old, new in pairs], 0.95)
    assert there is not None
    assert back is not None
    assert there.interval is not None
    assert back.interval is not None
    assert there.value * back.value == pytest.approx(1)
    assert [log(end) for end in there.interval] == pytest.approx([-log(end) for end in back.interval[::-1]], abs=1e-6)
    assert there.interval[0] <= there.value * (1 + 1e-12)


@pytest.mark.parametrize("runs", [2, 3, 8])
def test_the_interval_covers_the_true_ratio_as_often_as_it_says(runs: int) -> None:
    """Machines drift by 30 % between pairs, which cancels, and by 5 % within them: coverage 95 % ± 1.6 (3 SE)."""
    draw = np.random.default_rng(runs)
    hits = 0
    for _ in range(2000):
        machine = np.exp(draw.normal(0, 0.3, runs))
        before, after = (1000 * machine * np.exp(draw.normal(log(share), 0.05, runs)) for share in (1, 0.9))
        found = ratio_of(list(zip(before, after, strict=True)), 0.95)
        assert found is not None
        assert found.interval is not None
        hits += found.interval[0] <= 0.9 <= found.interval[1]
    assert abs(hits / 2000 - 0.95) < 0.016


@pytest.mark.parametrize(
    ("share", "df", "table"), [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 9, 2.26216), (0.995, 4, 4.60409)]
)
def test_quantiles_are_those_of_the_tables(share: float, df: int, table: float) -> None:
    assert t_quantile(share, df) == pytest.approx(table, abs=1e-4)


@given(st.floats(0.5, 0.9999), st.integers(1, 60))
def test_a_quantile_is_the_inverse_of_the_tail(share: float, df: int) -> None:
    assert t_survival(t_quantile(share, df), df) == pytest.approx(1 - share, abs=1e-9)


@given(st.floats(0.5, 0.9999))
def test_one_degree_is_cauchys(share: float) -> None:
    assert t_quantile(share, 1) == pytest.approx(tan(pi * (share - 0.5)), rel=1e-6, abs=1e-9)


def test_runs_of_one_seed_are_pairs() -> None:
    both, one = side("none", [100, 50]), side("none", [100, None])
    assert seen(ratio(both, side("esamp", [80, 40]))) == (pytest.approx(0.8), pytest.approx((0.8, 0.8)), 2)
    assert seen(ratio(one, side("esamp", [80, 40]))) == (pytest.approx(0.8), None, 1)
    assert ratio(one, side("esamp", [None, 40])) is None


def test_runs_of_two_machines_are_no_pairs() -> None:
    assert ratio(side("none", [100, 50], machine=THERE), side("esamp", [80, 40])) is None


def test_the_ratio_stands_beside_the_medians_of_both_sides() -> None:
    [line] = compare_pace(side("none", [100, 50, 60]), side("esamp", [80, 40, 48]), Policy({}), one_session=True)
    assert (line.before, line.after) == (60, 48)
    assert line.ratio is not None
    assert line.ratio.value == pytest.approx(0.8)
    assert line.ratio.interval is not None
    assert 0 < line.ratio.interval[0] <= line.ratio.interval[1] < inf


def test_only_arms_of_one_session_are_pairs() -> None:
    sides = side("main", [100, 50, 60]), side("this run", [80, 40, 48])
    before, after = (replace(each, problems=(Measured("p", 4, 2),)) for each in sides)
    assert compare(before, after, (1,), Policy({}), one_session=True).pace[0].ratio is not None
    assert compare(before, after, (1,), Policy({})).pace[0].ratio is None
