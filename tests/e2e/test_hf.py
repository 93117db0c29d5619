"""What the transformers backend answers: texts, randomness, stop strings, the context."""

import itertools
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, Request, cut_at_stop
from pytest_passatk.models import hf
from pytest_passatk.models.hf_text import Text

pytestmark = pytest.mark.hf

CONTEXT = 128  # of the random model
Ask = Callable[..., list[Request]]
Mixed = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_greedy_completions_are_those_of_generate(
    hf_model: Model, reference: Any, mixed: Mixed, answer: Answer
) -> None:
    network, tokenizer = reference
    for request, completion in zip(requests := mixed(1, temperature=0.0), answer(hf_model, requests), strict=True):
        ids = tokenizer(request.prompt, return_tensors="pt")
        tokens = network.generate(**ids, do_sample=False, max_new_tokens=24, pad_token_id=0)[
            0, ids.input_ids.shape[1] :
        ]
        assert completion.text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert completion.tokens == len(tokens)


def test_the_logprob_is_that_of_the_tokens_under_the_plain_model(
    hf_model: Model, reference: Any, mixed: Mixed, ask: Ask, answer: Answer
) -> None:
    network, tokenizer = reference
    request = ask("the quick", max_tokens=12, temperature=0.0)[0]
    prompt = tokenizer("the quick", return_tensors="pt").input_ids
    whole = network.generate(prompt, do_sample=False, max_new_tokens=12, pad_token_id=0)
    logprobs = network(whole).logits[0, prompt.shape[1] - 1 : -1].log_softmax(-1)
    expected = logprobs.gather(1, whole[0, prompt.shape[1] :, None]).sum().item()
    found = [answer(hf_model, [request])[0], *answer(hf_model, [*mixed(), request])[-1:]]
    assert [completion.logprob for completion in found] == pytest.approx([expected] * 2, abs=1e-3)


def test_a_completion_ends_at_the_end_token_or_at_its_limit(hf_model: Model, ask: Ask, answer: Answer) -> None:
    completions = answer(hf_model, ask("the", 200, max_tokens=40))
    assert {c.finish_reason for c in completions} == {FinishReason.STOP, FinishReason.LENGTH}
    assert all(c.tokens == 40 for c in completions if c.finish_reason == FinishReason.LENGTH)
    assert not any("<end>" in c.text for c in completions)


# Randomness


def test_the_same_run_twice_gives_the_same_texts(hf_model: Model, mixed: Mixed, answer: Answer) -> None:
    first, second = (texts(answer(hf_model, mixed())) for _ in range(2))
    assert first == second
    assert len(set(first)) > len(first) // 2


def test_a_problem_alone_gives_the_texts_it_gave_among_others(hf_model: Model, mixed: Mixed, answer: Answer) -> None:
    requests = mixed(4)
    whole = texts(answer(hf_model, requests))
    assert [
        text for at in range(0, len(requests), 4) for text in texts(answer(hf_model, requests[at : at + 4]))
    ] == whole
    assert [text for request in requests for text in texts(answer(hf_model, [request]))] == whole


@pytest.mark.parametrize("batch_tokens", [1, 100, 400])
def test_the_batch_size_changes_no_text(
    random_model: Path, hf_model: Model, batch_tokens: int, mixed: Mixed, answer: Answer
) -> None:
    small = hf.load(str(random_model), ModelOptions(batch_tokens=batch_tokens))
    assert texts(answer(small, mixed())) == texts(answer(hf_model, mixed()))


def test_requests_with_different_settings_share_a_call(hf_model: Model, ask: Ask, answer: Answer) -> None:
    settings: list[dict[str, Any]] = [
        {"temperature": 0.0}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.6}, {"min_p": 0.3},
        {"repetition_penalty": 1.5, "temperature": 0.0}, {"max_tokens": 3}, {"stop": ("e",)},
    ]  # fmt: skip
    groups = [ask("the quick", 3, problem=f"p{at}", **{"max_tokens": 20, **each}) for at, each in enumerate(settings)]
    together = texts(answer(hf_model, list(itertools.chain(*groups))))
    assert together == [text for group in groups for text in texts(answer(hf_model, group))]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0, "top_k": 4},
        {"top_p": 0.5},
        {"min_p": 0.2},
        {"repetition_penalty": 3.0, "top_k": 6},
        {"temperature": 0.8, "top_k": 12, "top_p": 0.7, "min_p": 0.1, "repetition_penalty": 1.4},
    ],
    ids=str,
)
def test_first_tokens_follow_the_distribution_of_transformers(
    hf_model: Model, reference: Any, ask: Ask, answer: Answer, params: dict[str, float]
) -> None:
    expected = first_token_distribution(reference, "the quick brown", params)
    n = 10_000
    counts = Counter(texts(answer(hf_model, ask("the quick brown", n, max_tokens=1, **params))))
    assert set(counts) <= {text for text, p in expected.items() if p > 0}
    distance = sum(abs(counts[text] / n - p) for text, p in expected.items()) / 2
    assert distance < (len(expected) / n) ** 0.5 / 2 + 0.03  # McDiarmid: a right sampler exceeds it with p < 1e-7


def first_token_distribution(reference: Any, prompt: str, params: dict[str, float]) -> dict[str, float]:
    """Text of the first token → probability, by the warpers of transformers in the order in which it applies them."""
    from transformers.generation import logits_process as lp  # noqa: PLC0415 - heavy

    network, tokenizer = reference
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    warpers = {
        "repetition_penalty": lp.RepetitionPenaltyLogitsProcessor,
        "temperature": lp.TemperatureLogitsWarper,
        "top_k": lp.TopKLogitsWarper,
        "top_p": lp.TopPLogitsWarper,
        "min_p": lp.MinPLogitsWarper,
    }
    logits = network(ids).logits[:, -1].detach()
    for name, warper in warpers.items():
        if name in params:
            logits = warper(params[name])(ids, logits)
    found: dict[str, float] = {}
    for token, p in enumerate(logits[0].softmax(0).tolist()):
        text = tokenizer.decode([token], skip_special_tokens=True)
        found[text] = found.get(text, 0.0) + p
    return {text: p for text, p in found.items() if p > 0}


def test_a_repetition_penalty_counts_prompt_and_completion(
    hf_model: Model, reference: Any, mixed: Mixed, ask: Ask, answer: Answer
) -> None:
    network, tokenizer = reference
    ids = tokenizer("the quick", return_tensors="pt")
    whole = network.generate(**ids, do_sample=False, max_new_tokens=30, repetition_penalty=1.8, pad_token_id=0)
    expected = tokenizer.decode(whole[0, ids.input_ids.shape[1] :], skip_special_tokens=True)
    request = ask("the quick", temperature=0.0, max_tokens=30, repetition_penalty=1.8)
    assert texts(answer(hf_model, request + mixed()))[0] == expected


# Stop strings


def test_a_stop_string_ends_the_completion_before_it(hf_model: Model, ask: Ask, answer: Answer) -> None:
    request = {"temperature": 0.0, "max_tokens": 40}
    free = answer(hf_model, ask("the quick", **request))[0]
    stop = free.text[8:11]
    stopped = answer(hf_model, ask("the quick", stop=(stop, "never seen"), **request))[0]
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finish_reason == FinishReason.STOP
    assert stopped.tokens < free.tokens


def test_no_text_holds_a_stop_string(hf_model: Model, ask: Ask, answer: Answer) -> None:
    free = answer(hf_model, ask("the", 100, max_tokens=40))
    stopped = answer(hf_model, ask("the", 100, max_tokens=40, stop=("e", " q")))
    for before, after in zip(free, stopped, strict=True):
        cuts = [at for at in (before.text.find("e"), before.text.find(" q")) if at >= 0]
        assert after.text == (before.text[: min(cuts)] if cuts else before.text)
        assert after.finish_reason == (FinishReason.STOP if cuts else before.finish_reason)


def test_a_stop_string_is_seen_at_the_token_that_completes_it(reference: Any) -> None:
    _, tokenizer = reference
    text, choose = Text(tokenizer, None), random.Random(0)
    prompt = text.encode("the quick")
    for _ in range(200):
        tokens = [choose.randrange(2, len(tokenizer)) for _ in range(30)]
        stop = (tokenizer.decode(tokens[9:12])[1:4], "lazy")
        seen = [text.stopped(prompt, tokens[:n], stop) for n in range(1, 31)]
        held = [cut_at_stop(text.decode(prompt, tokens[:n]), stop) is not None for n in range(1, 31)]
        assert seen.index(True) == held.index(True)


# The context


def test_a_prompt_beyond_the_context_aborts_alone(hf_model: Model, ask: Ask, answer: Answer) -> None:
    long = ask("a b" * 200, 2, problem="too-long")
    completions = answer(hf_model, ask("the", 2, max_tokens=5) + long)
    assert [c.finish_reason == FinishReason.ABORT for c in completions] == [False, False, True, True]
    assert completions[0].error is None
    error = str(completions[2].error)
    assert error.startswith("too-long: the prompt has ")
    assert f"holds {CONTEXT}" in error


def test_a_completion_that_fills_the_context_is_truncated(
    hf_model: Model, reference: Any, ask: Ask, answer: Answer
) -> None:
    prompt = "the quick brown fox " * 10
    length = len(reference[1](prompt).input_ids)
    completions = answer(hf_model, ask(prompt, 20, max_tokens=500))
    truncated = [c for c in completions if c.truncated]
    assert truncated
    assert {c.tokens for c in truncated} == {CONTEXT - length}


def test_an_empty_prompt_aborts_alone(hf_model: Model, ask: Ask, answer: Answer) -> None:
    empty, other = answer(hf_model, ask("", problem="void") + ask("the", max_tokens=2))
    assert empty.error is not None
    assert empty.error.startswith("void: the prompt is empty")
    assert other.error is None


def test_a_prompt_that_the_template_refuses_aborts_alone(build: Any, tmp_path: Path, ask: Ask, answer: Answer) -> None:
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}x"
    refusing = hf.load(str(build(tmp_path / "m", chat_template=template)), ModelOptions())
    system = ({"role": "system", "content": "s"},)
    refused, other = answer(refusing, ask(system, problem="q") + ask("the", max_tokens=2))
    assert "no system role" in str(refused.error)
    assert other.error is None


def test_no_requests_need_no_weights(random_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(random_model, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    assert list(hf.load(str(folder), ModelOptions()).sample([])) == []
