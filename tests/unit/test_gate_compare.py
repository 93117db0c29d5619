"""Two measurements compared: the figures of each suite, and the verdicts of all together."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, hypot
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_passatk.core.interval import estimate
from pytest_passatk.gate.compare import compare, settle
from pytest_passatk.gate.comparison import Comparison, Line
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, parse_requirement
from pytest_passatk.gate.holm import holm
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement, Pace
from pytest_passatk.gate.pairs import pair_up
from pytest_passatk.gate.permutation import pass_at, pooled_test, sign_flip_test
from pytest_passatk.gate.power import detectable
from pytest_passatk.report.wording import needs

POLICY = Policy({})


def side(label: str, passes: Sequence[int], n: int, runs: Sequence[MeasuredRun] = ()) -> Measurement:
    problems = tuple(Measured(f"{number:04}", n, int(c)) for number, c in enumerate(passes))
    return Measurement(label, "sums", {}, {}, None, None, tuple(runs), problems)


def sides(problems: int, n: int, shift: float = 0.0, seed: int = 0) -> tuple[Measurement, Measurement]:
    draw = np.random.default_rng(seed)
    rates = draw.beta(2, 2, problems)
    after = (rates + shift).clip(0, 1)
    return side("main", draw.binomial(n, rates).tolist(), n), side("this run", draw.binomial(n, after).tolist(), n)


def by_metric(comparison: Comparison) -> dict[str, Line]:
    return {line.metric: line for line in comparison.lines}


def test_a_line_says_what_its_parts_say() -> None:
    before, after = sides(60, 16, -0.05)
    line = by_metric(compare(before, after, (1, 4), POLICY))["pass@4"]
    old, new, pairs = estimate(before.counts, 4), estimate(after.counts, 4), pair_up(before.counts, after.counts)
    error, normal = hypot(old.run_se, new.run_se), NormalDist()
    pooled, flipped = pooled_test(pairs, pass_at(4)), sign_flip_test(pairs, pass_at(4))
    assert (line.before, line.after) == (old, new)
    assert line.delta == pytest.approx(new.value - old.value)
    assert line.interval == pytest.approx((line.delta - 1.959964 * error, line.delta + 1.959964 * error))
    assert line.bound == pytest.approx(line.delta - normal.inv_cdf(0.99) * error)
    assert (line.p_down, line.p_up) == (pooled.down, pooled.up)
    assert line.p_generalises == pytest.approx(flipped.below + flipped.at)
    assert line.tolerated == pytest.approx(0.03)


def test_arms_of_one_session_are_told_the_samples_that_both_take() -> None:
    before, after = sides(30, 4)
    runs = [MeasuredRun(f"key {seed}", seed, "2026-01-01", {}) for seed in range(2)]
    arms = replace(before, runs=tuple(runs)), replace(after, runs=tuple(runs))
    policy = Policy(parse_requirement("pass@1:1pp"))
    [alone] = needs(compare(before, after, (1,), policy))
    assert alone.endswith("no --n finds a drop of 1 points with this baseline: sample it more, too")
    together = compare(*arms, (1,), policy, one_session=True)
    needed = by_metric(together)["pass@1"].needed
    assert needed is not None
    assert list(needs(together)) == [f"pass@1 is inconclusive: --n {ceil(needed / 2)} finds a drop of 1 points"]


def test_the_default_family_is_gated_and_the_rest_is_reported() -> None:
    lines = by_metric(compare(*sides(60, 16), (1, 2, 4, 8, 16, 64), POLICY))
    assert list(lines) == ["pass@1", "pass@2", "pass@4", "pass@8", "pass@16"]
    assert [metric for metric, line in lines.items() if line.gated] == ["pass@1", "pass@4"]
    assert [metric for metric, line in lines.items() if line.conservative] == ["pass@16"]


def test_what_is_asked_for_is_shown_even_where_nobody_reports_it() -> None:
    policy = Policy(parse_requirement("pass@3:2%"))
    lines = by_metric(compare(*sides(60, 8), (1, 8), policy))
    assert list(lines) == ["pass@1", "pass@3", "pass@8"]
    assert [line.gated for line in lines.values()] == [False, True, False]
    assert lines["pass@3"].tolerated == pytest.approx(0.02 * lines["pass@3"].before.value)


def test_too_few_samples_for_a_gate_are_incomparable_and_named() -> None:
    before, after = sides(7, 8)
    found = compare(before, after, (1,), Policy(parse_requirement("pass@16:3pp")))
    assert found.lines == ()
    (why,) = found.incomparable
    assert why.startswith("pass@16 needs 16 samples of every problem on both sides; too few: 0000 (8 and 8)")
    assert why.endswith("and 2 more")


def test_measurements_without_a_common_problem_are_incomparable() -> None:
    before, after = sides(3, 8)
    others = replace(after, problems=tuple(replace(each, id=f"new {each.id}") for each in after.problems))
    assert compare(before, others, (1,), POLICY).incomparable == ("no problem of this run is in main",)


@pytest.mark.parametrize(
    ("shift", "expected"), [(0.1, Decision.IMPROVED), (0.0, Decision.OK), (-0.1, Decision.REGRESSED)]
)
def test_a_large_change_of_many_samples_has_its_verdict(shift: float, expected: Decision) -> None:
    found = compare(*sides(200, 32, shift), (1, 8), POLICY)
    assert by_metric(found)["pass@1"].decision is expected
    assert ("pass@1" in found.regressed) == (expected is Decision.REGRESSED)


def test_a_small_run_is_inconclusive_and_says_what_it_could_have_seen() -> None:
    found = compare(*sides(10, 4), (1,), POLICY)
    line = by_metric(found)["pass@1"]
    assert line.decision is Decision.INCONCLUSIVE
    assert found.inconclusive == ("pass@1",)
    assert line.detectable > line.tolerated
    assert line.needed is None or line.needed > 4


def test_a_real_drop_within_the_tolerance_is_ok_and_told() -> None:
    line = by_metric(compare(*sides(2000, 64, -0.012), (1,), POLICY))["pass@1"]
    assert line.decision is Decision.OK
    assert line.small_drop


@pytest.mark.parametrize(("old", "new"), [(0, 0), (8, 8)])
@pytest.mark.parametrize("problems", [1, 30])
def test_sides_that_agree_on_everything_have_not_moved(old: int, new: int, problems: int) -> None:
    found = compare(side("main", [old] * problems, 8), side("this run", [new] * problems, 8), (1, 2, 8), POLICY)
    for line in found.lines:
        assert (line.delta, line.p_down, line.p_up) == pytest.approx((0, 0.5, 0.5))
        assert line.decision in {Decision.OK, Decision.INCONCLUSIVE}
    assert found.moves == ()


def test_all_lost_is_a_regression_of_one_problem_with_enough_samples() -> None:
    found = compare(side("main", [16], 16), side("this run", [0], 16), (1,), POLICY)
    assert found.regressed == ("pass@1",)
    single = compare(side("main", [1], 1), side("this run", [0], 1), (1,), POLICY)
    assert single.inconclusive == ("pass@1",)


@settings(deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8),
)
def test_any_counts_compare(n_before: int, n_after: int, passes: list[tuple[int, int]]) -> None:
    before = side("main", [min(c, n_before) for c, _ in passes], n_before)
    after = side("this run", [min(c, n_after) for _, c in passes], n_after)
    found = compare(before, after, (1, 2, 3, n_before, n_after), POLICY)
    for line in found.lines:
        assert -1 <= line.interval[0] <= line.delta <= line.interval[1] <= 1
        assert all(0 <= p <= 1 + 1e-12 for p in (line.p_down, line.p_up, line.p_generalises, *line.adjusted))
        assert line.p_down + line.p_up == pytest.approx(1)
        assert line.detectable > 0


def test_verdicts_share_the_risk_of_a_false_alarm() -> None:
    drawn = [compare(*sides(60, 16, shift, seed), (1, 4), POLICY) for seed, shift in ((1, 0.0), (2, -0.1), (3, -0.03))]
    settled = settle(drawn)
    gated = [line for comparison in settled for line in comparison.lines if line.gated]
    assert [line.adjusted[0] for line in gated] == holm([line.p_down for line in gated])
    assert [line.adjusted[1] for line in gated] == holm([line.p_up for line in gated])
    assert settled[1].regressed == ("pass@1", "pass@4")
    assert all(line.detectable > first.detectable for line, first in zip(
        settled[0].lines, drawn[0].lines, strict=True))  # fmt: skip


def test_a_doubtful_drop_among_many_gates_is_no_regression() -> None:
    seed = next(
        seed
        for seed in range(200)
        if 0.003 < compare(*sides(60, 16, -0.05, seed), (1,), POLICY).lines[0].p_down < 0.009
    )  # fmt: skip
    alone = compare(*sides(60, 16, -0.05, seed), (1,), POLICY)
    assert alone.regressed == ("pass@1",)
    others = [compare(*sides(60, 16, 0.0, 1000 + other), (1,), POLICY) for other in range(5)]
    assert settle([alone, *others])[0].regressed == ()


def test_what_a_gate_could_see_counts_the_other_gates() -> None:
    line = compare(*sides(60, 16), (1, 4), POLICY).lines[0]
    error = hypot(line.before.run_se, line.after.run_se)
    assert line.detectable == pytest.approx(detectable(error**2, 0.005))


def test_runs_that_drift_and_a_slower_engine_are_told() -> None:
    runs = [MeasuredRun(str(number), number, "", {}, Pace("box", {"tokens/s": 100.0})) for number in range(3)]
    steady, after = sides(30, 24)
    drifted = tuple(replace(each, n=24, c=9, runs=((8, 8), (8, 1), (8, 0))) for each in steady.problems)
    before = replace(steady, runs=tuple(runs), problems=drifted)
    slow = replace(after, runs=(MeasuredRun("new", 9, "", {}, Pace("box", {"tokens/s": 50.0})),))
    found = compare(before, slow, (1,), Policy(parse_requirement("tokens/s:5%")))
    assert [note.partition(" differ")[0] for note in found.notes] == ["the 3 runs of main"]
    assert [line.decision for line in found.pace] == [Decision.REGRESSED]
    assert found.regressed == ("tokens/s",)
