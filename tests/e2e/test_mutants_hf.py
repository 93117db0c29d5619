"""The patches with one fault each on a network of transformers."""

from collections.abc import Iterator

import pytest
from catalogue import CLASSIC, Benches, Mutant, mutants_on

from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress import bench
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.classics import CLASSICS
from pytest_passatk.stress.hf_runtime import load

pytestmark = pytest.mark.hf

ROUNDS = 10
PATIENCE = 3.0  # seconds for one that hangs


@pytest.fixture(scope="module")
def benches() -> Iterator[Benches]:
    runtime = load("tiny", ModelOptions())
    yield Benches(runtime)
    runtime.close()


@pytest.mark.parametrize("mutant", mutants_on("hf"), ids=lambda mutant: mutant.name)
def test_each_mutant_is_caught(mutant: Mutant, benches: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant.oracle is Oracle.HANG:
        monkeypatch.setattr(bench, "CASE_SECONDS", PATIENCE)
    alarms = benches.hear(mutant)
    assert alarms, "it got through"
    assert alarms[0].oracle is mutant.oracle


def test_a_whole_index_breaks_in_the_third_forward_pass(benches: Benches) -> None:
    finding = benches.new("taps:FullIndex").examine(CLASSIC["pair"])
    assert finding.alarms[0].text.startswith("IndexError: index out of range in self")
    assert finding.alarms[0].step == 2


def test_a_clamped_index_is_seen_by_canaries_alone(benches: Benches) -> None:
    finding = benches.new("taps:Clamp").examine(CLASSIC["refill"])
    assert {alarm.oracle for alarm in finding.alarms} == {Oracle.CANARY}


@pytest.mark.parametrize("name", ["SlotPerRequest", "CountCached", "RowsFromZero"])
def test_rows_that_leave_in_order_hide_wrong_ones(name: str, benches: Benches) -> None:
    assert benches.new(f"taps:{name}").examine(CLASSIC["lifo-8"]).alarms == ()


def test_the_sound_tap_passes_everything_ten_times_over(benches: Benches) -> None:
    passed = 0
    for _ in range(ROUNDS):
        again = benches.inside("taps:Repaired")
        for schedule in CLASSICS:
            finding = again.examine(again.fit(schedule))
            assert finding.alarms == (), schedule.name
            assert finding.active
            passed += 1
    assert passed == ROUNDS * len(CLASSICS)


def test_a_sound_sampler_passes(benches: Benches) -> None:
    again = benches.new("samplers:MinPRows")
    assert all(again.examine(again.fit(schedule)).alarms == () for schedule in CLASSICS)
