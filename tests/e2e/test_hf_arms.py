"""Adapters of the transformers backend: one, or several as arms of one run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import hf

pytestmark = pytest.mark.hf

Ask = Callable[..., list[Request]]
Mixed = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_an_adapter_changes_the_texts_as_peft_does(
    random_model: Path, hf_model: Model, tmp_path: Path, ask: Ask, answer: Answer
) -> None:
    adapter, expected = make_adapter(random_model, tmp_path / "lora", "the quick", seed=1)
    adapted = hf.load(str(random_model), ModelOptions(adapters={"": str(adapter)}))
    request = ask("the quick", temperature=0.0, max_tokens=20)
    assert texts(answer(adapted, request)) == [expected]
    assert texts(answer(hf_model, request)) != [expected]
    assert str(adapted.info.adapter).startswith("lora@sha256:")
    assert "peft" in adapted.info.versions


def test_an_adapter_with_other_weights_is_another_adapter(random_model: Path, tmp_path: Path) -> None:
    names = set()
    for seed in (1, 2):
        adapter, _ = make_adapter(random_model, tmp_path / str(seed) / "lora", "the", seed=seed)
        names.add(hf.load(str(random_model), ModelOptions(adapters={"": str(adapter)})).info.adapter)
    assert len(names) == 2


def test_arms_in_one_session_answer_as_each_of_them_alone(
    random_model: Path, tmp_path: Path, mixed: Mixed, answer: Answer
) -> None:
    loras = {f"v.{seed}": make_adapter(random_model, tmp_path / str(seed), "the", seed=seed)[0] for seed in (1, 2)}
    adapters = {"v.1": str(loras["v.1"]), "base": None, "v.2": str(loras["v.2"])}
    together = hf.load(str(random_model), ModelOptions(adapters=adapters))
    asked = [replace(request, arm=arm, stream=arm + request.stream) for request in mixed(2) for arm in adapters]
    found = {(c.stream, c.index): c.text for c in answer(together, asked)}
    for arm, adapter in adapters.items():
        alone = hf.load(str(random_model), ModelOptions(adapters={"": adapter}))
        expected = answer(alone, mixed(2))
        assert [found[arm + each.stream, each.index] for each in expected] == texts(expected)
        assert together.info_of(arm) == alone.info
    assert len({found[arm + "stream-p0", 0] for arm in adapters}) == len(adapters), "the arms differ"
    assert together.info == together.info_of("v.1")


@pytest.mark.parametrize("damage", ["no kind", "half the weights"])
def test_a_damaged_adapter_is_named(random_model: Path, tmp_path: Path, ask: Ask, damage: str) -> None:
    adapter, _ = make_adapter(random_model, tmp_path / "lora", "the", seed=1)
    if damage == "no kind":
        (adapter / "adapter_config.json").write_text("{}")
    else:
        weights = adapter / "adapter_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match=f"--adapter {adapter} does not fit the model, or is damaged"):
        list(hf.load(str(random_model), ModelOptions(adapters={"": str(adapter)})).sample(ask("the quick")))


def make_adapter(folder: Path, to: Path, prompt: str, *, seed: int) -> tuple[Path, str]:
    """A random LoRA adapter, and the greedy text that peft generates with it."""
    import torch  # noqa: PLC0415 - heavy
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    network = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config).eval()
    network.save_pretrained(to)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt, return_tensors="pt")
    whole = network.generate(**ids, do_sample=False, max_new_tokens=20, pad_token_id=0)
    return to, tokenizer.decode(whole[0, ids.input_ids.shape[1] :], skip_special_tokens=True)
