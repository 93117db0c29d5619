"""Engines of vLLM that are started, changed and stopped; apart from the shared one, which a stop would break."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import hf, vllm

pytestmark = pytest.mark.vllm

CONTEXT = 128  # of the random model
Ask = Callable[..., list[Request]]
Mixed = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_a_chat_model_reads_its_template(build: Any, tmp_path: Path, ask: Ask) -> None:
    folder = build(tmp_path / "chat", chat_template="[{{ messages[0].content }}]<end>=")
    chatty = vllm.load(str(folder), ModelOptions())
    assert chatty.info.chat_template != "none"
    list(chatty.sample(ask("1 + 2", max_tokens=3)))
    chatty.close()


def test_an_adapter_gives_the_texts_of_the_merged_weights(
    random_model: Path, tmp_path: Path, ask: Ask, answer: Answer
) -> None:
    adapter, merged = write_adapter(random_model, tmp_path)
    requests = ask("the quick", temperature=0.0, max_tokens=20)
    adapted = vllm.load(str(random_model), ModelOptions(adapters={"": str(adapter)}))
    found = texts(answer(adapted, requests))
    adapted.close()
    expected, plain = (texts(answer(hf.load(str(each), ModelOptions()), requests)) for each in (merged, random_model))
    assert found == expected != plain
    assert str(adapted.info.adapter).startswith("lora@sha256:")


def write_adapter(folder: Path, to: Path) -> tuple[Path, Path]:
    """A random LoRA adapter in peft's format, and the model into which it is merged."""
    import torch  # noqa: PLC0415 - heavy
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    (lora := to / "lora").mkdir()
    merged = shutil.copytree(folder, to / "merged")
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
    }
    (lora / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = load_file(folder / "model.safetensors")
    tensors: dict[str, Any] = {}
    generator = torch.Generator().manual_seed(1)
    for name in [name for name in weights if "q_proj" in name]:
        stem, (outputs, inputs) = f"base_model.model.{name.removesuffix('.weight')}", weights[name].shape
        down, up = torch.randn(4, inputs, generator=generator), torch.randn(outputs, 4, generator=generator)
        tensors |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
        weights[name] += config["lora_alpha"] / config["r"] * up @ down
    save_file(tensors, lora / "adapter_model.safetensors")
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    return lora, merged


def test_the_engine_leaves_nothing_behind_and_starts_again(random_model: Path, ask: Ask, answer: Answer) -> None:
    preload = os.environ.get("LD_PRELOAD")
    again = vllm.load(str(random_model), ModelOptions())
    first = texts(answer(again, ask("the", 3, max_tokens=5)))
    again.close()
    again.close()
    assert texts(answer(again, ask("the", 3, max_tokens=5))) == first
    again.close()
    assert os.environ.get("LD_PRELOAD") == preload


def test_arguments_reach_the_engine_and_the_record(random_model: Path, ask: Ask, answer: Answer) -> None:
    narrow = vllm.load(str(random_model), ModelOptions(args={"max_model_len": "32", "max_num_seqs": "2"}))
    assert narrow.info.context == 32
    assert narrow.info.versions["argument max_model_len"] == "32"
    assert (
        "argument max_num_seqs" not in narrow.info.versions
    )  # it shapes no sample: those drawn without it still count
    assert "holds 32" in str(answer(narrow, ask("a b" * 40))[0].error)
    narrow.close()


def test_a_model_that_vllm_cannot_start_is_named(random_model: Path, tmp_path: Path, ask: Ask) -> None:
    folder = shutil.copytree(random_model, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="broken: vLLM does not start"):
        list(vllm.load(str(folder), ModelOptions()).sample(ask("the")))
