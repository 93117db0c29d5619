"""Engines of vLLM that are started, changed and stopped; apart from the shared one, which a stop would break."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import vllm

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


def test_a_closed_engine_starts_again(random_model: Path, ask: Ask, answer: Answer) -> None:
    again = vllm.load(str(random_model), ModelOptions())
    first = texts(answer(again, ask("the", 3, max_tokens=5)))
    again.close()
    again.close()
    assert texts(answer(again, ask("the", 3, max_tokens=5))) == first
    again.close()


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
