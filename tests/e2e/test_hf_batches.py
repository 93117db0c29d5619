"""How the transformers backend works through its requests: order, batches, memory."""

import functools
import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, FinishReason, Request
from pytest_passatk.models import hf

pytestmark = pytest.mark.hf

Ask = Callable[..., list[Request]]
Mixed = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Shapes (rows, columns) of all calls of the network, as they happen."""
    calls: list[tuple[int, int]] = []
    wrap_forward(monkeypatch, calls.append)
    return calls


def wrap_forward(monkeypatch: pytest.MonkeyPatch, before: Callable[[tuple[int, int]], None]) -> None:
    from transformers import LlamaForCausalLM  # noqa: PLC0415 - heavy

    original = LlamaForCausalLM.forward

    @functools.wraps(original)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        before(tuple(kwargs["input_ids"].shape))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(LlamaForCausalLM, "forward", forward)


def test_short_completions_come_out_while_long_ones_run(
    hf_model: Model, ask: Ask, forwards: list[tuple[int, int]]
) -> None:
    long = ask("the quick", temperature=0.0, max_tokens=30, problem="long")
    short = ask("the quick", temperature=0.0, max_tokens=2, problem="short")
    stream = hf_model.sample(long + short)
    assert next(stream).stream == "stream-short"
    assert len(forwards) == 2
    assert next(stream).stream == "stream-long"
    assert len(forwards) == 30


def test_closing_the_iterator_stops_the_work(hf_model: Model, mixed: Mixed, forwards: list[tuple[int, int]]) -> None:
    stream = hf_model.sample(mixed(20))
    next(stream)
    done = len(forwards)
    stream.close()  # type: ignore[attr-defined]  # the contract's iterator is a generator
    assert list(stream) == []
    assert len(forwards) == done


def test_a_shared_prompt_is_read_once_and_finished_rows_leave(
    hf_model: Model, ask: Ask, forwards: list[tuple[int, int]]
) -> None:
    lengths = [1, 1, 2, 4]
    requests = [r for at, n in enumerate(lengths) for r in ask("the quick", problem=str(at), top_k=1, max_tokens=n)]
    list(hf_model.sample(requests))
    assert [rows for rows, _ in forwards] == [1, 2, 1, 1]


def test_the_session_is_batched_across_problems_within_the_budget(
    random_model: Path, ask: Ask, answer: Answer, forwards: list[tuple[int, int]]
) -> None:
    requests = [r for at in range(6) for r in ask("1 + 2 = 3 + "[: at + 4], 2, problem=str(at), max_tokens=10)]
    answer(hf.load(str(random_model), ModelOptions(batch_tokens=10_000)), requests)
    assert max(rows for rows, _ in forwards) > 6
    forwards.clear()
    answer(hf.load(str(random_model), ModelOptions(batch_tokens=60)), requests)
    assert 1 < max(rows for rows, _ in forwards) <= 60 // 11


# Memory


class FakeOutOfMemory:
    """A pretended limit on the rows of one call: above it the network raises what torch raises on a full GPU."""

    def __init__(self, rows: int, error: Callable[[], Exception]) -> None:
        self._rows = rows
        self._error = error
        self.raised = 0

    def __call__(self, shape: tuple[int, int]) -> None:
        if shape[0] > self._rows:
            self.raised += 1
            raise self._error()


def cuda_error() -> Exception:
    import torch  # noqa: PLC0415 - heavy

    error: Exception = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return error


def cpu_error() -> Exception:
    return RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to …"
    )


@pytest.mark.parametrize("error", [cuda_error, cpu_error])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    random_model: Path, mixed: Mixed, answer: Answer, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception]
) -> None:
    expected = texts(answer(hf.load(str(random_model), ModelOptions()), mixed(8)))
    wrap_forward(monkeypatch, fake := FakeOutOfMemory(5, error))
    small = hf.load(str(random_model), ModelOptions())
    assert texts(answer(small, mixed(8))) == expected
    halvings, fake.raised = fake.raised, 0
    assert 1 <= halvings <= 6
    assert texts(answer(small, mixed(8))) == expected
    assert fake.raised == 0  # the size that fits is remembered


def test_a_row_that_does_not_fit_alone_aborts_and_the_others_go_on(
    random_model: Path, mixed: Mixed, ask: Ask, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_wide(shape: tuple[int, int]) -> None:
        if shape[1] > 20:
            raise cuda_error()

    wrap_forward(monkeypatch, refuse_wide)
    requests = mixed(2) + ask("1 + 2 = 3 " * 8, problem="huge", max_tokens=4)
    *others, huge = answer(hf.load(str(random_model), ModelOptions()), requests)
    assert huge.finish_reason == FinishReason.ABORT
    assert "huge: one completion does not fit into memory (OutOfMemoryError: CUDA out of memory" in str(huge.error)
    assert all(completion.error is None for completion in others)


def test_any_other_failure_of_the_network_is_an_error_of_the_model(
    random_model: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = itertools.count()

    def fail_late(_: tuple[int, int]) -> None:
        if next(calls) == 3:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    wrap_forward(monkeypatch, fail_late)
    stream = hf.load(str(random_model), ModelOptions()).sample(ask("a", max_tokens=2) + ask("b", max_tokens=9))
    assert next(stream).tokens == 2
    with pytest.raises(ModelError, match=r"random failed in the middle of a batch .*illegal memory access"):
        next(stream)


def test_logits_that_are_not_finite_abort_the_row(random_model: Path, tmp_path: Path, ask: Ask, answer: Answer) -> None:
    from safetensors.torch import load_file, save_file  # noqa: PLC0415 - heavy

    folder = shutil.copytree(random_model, tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    completion = answer(hf.load(str(folder), ModelOptions()), ask("the"))[0]
    assert completion.finish_reason == FinishReason.ABORT
    assert "logits are not finite" in str(completion.error)
