"""The patches with one fault each on real vLLM: each symptom is vLLM's own, and each is caught."""

import re
from collections.abc import Iterator

import pytest
from catalogue import CLASSIC, Benches, Mutant, mutants_on

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.vllm_runtime import load

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def benches() -> Iterator[Benches]:
    runtime = load("tiny", ModelOptions())
    yield Benches(runtime)
    runtime.close()


@pytest.mark.parametrize("mutant", mutants_on("vllm"), ids=lambda mutant: mutant.name)
def test_each_mutant_is_caught(mutant: Mutant, benches: Benches) -> None:
    assert benches.caught_by(mutant) is mutant.oracle


SYMPTOMS = {
    ("vllm_drifts:OldTemperature", "mixed-draws"): "TypeError: .*takes 2 positional arguments but 3 were given",
    ("vllm_drifts:OldPrepare", "alone"): "TypeError: .*takes 1 positional argument but 2 were given",
    ("vllm_drifts:TokensExpected", "alone"): "AttributeError: 'tuple' object has no attribute 'to'",
    ("vllm_drifts:TokensAlone", "mixed-draws"): "ValueError: too many values to unpack",
    ("vllm_drifts:ArityParsed", "pair"): "steps is 0, and the steps had 3; the patch was never active",
    ("vllm_drifts:InputIds", "pair"): "decode_rows is 0, and the steps had 3; the patch was never active",
    ("taps:FullIndex", "pair"): "IndexError: index out of range in self",
    ("taps:FullIndex", "same-8"): "IndexError: index out of range in self",
}


@pytest.mark.parametrize(("name", "classic"), SYMPTOMS)
def test_the_symptom_is_the_real_one(name: str, classic: str, benches: Benches) -> None:
    (first, *_) = benches.new(name).examine(CLASSIC[classic]).alarms
    assert re.match(SYMPTOMS[name, classic], first.text)
    assert first.poisoned == (classic == "same-8")


DECLARED = {
    "OldTemperature": "Sampler.apply_temperature: expected (logits, temp), found (logits, temp, all_random)",
    "OldPrepare": "_prepare_inputs: expected (self, scheduler_output), found (self, scheduler_output, num_scheduled",
    "TokensExpected": "Sampler.sample: expected (self, logits, sampling_metadata), found (self, logits, sampling_meta",
    "ArityParsed": "_prepare_inputs: expected (self, scheduler_output), found (self, scheduler_output, num_scheduled",
    "InputIds": "LLMEngine.add_request: expected (self, request_id, ",
}


@pytest.mark.parametrize("name", DECLARED)
def test_a_patch_that_says_what_it_was_written_for_is_refused_at_start(name: str, benches: Benches) -> None:
    with pytest.raises(UsageError) as refused:
        benches.new(f"vllm_drifts:{name}Declared")
    assert DECLARED[name] in str(refused.value)


def test_a_whole_index_breaks_in_the_third_forward_pass(benches: Benches) -> None:
    finding = benches.new("taps:FullIndex").examine(CLASSIC["pair"])
    assert (finding.alarms[0].step, len(finding.steps)) == (2, 3)


def test_a_clamped_index_is_seen_by_canaries_alone(benches: Benches) -> None:
    finding = benches.new("taps:Clamp").examine(CLASSIC["refill"])
    assert {alarm.oracle for alarm in finding.alarms} == {Oracle.CANARY}


@pytest.mark.parametrize("name", ["SlotPerRequest", "CountCached", "RowsFromZero"])
def test_rows_that_leave_in_order_hide_wrong_ones(name: str, benches: Benches) -> None:
    assert benches.new(f"taps:{name}").examine(CLASSIC["lifo-8"]).alarms == ()


def test_a_resumed_request_is_seen_by_nothing_but_the_row_that_is_missing(benches: Benches) -> None:
    finding = benches.new("taps:ResumedUncounted").examine(CLASSIC["preemption"])
    assert {alarm.oracle for alarm in finding.alarms} == {Oracle.ALONE}
    assert all("was never captured" in alarm.text for alarm in finding.alarms)


def test_the_sound_tap_passes_everything_ten_times_over(benches: Benches) -> None:
    findings = benches.findings("taps:Repaired", rounds=10)
    assert [finding for finding in findings if finding.alarms or not finding.active] == []


@pytest.mark.parametrize("name", ["vllm_drifts:SelfHooked", "vllm_processors:MinPRows", "samplers:OwnDraw"])
def test_sound_patches_with_hooks_and_samplers_of_their_own_pass(name: str, benches: Benches) -> None:
    assert [finding for finding in benches.findings(name) if finding.alarms] == []
