"""The embedded suites are worth running on the embedded model: graded, neither solved nor hopeless."""

from typing import TypeAlias

import pytest

from fixtures.tiny.measure import count, sample, suite_named
from pytest_passatk import Status
from pytest_passatk.core.check import probes
from pytest_passatk.core.estimate import Count, mean_pass_at_k
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.rows import load_problems
from pytest_passatk.judging.judge import BodyJudge
from pytest_passatk.models.tiny import load

N = 16
NAMES = ("arithmetic", "countdown", "multiple_choice", "short_code")
Counts: TypeAlias = list[Count]


@pytest.fixture(scope="module")
def measured() -> dict[str, Counts]:
    model, suites = load("", ModelOptions()), {name: suite_named(name) for name in NAMES}
    return {name: count(suite, sample(suite, model, N, seed=0), N) for name, suite in suites.items()}


def test_arithmetic_has_room_on_both_sides(measured: dict[str, Counts]) -> None:
    counts = measured["arithmetic"]
    one, eight = mean_pass_at_k(counts, 1), mean_pass_at_k(counts, 8)
    assert 0.3 <= one <= 0.6
    assert eight >= one + 0.15
    assert any(each.c == 0 for each in counts)
    assert any(each.c == N for each in counts)


@pytest.mark.parametrize("name", ["countdown", "short_code"])
def test_more_samples_solve_more_problems(measured: dict[str, Counts], name: str) -> None:
    curve = [mean_pass_at_k(measured[name], k) for k in (1, 2, 4, 8, 16)]
    assert 0.1 < curve[0] < curve[-1] - 0.1 < 0.9
    assert curve == sorted(curve)


def test_multiple_choice_is_the_chance_control(measured: dict[str, Counts]) -> None:
    for k in (1, 2, 4, 8):
        assert mean_pass_at_k(measured["multiple_choice"], k) == pytest.approx(1 - 0.75**k, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_easier_levels_are_solved_more_often(measured: dict[str, Counts], name: str) -> None:
    levels = {problem.id: int(problem["level"]) for problem in load_problems(suite_named(name))}
    by_level = {
        level: mean_pass_at_k([each for each in measured[name] if levels[each.id] == level], 1)
        for level in set(levels.values())
    }
    if name == "multiple_choice":
        assert max(by_level.values()) - min(by_level.values()) < 0.1
    else:
        assert by_level[1] > by_level[3] > by_level[5] == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_verifier_proves_itself(name: str) -> None:
    suite = suite_named(name)
    judge = BodyJudge(suite.body, suite.extract)
    for problem in load_problems(suite):
        for probe in probes(suite, problem):
            assert (judge(problem, probe.completion).status is Status.PASS) == probe.right, (problem.id, probe.name)
