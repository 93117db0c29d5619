"""Looks while samples come in: published boundaries, and what a simulated gate does with them."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, Tolerance
from pytest_passatk.gate.looks import boundaries, fractions, information, schedule, spent
from pytest_passatk.gate.monitor import Monitor, plan_monitors

# One-sided, equally spaced, spending 2 (1 - Phi(z(1 - alpha/2) / sqrt t)): Lan and DeMets 1983, and later software.
PUBLISHED = {
    (0.025, 2): (2.9626, 1.9686),
    (0.025, 3): (3.7103, 2.5114, 1.9930),
    (0.025, 5): (4.8769, 3.3569, 2.6803, 2.2898, 2.0310),
    (0.05, 2): (2.538, 1.662),
    (0.05, 3): (3.200, 2.141, 1.695),
    (0.05, 5): (4.229, 2.888, 2.298, 1.962, 1.740),
}


@pytest.mark.parametrize(("alpha", "looks"), PUBLISHED)
def test_the_boundaries_are_those_of_the_tables(alpha: float, looks: int) -> None:
    levels = boundaries([(look + 1) / looks for look in range(looks)], alpha)
    assert [-NormalDist().inv_cdf(level) for level in levels] == pytest.approx(PUBLISHED[alpha, looks], abs=6e-4)


def test_one_look_spends_all() -> None:
    assert boundaries([1.0], 0.01) == pytest.approx((0.01,), rel=1e-9)


uneven = st.sets(st.integers(1, 49), min_size=1, max_size=4).map(
    lambda times: [time / 50 for time in sorted({*times, 50})]
)


@settings(deadline=None, max_examples=40)
@given(uneven, st.floats(0.001, 0.2))
def test_levels_lie_between_what_is_spent_at_a_look_and_by_it(times: list[float], alpha: float) -> None:
    used = 0.0
    for time, level in zip(times, boundaries(times, alpha), strict=True):
        by_now = spent(time, alpha)
        if level:
            assert by_now - used <= level * (1 + 1e-6), "a path that stopped before cannot stop again"
            assert level <= by_now * (1 + 1e-6)
            used = by_now


def test_simulated_paths_stop_as_often_as_may_be_spent() -> None:
    times, alpha, paths = np.array([0.15, 0.3, 0.7, 1.0]), 0.05, 400_000
    steps = np.random.default_rng(3).normal(size=(paths, 4)) * np.sqrt(np.diff(times, prepend=0.0))
    scores = steps.cumsum(axis=1) / np.sqrt(times)
    edges = [-NormalDist().inv_cdf(level) for level in boundaries(list(times), alpha)]
    stopped = np.logical_or.accumulate(scores >= edges, axis=1).mean(axis=0)
    expected = [spent(float(time), alpha) for time in times]
    assert stopped == pytest.approx(expected, abs=5 * np.sqrt(alpha / paths))


@pytest.mark.parametrize("times", [[], [0.5], [0.5, 0.5, 1.0], [0.0, 1.0], [0.8, 0.4, 1.0], [0.5, 1.2]])
def test_information_that_does_not_go_up_to_all_is_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="end at 1"):
        boundaries(times, 0.05)


def test_a_look_that_could_not_decide_has_no_level() -> None:
    levels = boundaries([0.05, 0.5, 1.0], 0.01)
    assert levels[0] == 0
    assert levels[1:] == pytest.approx(boundaries([0.5, 1.0], 0.01), rel=1e-9)


# When to look


@pytest.mark.parametrize(
    ("n", "k", "sizes"),
    [
        (64, 1, (8, 16, 32, 64)),
        (64, 16, (16, 32, 64)),
        (20, 1, (3, 5, 10, 20)),
        (8, 1, (2, 4, 8)),
        (8, 8, (8,)),
        (1, 1, (1,)),
    ],
)
def test_looks_come_at_parts_of_n_that_allow_every_k(n: int, k: int, sizes: tuple[int, ...]) -> None:
    assert schedule(n, k) == sizes


def counts(n: int, *passes: int) -> list[Count]:
    return [Count(f"p{number}", n, c) for number, c in enumerate(passes)]


def test_information_at_pass_1_grows_with_the_harmonic_mean_of_both_sides() -> None:
    assert information(counts(64, 3, 60), 1, 16) == pytest.approx(1 / (1 / 64 + 1 / 16))
    assert fractions(counts(64, 3, 60), 1, (16, 64)) == pytest.approx([0.4, 1.0])


def test_information_at_pass_k_comes_from_what_the_baseline_foresees() -> None:
    before = counts(64, 3, 20, 40, 60, 64, 0)
    times = fractions(before, 4, (8, 16, 32))
    assert times[-1] == 1
    assert times == sorted(times)
    assert times != pytest.approx(fractions(before, 1, (8, 16, 32)), rel=1e-3)


def test_a_baseline_without_variance_plans_as_at_pass_1() -> None:
    certain = counts(64, 0, 64, 64)  # whatever is sampled of these, it will be the same
    assert fractions(certain, 2, (8, 32)) == pytest.approx(fractions(certain, 1, (8, 32)))


# A gate that looks

P, N, BASE = 120, 32, 128
RUNS = 50
POLICY = Policy({"pass@1": Tolerance(3.0, "pp")}, alpha=0.05)


def run(monitor: Monitor, draws: Sequence[Sequence[bool]]) -> Decision:
    """Show a monitor more of the draws (one sequence a problem) until it has decided, or seen all."""
    for size in monitor.sizes:
        seen = [Count(f"p{number}", size, sum(each[:size])) for number, each in enumerate(draws)]
        if monitor.look(seen):
            break
    assert monitor.looks is not None
    return monitor.looks.lines[1].decision


def simulate(drop: float, runs: int = RUNS) -> tuple[dict[Decision, float], float]:
    """How often a gate comes to each verdict, and the share of samples that it saves."""
    generator, verdicts, saved = np.random.default_rng(11), dict.fromkeys(Decision, 0.0), 0.0
    for _ in range(runs):
        rates = generator.beta(2, 1.2, P)
        before = [Count(f"p{number}", BASE, int(c)) for number, c in enumerate(generator.binomial(BASE, rates))]
        monitor = Monitor(before, (1,), schedule(N, 1), POLICY, 1)
        draws = generator.random((P, N)) < np.maximum(rates - drop, 0)[:, None]
        verdicts[run(monitor, draws.tolist())] += 1 / runs
        assert monitor.looks is not None
        saved += monitor.looks.saved / runs
    return verdicts, saved


def test_an_unchanged_model_rarely_regresses_and_stops_early() -> None:
    verdicts, saved = simulate(drop=0.0)
    assert verdicts[Decision.REGRESSED] < 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5
    assert verdicts[Decision.OK] > 0.9
    assert saved > 0.25


def test_a_drop_as_large_as_tolerated_is_rarely_ok() -> None:
    verdicts, _ = simulate(drop=0.03)
    assert verdicts[Decision.OK] < 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5
    assert verdicts[Decision.REGRESSED] > 0.5


def test_a_large_drop_is_found_with_few_samples() -> None:
    verdicts, saved = simulate(drop=0.15, runs=15)
    assert verdicts[Decision.REGRESSED] == pytest.approx(1)
    assert saved > 0.7


def test_a_figure_that_is_decided_stays_so_while_others_go_on() -> None:
    before = counts(256, *[128] * 30, *[40] * 4)
    policy = Policy({"pass@1": Tolerance(3.0, "pp"), "pass@4": Tolerance(3.0, "pp")}, alpha=0.05)
    monitor = Monitor(before, (1, 4), (8, 16), policy, 2)
    assert not monitor.look(counts(8, *[7] * 30, *[0] * 4))  # what pass@4 gains in many it loses in few
    assert monitor.looks is not None
    first = monitor.looks.lines[1]
    assert (first.decision, first.number, first.n) == (Decision.IMPROVED, 1, 8)
    assert not monitor.looks.lines[4].decided
    monitor.look(counts(16, *[8] * 30, *[0] * 4))
    assert monitor.looks.lines[1] == first
    assert monitor.looks.lines[4].number == 2


def suite(name: str, n: int = 32, ks: tuple[int, ...] = (1, 8)) -> PlannedSuite:
    problems = tuple(PlannedProblem(f"p{number}", "?", "judge") for number in range(3))
    return PlannedSuite(f"t.py::test_{name}", "tiny", SamplingParams(), n, ks, False, problems)


def test_the_gates_of_a_run_share_alpha() -> None:
    suites = [suite("one"), suite("two")]
    before = {each.key: counts(64, 10, 30, 50) for each in suites}
    together = plan_monitors(suites, before, Policy({}))
    alone = plan_monitors(suites[:1], before, Policy({}, alpha=0.005))
    for monitors in (together, alone):
        monitors[suites[0].key].look(counts(8, 1, 4, 6))
    [ours, theirs] = [monitors[suites[0].key].looks for monitors in (together, alone)]
    assert ours is not None
    assert theirs is not None
    assert (ours.gates, theirs.gates) == (4, 2)
    assert ours.levels == pytest.approx(theirs.levels)


def test_what_has_no_baseline_or_too_few_samples_has_no_looks() -> None:
    known, new, short = suite("known"), suite("new"), suite("short", n=4, ks=(1,))
    before = {known.key: counts(64, 10, 30, 50), short.key: counts(64, 1, 2, 3)}
    policy = Policy({"pass@1": Tolerance(3.0, "pp"), "pass@8": Tolerance(3.0, "pp")})
    assert set(plan_monitors([known, new, short], before, policy)) == {known.key}


def test_problems_that_the_run_leaves_out_have_no_say_in_when_to_look() -> None:
    before = {suite("it").key: [*counts(64, 10, 30, 50), Count("elsewhere", 2, 1)]}
    monitors = plan_monitors([suite("it")], before, Policy({}))
    assert monitors[suite("it").key].sizes[-1] == 32
