"""Throughput and latency on both sides of a comparison."""

import pytest

from pytest_passatk.gate.comparison import PaceLine
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, Tolerance, parse_requirement
from pytest_passatk.gate.measurement import MeasuredRun, Measurement, Pace
from pytest_passatk.gate.pace import compare_pace

SPEED = Policy(parse_requirement("tokens/s:5%"))


def side(label: str, *paces: Pace | None) -> Measurement:
    runs = tuple(
        MeasuredRun(f"{label} {number}", number, "2026-01-01T00:00:00", {}, pace) for number, pace in enumerate(paces)
    )
    return Measurement(label, "sums", {}, {}, None, None, runs, ())


def speeds(label: str, *values: float, machine: str = "cpu, box") -> Measurement:
    return side(label, *(Pace(machine, {"tokens/s": value}) for value in values))


def line(before: Measurement, after: Measurement, policy: Policy = SPEED) -> PaceLine:
    (found,) = compare_pace(before, after, policy)
    return found


@pytest.mark.parametrize(
    ("new", "decision", "loss"),
    [
        (96.0, Decision.OK, 0.04),
        (95.0, Decision.OK, 0.05),
        (94.0, Decision.REGRESSED, 0.06),
        (104.0, Decision.OK, -0.04),
        (110.0, Decision.IMPROVED, -0.1),
    ],
)
def test_of_one_run_the_point_decides(new: float, decision: Decision, loss: float) -> None:
    found = line(speeds("main", 100.0), speeds("this run", new))
    assert (found.metric, found.before, found.after) == ("tokens/s", 100.0, new)
    assert found.loss == pytest.approx(loss)
    assert found.decision is decision
    assert found.tolerance == Tolerance(5, "%")
    assert found.why == ""


def test_a_latency_that_grows_is_a_loss() -> None:
    before = side("main", Pace("box", {"latency_p95": 2.0, "first_token_p50": 0.1}))
    after = side("this run", Pace("box", {"latency_p95": 2.2, "first_token_p50": 0.05}))
    found = compare_pace(before, after, Policy(parse_requirement("latency_p95:5%")))
    assert [each.metric for each in found] == ["latency_p95", "first_token_p50"]
    assert [each.loss for each in found] == pytest.approx([0.1, -0.5])
    assert [each.decision for each in found] == [Decision.REGRESSED, None]


def test_what_was_not_asked_for_has_no_verdict() -> None:
    found = line(speeds("main", 100.0), speeds("this run", 10.0), Policy({}))
    assert (found.decision, found.tolerance, found.why) == (None, None, "")
    assert found.loss == pytest.approx(0.9)
    assert compare_pace(side("main", None), side("this run", None), Policy({})) == ()


def test_the_baseline_is_the_median_of_its_runs_with_a_pace() -> None:
    before = side("main", *(Pace("box", {"tokens/s": value}) for value in (90.0, 100.0)), None, Pace("box", {}))
    assert line(before, speeds("this run", 95.0, machine="box")).before == 95.0
    assert line(speeds("main", 1.0, 100.0, 101.0), speeds("this run", 100.0)).before == 100.0


def test_a_loss_that_the_baseline_has_among_its_own_runs_is_inconclusive() -> None:
    wide, narrow = speeds("main", 100, 90, 110, 95, 105), speeds("main", 100, 99.9, 100.1, 100, 100)
    found = line(wide, speeds("this run", 92.0))
    assert found.decision is Decision.INCONCLUSIVE
    assert found.why == "the runs of main differ as much"
    assert line(narrow, speeds("this run", 92.0)).decision is Decision.REGRESSED
    assert line(wide, speeds("this run", 20.0)).decision is Decision.REGRESSED
    assert line(wide, speeds("this run", 108.0)).decision is Decision.OK
    assert line(narrow, speeds("this run", 108.0)).decision is Decision.IMPROVED


def test_the_spread_of_two_runs_is_not_known() -> None:
    assert line(speeds("main", 110, 90), speeds("this run", 92.0)).decision is Decision.REGRESSED
    assert line(speeds("main", 100, 100, 100), speeds("this run", 92.0)).decision is Decision.REGRESSED


def test_the_spread_is_a_prediction_interval_at_the_policys_alpha() -> None:
    # mean 100, deviation 10, five runs: t(0.99, 4) = 3.747, off by 10 · √1.2 · 3.747 = 41.05
    before = speeds("main", 100 - 10 * 2**0.5, 100, 100, 100, 100 + 10 * 2**0.5)
    assert line(before, speeds("this run", 100 - 41.0)).decision is Decision.INCONCLUSIVE
    assert line(before, speeds("this run", 100 - 41.1)).decision is Decision.REGRESSED
    loose = Policy(SPEED.asked, alpha=0.05)
    assert line(before, speeds("this run", 100 - 41.0), loose).decision is Decision.REGRESSED


def test_another_machine_is_no_comparison() -> None:
    found = line(speeds("main", 100.0), speeds("this run", 50.0, machine="cuda, H200"))
    assert (found.decision, found.loss) == (None, None)
    assert (found.before, found.after) == (100.0, 50.0)
    assert "main ran on cpu, box, this run on cuda, H200" in found.why


def test_runs_of_another_machine_are_left_out() -> None:
    before = side(
        "main", Pace("old", {"tokens/s": 10.0}), Pace("new", {"tokens/s": 100.0}), Pace("new", {"tokens/s": 102.0})
    )
    assert line(before, speeds("this run", 101.0, machine="new")).before == 101.0


@pytest.mark.parametrize(
    ("before", "after", "lacking"),
    [
        (side("main", None), speeds("this run", 1.0), "no tokens/s in main:"),
        (speeds("main", 1.0), side("this run"), "no tokens/s in this run:"),
        (side("main"), side("this run", None), "no tokens/s in main and this run:"),
        (speeds("main", 0.0), speeds("this run", 1.0), "no tokens/s in main:"),
    ],
)
def test_what_a_side_lacks_is_told_and_not_decided(before: Measurement, after: Measurement, lacking: str) -> None:
    found = line(before, after)
    assert found.decision is None
    assert found.tolerance is not None
    assert found.why.startswith(lacking)
    assert "--no-cache" in found.why
