"""The vLLM backend, on a random model; one engine serves them all."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, Request
from pytest_passatk.models import registry, vllm

pytestmark = pytest.mark.vllm

CONTEXT = 128  # of the random model
Ask = Callable[..., list[Request]]
Mixed = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


@pytest.fixture(scope="module")
def model(random_model: Path) -> Iterator[Model]:
    loaded = vllm.load(str(random_model), ModelOptions(logprobs=True))
    yield loaded
    loaded.close()


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_greedy_completions_are_those_of_transformers(
    model: Model, hf_model: Model, mixed: Mixed, answer: Answer
) -> None:
    ours, theirs = (answer(each, mixed(1, temperature=0.0)) for each in (model, hf_model))
    assert texts(ours) == texts(theirs)
    assert [c.tokens for c in ours] == [c.tokens for c in theirs]
    assert [c.finish_reason for c in ours] == [c.finish_reason for c in theirs]
    assert [c.logprob for c in ours] == pytest.approx([c.logprob for c in theirs], abs=1e-2)


def test_the_same_run_twice_gives_the_same_texts(model: Model, mixed: Mixed, answer: Answer) -> None:
    first, second = (texts(answer(model, mixed())) for _ in range(2))
    assert first == second
    assert len(set(first)) > len(first) // 2


def test_a_problem_alone_gives_the_texts_it_gave_among_others(model: Model, mixed: Mixed, answer: Answer) -> None:
    requests = mixed(4)
    whole = texts(answer(model, requests))
    assert [text for at in range(0, len(requests), 4) for text in texts(answer(model, requests[at : at + 4]))] == whole


def test_sampled_first_tokens_have_the_frequencies_of_transformers(
    model: Model, hf_model: Model, ask: Ask, answer: Answer
) -> None:
    n = 2000
    requests = ask("the quick brown", n, max_tokens=1, temperature=0.7, top_k=12, top_p=0.9, repetition_penalty=1.3)
    ours, theirs = (texts(answer(each, requests)) for each in (model, hf_model))
    kinds = {*ours, *theirs}
    assert len(kinds) > 3
    distance = sum(abs(ours.count(kind) - theirs.count(kind)) for kind in kinds) / n / 2
    assert distance < (len(kinds) / n) ** 0.5 + 0.05


def test_completions_come_out_at_their_own_step(model: Model, ask: Ask) -> None:
    lengths = [60, 5, 30, 10]
    requests = [r for n in lengths for r in ask("the", problem=str(n), max_tokens=n, temperature=0.0)]
    assert [c.stream for c in model.sample(requests)] == [f"stream-{n}" for n in sorted(lengths)]


def test_closing_the_iterator_frees_the_engine_for_the_next_call(
    model: Model, ask: Ask, mixed: Mixed, answer: Answer
) -> None:
    stream = model.sample(mixed(8, max_tokens=100))
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # the contract's iterator is a generator
    assert list(stream) == []
    assert len(answer(model, ask("the", 2, max_tokens=3))) == 2


def test_a_stop_string_ends_the_completion_before_it(model: Model, ask: Ask, answer: Answer) -> None:
    free = answer(model, ask("the", 50, max_tokens=40))
    stopped = answer(model, ask("the", 50, max_tokens=40, stop=("e", " q")))
    for before, after in zip(free, stopped, strict=True):
        cuts = [at for at in (before.text.find("e"), before.text.find(" q")) if at >= 0]
        assert after.text == (before.text[: min(cuts)] if cuts else before.text)
        assert after.finish_reason == (FinishReason.STOP if cuts else before.finish_reason)


def test_a_prompt_beyond_the_context_aborts_alone(model: Model, ask: Ask, answer: Answer) -> None:
    completions = answer(model, ask("the", 2, max_tokens=5) + ask("a b" * 200, 2, problem="too-long"))
    assert [c.finish_reason == FinishReason.ABORT for c in completions] == [False, False, True, True]
    error = str(completions[2].error)
    assert error.startswith("too-long: the prompt has ")
    assert f"holds {CONTEXT}" in error


def test_a_completion_that_fills_the_context_is_truncated(
    model: Model, hf_model: Model, ask: Ask, answer: Answer
) -> None:
    requests = ask("the quick brown fox " * 10, 20, max_tokens=500)
    ours, theirs = ({c.tokens for c in answer(each, requests) if c.truncated} for each in (model, hf_model))
    assert ours == theirs
    assert len(ours) == 1


def test_many_seeded_prompts_at_once_are_read_whole(model: Model, ask: Ask, answer: Answer) -> None:
    requests = [r for at in range(200) for r in ask(f"{at} " + "fox " * 50, problem=str(at), max_tokens=3)]
    assert all(c.error is None for c in answer(model, requests))


def test_the_record_says_what_runs(model: Model, random_model: Path) -> None:
    import torch  # noqa: PLC0415 - heavy

    info = model.info
    assert (info.name, info.backend, info.context, info.chat_template) == ("random", "vllm", CONTEXT, "none")
    assert info.dtype == ("float32" if info.device == "cpu" else "bfloat16")
    assert info.versions["torch"] == torch.__version__
    assert info.revision == registry.load(f"hf:{random_model}", ModelOptions()).info.revision


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelOptions(dtype="int3"), "unknown dtype 'int3'"),
        (ModelOptions(quantization="8bit"), "cannot quantize to '8bit'"),
        (ModelOptions(batch_tokens=100), "schedules its batches itself"),
        (ModelOptions(args={"dtype": "half"}), "argument dtype has an option of its own"),
        (ModelOptions(args={"max_model_len": "many"}), "max_model_len=many is no number"),
        (ModelOptions(args={"max_num_seqs": "many"}), "max_num_seqs=many is of the wrong type: .*valid integer"),
        (ModelOptions(args={"enforce_eager": "perhaps"}), "enforce_eager=perhaps is of the wrong type: .*boolean"),
        (ModelOptions(args={"hf_overrides": "[1]"}), "hf_overrides=.1. is of the wrong type: .*dictionary"),
        (ModelOptions(args={"max_num_seq": "4"}), "no argument 'max_num_seq'; did you mean max_num_seqs"),
        (ModelOptions(device="cuda:7"), "not on --device cuda:7"),
    ],
    ids=["dtype", "quantization", "batch", "own", "length", "number", "truth", "object", "unknown", "device"],
)
def test_an_option_that_cannot_be_met_is_refused(random_model: Path, options: ModelOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _ = vllm.load(str(random_model), options).info


def test_a_bare_name_takes_vllm(random_model: Path) -> None:
    assert registry.load(str(random_model), ModelOptions()).info.backend == "vllm"
