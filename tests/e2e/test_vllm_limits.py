"""What vLLM may use: lengths, memory and batches, and what is said where they do not suffice."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError, UsageError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import vllm, vllm_arguments, vllm_setup
from pytest_passatk.models.source import Source
from pytest_passatk.models.vllm import VllmModel

pytestmark = pytest.mark.vllm

CONTEXT = 128  # of the random model
Ask = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def load(folder: Path, **args: str) -> VllmModel:
    return vllm.load(str(folder), ModelOptions(args=args))


def config(model: VllmModel) -> Any:
    """vLLM's own word for what runs."""
    assert model._engine is not None
    return model._engine._engine.vllm_config


def test_the_engine_is_as_long_as_the_requests_need(random_model: Path, ask: Ask, answer: Answer) -> None:
    model = load(random_model)
    answer(model, ask("the quick", max_tokens=20))
    short = config(model).model_config.max_model_len
    assert 20 < short < CONTEXT
    answer(model, ask("the quick", max_tokens=short))
    assert short < config(model).model_config.max_model_len <= CONTEXT
    [filled] = answer(model, ask("the quick brown fox " * 10, max_tokens=500))
    assert config(model).model_config.max_model_len == model.info.context == CONTEXT
    assert filled.prompt_tokens is not None
    assert filled.prompt_tokens + filled.tokens <= CONTEXT
    model.close()


def test_positions_that_stretch_keep_the_whole_context(random_model: Path, tmp_path: Path, ask: Ask) -> None:
    folder = shutil.copytree(random_model, tmp_path / "long")
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    factors = {"short_factor": [1.0] * 16, "long_factor": [2.0] * 16}
    settings["rope_parameters"] = {"rope_type": "longrope", "rope_theta": 10000.0, **factors}
    settings["rope_parameters"]["original_max_position_embeddings"] = 64
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    model = load(folder)
    list(model.sample(ask("the", max_tokens=3)))
    assert config(model).model_config.max_model_len == CONTEXT
    model.close()


def test_a_model_whose_cache_cannot_be_computed_gets_a_usual_one(tmp_path: Path) -> None:
    from transformers import MambaConfig  # noqa: PLC0415 - heavy

    MambaConfig(num_hidden_layers=1).save_pretrained(tmp_path)
    setting = vllm_arguments.Setting(Source("mamba", tmp_path, "", str(tmp_path)), "float32", "cpu", 100)
    assert vllm_arguments.engine_arguments(setting, ModelOptions())["kv_cache_memory_bytes"] >= 64 * 2**20


def test_a_cache_that_holds_few_gives_the_same_samples(
    random_model: Path, ask: Ask, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vllm.v1.core.sched.scheduler import Scheduler  # noqa: PLC0415 - heavy

    requests = ask("the quick brown fox " * 3, 12, max_tokens=70)
    wide, narrow = load(random_model), load(random_model, block_size="32", num_gpu_blocks_override="8")
    expected = answer(wide, requests)
    wide.close()
    put_off: list[Any] = []
    preempt = Scheduler._preempt_request

    def note(*args: Any, **kwargs: Any) -> None:
        put_off.append(args)
        preempt(*args, **kwargs)

    monkeypatch.setattr(Scheduler, "_preempt_request", note)
    assert texts(answer(narrow, requests)) == texts(expected)
    assert put_off
    narrow.close()


def test_a_batch_that_the_user_made_small_turns_away_what_is_longer(
    random_model: Path, ask: Ask, answer: Answer
) -> None:
    model = load(random_model, max_num_batched_tokens="64")
    if model.info.device != "cpu":
        pytest.skip("a GPU reads prompts in parts")
    short, long = answer(model, [*ask("the quick", 1, max_tokens=20), *ask("the fox " * 20, problem="long")])
    assert short.error is None
    assert str(long.error).startswith("long: prompt and completion may take ")
    assert "in one piece on a CPU" in str(long.error)
    assert "give at least max_num_batched_tokens=" in str(long.error)
    model.close()


@pytest.mark.parametrize("args", [{"enable_chunked_prefill": "true"}, {"long_prefill_token_threshold": "8"}], ids=str)
def test_reading_in_parts_is_refused_on_a_cpu(random_model: Path, args: dict[str, str]) -> None:
    model = load(random_model, **args)
    if vllm_setup.find_platform() != "cpu":
        pytest.skip("a GPU reads prompts in parts")
    with pytest.raises(UsageError, match="lets vLLM read prompts in parts, which seeded sampling does not survive"):
        _ = model.info


@pytest.mark.parametrize(
    ("size", "remedy"),
    [("10000", "give its cache more memory .*max_model_len"), (str(10**15), "holds memory there, or ask for less")],
    ids=["small", "large"],
)
def test_a_start_without_memory_says_what_helps(random_model: Path, ask: Ask, size: str, remedy: str) -> None:
    model = load(random_model, kv_cache_memory_bytes=size)
    with pytest.raises(ModelError, match=f"does not start .*kv_cache_memory_bytes|{remedy}") as caught:
        list(model.sample(ask("the")))
    assert "--passatk-model-args" in str(caught.value)
    model.close()


def test_a_request_that_vllm_refuses_is_charged_to_its_problem(random_model: Path, ask: Ask, answer: Answer) -> None:
    model = load(random_model)
    hot, mild = answer(model, [*ask("the", problem="hot", temperature=9.0), *ask("the", temperature=1.0)])
    assert str(hot.error).startswith("hot: vLLM does not take the request (temperature")
    assert mild.error is None
    model.close()


def test_an_engine_that_breaks_keeps_what_it_gave_and_another_can_start(
    random_model: Path, ask: Ask, answer: Answer
) -> None:
    model = load(random_model, max_num_seqs="2")
    stream = model.sample(ask("the", 40, max_tokens=30))
    assert next(stream).error is None
    break_network(model)
    with pytest.raises(ModelError, match="can't allocate memory") as caught:
        list(stream)
    assert "max_num_seqs=" in str(caught.value)
    assert "the same command resumes" in str(caught.value)
    model.close()
    assert answer(model, ask("the", max_tokens=30))[0].error is None
    model.close()


def break_network(model: VllmModel) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    assert model._engine is not None
    worker = model._engine._engine.model_executor.driver_worker.worker
    worker.model_runner.model.register_forward_pre_hook(fail)


def test_a_completion_says_what_it_took(random_model: Path, ask: Ask, answer: Answer) -> None:
    model = load(random_model, max_num_seqs="1")
    first, second = answer(model, [*ask("the quick", 2, max_tokens=30)])
    for each in (first, second):
        assert each.logprob is None
        assert each.prompt_tokens
        assert each.first_token is not None
        assert 0 < each.first_token <= each.latency
    assert second.first_token is not None
    assert second.first_token > first.latency / 2  # it waited for the first
    model.close()
