"""The patches with one fault each on a network of transformers."""

from collections.abc import Iterator

import pytest
from catalogue import CLASSIC, Benches, Mutant, mutants_on

from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.hf_runtime import load

pytestmark = pytest.mark.hf


@pytest.fixture(scope="module")
def benches() -> Iterator[Benches]:
    runtime = load("tiny", ModelOptions())
    yield Benches(runtime)
    runtime.close()


@pytest.mark.parametrize("mutant", mutants_on("hf"), ids=lambda mutant: mutant.name)
def test_each_mutant_is_caught(mutant: Mutant, benches: Benches) -> None:
    assert benches.caught_by(mutant) is mutant.oracle


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
    findings = benches.findings("taps:Repaired", rounds=10)
    assert [finding for finding in findings if finding.alarms or not finding.active] == []


def test_a_sound_sampler_passes(benches: Benches) -> None:
    assert [finding for finding in benches.findings("samplers:MinPRows") if finding.alarms] == []
