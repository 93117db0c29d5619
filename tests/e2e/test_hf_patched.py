"""Patches on the transformers backend: what they see, what they change, and that nothing is left of them."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError, UsageError
from pytest_passatk.core.patch import Phase, StepRow, StepView
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import hf, hf_draw
from pytest_passatk.stress import hooked
from tests.e2e import recording
from tests.e2e.recording import FORCED, LAYERS, Recording, spec_of

pytestmark = pytest.mark.hf

Ask = Callable[..., list[Request]]
Mixed = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]
PARAMS: list[dict[str, Any]] = [
    {"temperature": 0.0}, {"temperature": 0.7}, {"top_p": 0.6}, {"min_p": 0.2}, {"top_k": 5},
    {"repetition_penalty": 1.4}, {"repetition_penalty": 1.4, "temperature": 0.0},
    {"temperature": 1.3, "top_p": 0.8, "min_p": 0.05, "top_k": 20},
]  # fmt: skip


@pytest.fixture(autouse=True)
def made() -> Iterator[list[Recording]]:
    """The patches of this test."""
    Recording.made.clear()
    yield Recording.made
    Recording.made.clear()


@pytest.fixture
def inputs(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The packed tokens of all passes of the network, as they happen."""
    calls: list[list[int]] = []
    wrap_forward(monkeypatch, lambda tokens: calls.append(tokens.flatten().tolist()))
    return calls


def wrap_forward(monkeypatch: pytest.MonkeyPatch, before: Callable[[Any], None]) -> None:
    from transformers import LlamaForCausalLM  # noqa: PLC0415 - heavy

    original = LlamaForCausalLM.forward

    @functools.wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        before(kwargs["input_ids"])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(LlamaForCausalLM, "forward", forward)


def patched(folder: Path, kind: type[Recording], args: dict[str, Any] | None = None, **options: Any) -> Model:
    spec = spec_of(kind, **(args or {}))
    return hf.load(str(folder), ModelOptions(patches={"": spec}, **options))


def varied(mixed: Mixed) -> list[Request]:
    """Requests over prompts of several lengths, with several samples each, and lengths and settings of all kinds."""
    chosen = zip(mixed(6), itertools.cycle(PARAMS), itertools.cycle((20, 3, 24, 1, 9, 14, 6)), strict=False)
    return [replace(each, params=replace(each.params, max_tokens=most, **params)) for each, params, most in chosen]


def essence(completions: Sequence[Completion]) -> list[tuple[str, int, float | None, str | None]]:
    return [(each.text, each.tokens, each.logprob, each.error) for each in completions]


def name_of(request: Request) -> str:
    return f"{request.stream}#{request.index}"


# What a patch sees


def test_the_record_names_the_patch(random_model: Path) -> None:
    spec = spec_of(Recording)
    adapters = {"none": None, "patched": None}
    model = hf.load(str(random_model), ModelOptions(adapters=adapters, patches={"patched": spec}))
    assert model.info_of("none").patch is None
    assert model.info_of("patched").patch == str(spec)
    assert model.info.identity() != model.info_of("patched").identity()


def test_the_views_are_those_of_an_independent_log(
    random_model: Path, mixed: Mixed, answer: Answer, reference: Any, made: list[Recording]
) -> None:
    requests = varied(mixed)
    completions = answer(patched(random_model, Recording), requests)
    (patch,) = made
    assert patch.views == foresee(requests, [each.tokens for each in completions], reference[1])
    assert {len(view.rows) for view in patch.views} > {len(requests), 4}
    layers = list(LAYERS)
    assert patch.calls == [["begin", *layers, "logits", "end"]] * len(patch.views)
    shapes = [tensor.shape[0] for tensor in patch.logits_of]
    assert shapes == [len(view.rows) for view in patch.views]


def foresee(requests: Sequence[Request], tokens: Sequence[int], tokenizer: Any) -> list[StepView]:
    """The steps of one batch, from the lengths that its requests came to."""
    prompts = {name_of(each): tokenizer(each.prompt).input_ids for each in requests}
    lengths = {name_of(each): number for each, number in zip(requests, tokens, strict=True)}
    order = sorted(requests, key=lambda each: prompts[name_of(each)], reverse=True)
    order.sort(key=lambda each: len(prompts[name_of(each)]) + each.params.max_tokens, reverse=True)
    distinct = list(dict.fromkeys(tuple(prompts[name_of(each)]) for each in order))
    width = max(map(len, distinct))
    views = []
    for step in range(max(tokens)):
        alive = [each for each in order if lengths[name_of(each)] > step]
        rows = []
        for at, each in enumerate(alive):
            prompt = tuple(prompts[name_of(each)])
            row = at if step else distinct.index(prompt) * width + width - 1
            phase = Phase.DECODE if step else Phase.PREFILL
            rows.append(StepRow(name_of(each), each.stream, each.index, row, len(prompt) + step - 1, phase))
        views.append(StepView(step, len(rows) if step else len(distinct) * width, tuple(rows)))
    return views


def test_taps_show_what_each_sequence_has_alone(
    random_model: Path, mixed: Mixed, answer: Answer, reference: Any, inputs: list[list[int]]
) -> None:
    answer(patched(random_model, Recording), requests := varied(mixed))
    (patch,) = Recording.made
    read = {name_of(each): list(reference[1](each.prompt).input_ids) for each in requests}
    for view, packed in zip(patch.views, list(inputs), strict=True):
        assert len(packed) == view.packed
        for row in view.decode:
            read[row.request].append(packed[row.row])
    expected = {request: alone(reference[0], tokens) for request, tokens in read.items()}
    seen = Counter((row.request, row.position) for view in patch.views for row in view.rows)
    due = [
        (name, at)
        for name, tokens in read.items()
        for at in range(len(tokens))
        if at >= len(tokens) - seen_of(name, seen)
    ]
    assert seen == Counter(due)
    for step, view in enumerate(patch.views):
        for at, row in enumerate(view.rows):
            for layer in LAYERS:
                close(patch.layers_of[step, layer][row.row], expected[row.request][layer][row.position])
            close(patch.logits_of[step][at], expected[row.request]["logits"][row.position])


def seen_of(name: str, seen: Counter[tuple[str, int]]) -> int:
    return sum(count for (request, _), count in seen.items() if request == name)


def alone(model: Any, tokens: Sequence[int]) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - heavy

    with torch.inference_mode():
        output = model(input_ids=torch.tensor([list(tokens)]), output_hidden_states=True)
        norm = model.model.layers[-1].input_layernorm(output.hidden_states[-2])
    return {LAYERS[0]: output.hidden_states[1][0], LAYERS[1]: norm[0], "logits": output.logits[0]}


def close(found: Any, expected: Any) -> None:
    assert (found - expected).abs().max() < 1e-5


def test_the_engine_is_shown_as_it_is(
    random_model: Path, mixed: Mixed, answer: Answer, reference: Any, made: list[Recording]
) -> None:
    import torch  # noqa: PLC0415 - heavy

    answer(patched(random_model, Recording, batch_tokens=200), mixed(3))
    (live,) = made[0].live
    assert (live.kind, live.hidden, live.dtype, live.batch, live.bias) == ("hf", 64, torch.float32, None, None)
    assert torch.equal(live.head, reference[0].lm_head.weight)
    assert live.capacity >= max(len(view.rows) for view in made[0].views)


def test_a_step_begins_before_what_the_patch_hooks_by_itself(
    random_model: Path, mixed: Mixed, answer: Answer, made: list[Recording]
) -> None:
    answer(patched(random_model, recording.RecordingHooks), mixed(2))
    assert made[0].calls
    assert all(calls[:2] == ["begin", "own"] for calls in made[0].calls)


def test_steps_are_counted_over_batches(
    random_model: Path, mixed: Mixed, answer: Answer, made: list[Recording]
) -> None:
    answer(patched(random_model, Recording, batch_tokens=60), mixed(2))
    (patch,) = made
    assert [view.step for view in patch.views] == list(range(len(patch.views)))
    assert sum(view.rows[0].phase is Phase.PREFILL for view in patch.views) > 1
    assert all(len(view.rows) <= patch.live[0].capacity for view in patch.views)


# What it changes


@pytest.fixture(params=[hf_draw.ELEMENTS, 300])
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the tokens of all rows at once, or of two at a time."""
    monkeypatch.setattr(hf_draw, "ELEMENTS", request.param)


@pytest.mark.parametrize("kind", [Recording, recording.RecordingDeclines])
@pytest.mark.usefixtures("parts")
def test_who_declines_changes_no_bit(random_model: Path, mixed: Mixed, answer: Answer, kind: type[Recording]) -> None:
    requests = varied(mixed)
    plain = answer(hf.load(str(random_model), ModelOptions()), requests)
    assert essence(answer(patched(random_model, kind), requests)) == essence(plain)


def test_candidates_are_behind_penalty_temperature_and_filters(
    random_model: Path, ask: Ask, answer: Answer, made: list[Recording]
) -> None:
    requests = [r for at, each in enumerate(PARAMS) for r in ask("the quick", problem=f"p{at}", max_tokens=1, **each)]
    answer(patched(random_model, recording.RecordingDeclines), requests)
    (patch,) = made
    assert isinstance(patch, recording.RecordingDeclines)
    assert patch.calls == [["begin", *LAYERS, "logits", "candidates", "end"]]
    plain, found = patch.logits_of[0][0].double(), dict(zip(rows_of(patch), patch.candidates[0], strict=True))
    assert found["stream-p0#0"].equal(plain), "greedy"
    close(found["stream-p1#0"], plain / 0.7)
    kept = found["stream-p4#0"] > -float("inf")
    assert kept.sum() == PARAMS[4]["top_k"]
    close(found["stream-p4#0"][kept], plain[kept])
    for name in ("stream-p2#0", "stream-p3#0", "stream-p7#0"):
        assert (found[name] == -float("inf")).any(), name
    assert found["stream-p6#0"].isfinite().all(), "greedy"
    assert (found["stream-p6#0"] < plain).any(), "penalised"
    assert not (found["stream-p6#0"] > plain).any()


def rows_of(patch: Recording) -> list[str]:
    return [row.request for row in patch.views[0].rows]


def test_forced_tokens_are_taken_by_greedy_and_sampled_rows(
    random_model: Path, mixed: Mixed, answer: Answer, reference: Any
) -> None:
    network, tokenizer = reference
    requests = varied(mixed)
    completions = answer(patched(random_model, recording.RecordingForces), requests)
    for request, completion in zip(requests, completions, strict=True):
        assert completion.text == tokenizer.decode([FORCED] * request.params.max_tokens)
    prompt = tokenizer(requests[0].prompt).input_ids
    logprobs = alone(network, prompt + [FORCED] * 20)["logits"][len(prompt) - 1 : -1].log_softmax(1)[:, FORCED]
    assert completions[0].logprob == pytest.approx(float(logprobs.sum()), abs=1e-3)


def test_a_candidate_that_is_dropped_is_not_drawn(
    random_model: Path, hf_model: Model, ask: Ask, answer: Answer, reference: Any
) -> None:
    model = patched(random_model, recording.RecordingDropsBest)
    greedy = ask("the quick", temperature=0.0, max_tokens=1)
    sampled = ask("the quick", 300, problem="s", top_k=3, max_tokens=1)
    first, *others = answer(model, greedy + sampled)
    best = Recording.made[0].logits_of[0][0].topk(3).indices.tolist()
    texts = [reference[1].decode([token], skip_special_tokens=True) for token in best]
    assert first.text == texts[1]
    assert {each.text for each in others} == {*texts[1:]}
    assert {each.text for each in answer(hf_model, sampled)} == {*texts}


# Nothing is left of it


@pytest.mark.parametrize("way", ["exhausted", "closed"])
def test_the_network_is_restored(random_model: Path, mixed: Mixed, made: list[Recording], way: str) -> None:
    stream = patched(random_model, Recording).sample(mixed(2))
    next(stream)
    network = made[0].live[0].network
    assert hooked.names(network)
    if way == "closed":
        stream.close()  # type: ignore[attr-defined]  # the contract's iterator is a generator
    else:
        list(stream)
    assert hooked.names(network) == frozenset()


@pytest.mark.parametrize("kind", [recording.RecordingBreaks, recording.RecordingSilences])
def test_a_patch_that_breaks_is_named_and_leaves_nothing(
    random_model: Path, ask: Ask, made: list[Recording], kind: type[Recording]
) -> None:
    stream = patched(random_model, kind).sample(ask("a", max_tokens=2) + ask("b", max_tokens=9))
    assert next(stream).tokens == 2
    with pytest.raises(
        ModelError,
        match=rf"random failed .* under --patch \S+{kind.__name__} \(RuntimeError: out of its depth \(recording.py:\d+ "
        r"on_layer\)\); what finished is kept, .*/decode_shrink --model hf:… --patch \S+$",
    ):
        next(stream)
    assert hooked.names(made[0].live[0].network) == frozenset()


def test_a_patch_that_cannot_be_taken_off_is_named_before_everything_is_answered(random_model: Path, ask: Ask) -> None:
    came: list[int] = []
    stream = patched(random_model, recording.RecordingStuck).sample(ask("a", max_tokens=2) + ask("b", max_tokens=9))
    with pytest.raises(
        ModelError, match=r"--patch \S+Stuck cannot be taken off: LookupError: there is no way back \(recording.py:\d+ "
    ):
        came.extend(completion.tokens for completion in stream)
    assert came == [2]


def test_a_patch_whose_candidates_are_no_numbers_is_named(random_model: Path, ask: Ask, answer: Answer) -> None:
    (completion,) = answer(patched(random_model, recording.RecordingSpoils), ask("a"))
    assert "logits are not finite under --patch tests.e2e.recording:RecordingSpoils" in str(completion.error)


def test_an_arm_without_a_patch_is_as_without_the_other_arm(
    random_model: Path, hf_model: Model, mixed: Mixed, answer: Answer, made: list[Recording]
) -> None:
    spec = spec_of(recording.RecordingForces)
    arms: dict[str, str | None] = {"patched": None, "none": None}
    model = hf.load(str(random_model), ModelOptions(adapters=arms, patches={"patched": spec}))
    requests = [replace(each, arm=arm, stream=f"{arm} {each.stream}") for each in varied(mixed) for arm in arms]
    completions = answer(model, requests)
    assert essence(completions[1::2]) == essence(answer(hf_model, varied(mixed)))
    assert essence(completions[::2]) != essence(completions[1::2])
    assert {row.problem.partition(" ")[0] for view in made[0].views for row in view.rows} == {"patched"}


def test_a_patch_works_under_an_adapter(random_model: Path, tmp_path: Path, mixed: Mixed, answer: Answer) -> None:
    import torch  # noqa: PLC0415 - heavy
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    torch.manual_seed(1)
    settings = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(random_model), settings).save_pretrained(tmp_path)
    adapters: dict[str, str | None] = {"": str(tmp_path)}
    plain = hf.load(str(random_model), ModelOptions(adapters=adapters))
    model = patched(random_model, recording.RecordingDeclines, adapters=adapters)
    assert essence(answer(model, varied(mixed))) == essence(answer(plain, varied(mixed)))
    assert all(calls[1:3] == list(LAYERS) for calls in Recording.made[0].calls)


# Repeats, memory, errors


def test_each_repeat_has_patches_of_its_own_and_the_arms_change_places(
    random_model: Path, ask: Ask, made: list[Recording]
) -> None:
    arms: dict[str, str | None] = {"none": None, "a": None, "b": None}
    model = hf.load(str(random_model), ModelOptions(adapters=arms, patches=dict.fromkeys("ab", spec_of(Recording))))
    (request,) = ask("the quick", max_tokens=3)
    asked = [replace(request, arm=arm, repeat=at, stream=f"{at} {arm}") for arm in arms for at in range(3)]
    order = [completion.stream for completion in model.sample(asked)]
    assert order == ["0 none", "0 a", "0 b", "1 b", "1 a", "1 none", "2 none", "2 a", "2 b"]
    seen = [{row.problem for view in patch.views for row in view.rows} for patch in made]
    assert sorted(map(sorted, seen)) == [[f"{at} {arm}"] for at in range(3) for arm in "ab"]
    list(model.sample(asked))
    assert len(made) == 12, "each call has patches of its own, as on vLLM"


def test_rows_that_start_again_for_lack_of_memory_get_the_same_tokens(
    random_model: Path, hf_model: Model, mixed: Mixed, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch  # noqa: PLC0415 - heavy

    expected = essence(answer(hf_model, varied(mixed)))

    def refuse(tokens: Any) -> None:
        if len(tokens) > 7:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    wrap_forward(monkeypatch, refuse)
    found = answer(patched(random_model, recording.RecordingDeclines), varied(mixed))
    assert [each[:2] for each in essence(found)] == [each[:2] for each in expected]
    (patch,) = Recording.made
    in_vain = [calls for calls in patch.calls if calls[-1] != "end"]
    assert 1 <= len(in_vain) <= 6
    assert [view.step for view in patch.views] == list(range(len(patch.views)))
    ended = [view for view, calls in zip(patch.views, patch.calls, strict=True) if calls[-1] == "end"]
    places = {(row.request, row.position) for view in ended for row in view.rows}
    for request, completion in zip(varied(mixed), found, strict=True):
        assert sum(name == name_of(request) for name, _ in places) == completion.tokens


def test_a_patch_that_was_never_active_is_an_error_and_nothing_comes_out(random_model: Path, mixed: Mixed) -> None:
    came: list[Completion] = []
    with pytest.raises(ModelError, match=r"RecordingIdle was never active while .*hits = 0, losses = 0"):
        came.extend(patched(random_model, recording.RecordingIdle).sample(mixed(2)))
    assert came == []


def test_what_finished_before_the_patch_was_active_comes_out_when_it_is(
    random_model: Path, ask: Ask, answer: Answer
) -> None:
    model = patched(random_model, recording.RecordingIdle, {"steps": 5})
    requests = [r for n in (1, 2, 9) for r in ask("the quick", problem=str(n), temperature=0.0, max_tokens=n)]
    assert [completion.tokens for completion in answer(model, requests)] == [1, 2, 9]


def test_only_requests_that_abort_are_no_sign_of_an_idle_patch(random_model: Path, ask: Ask, answer: Answer) -> None:
    (completion,) = answer(patched(random_model, recording.RecordingIdle), ask(""))
    assert "the prompt is empty" in str(completion.error)


def test_candidates_of_another_shape_are_refused(random_model: Path, ask: Ask) -> None:
    with pytest.raises(ModelError, match=r"RecordingShapes \(ValueError: .* made \(1, \d+\) candidates of \(1, \d+\)"):
        list(patched(random_model, recording.RecordingShapes).sample(ask("the")))


def test_a_layer_that_is_not_there_is_refused_at_the_start(random_model: Path, ask: Ask) -> None:
    with pytest.raises(UsageError, match=r"^--patch \S+Elsewhere: no layer 'layers\.9' in a network of 2"):
        list(patched(random_model, recording.RecordingElsewhere).sample(ask("the")))


def test_a_patch_for_other_signatures_is_refused_at_the_start(random_model: Path, ask: Ask) -> None:
    with pytest.raises(UsageError) as caught:
        list(patched(random_model, recording.RecordingDrifted).sample(ask("the")))
    assert "RecordingDrifted was written for other signatures" in str(caught.value)
    assert "Batch.push: expected (self, tokens, flags), found (self, tokens)" in str(caught.value)
    assert "Batch.pull: expected (self), but it is gone" in str(caught.value)
