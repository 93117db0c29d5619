"""Adapters on vLLM, one and several in one engine."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.protocols import Armed, Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import hf, vllm, vllm_arms, vllm_setup
from tests.e2e.adapters import write_adapter

pytestmark = pytest.mark.vllm

Ask = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


@pytest.fixture(scope="module")
def adapters(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Three arms: the model as it is, and two random adapters of different rank."""
    to = tmp_path_factory.mktemp("adapters")
    made = {name: str(write_adapter(random_model, to / name, seed, rank)) for name, seed, rank in NAMES}
    return {"base": None, **made}


NAMES = [("a", 1, 4), ("b", 2, 12)]


@pytest.fixture(scope="module")
def alone(
    random_model: Path, adapters: dict[str, str | None], questions: Callable[[str], list[Request]], answer: Answer
) -> dict[str, list[str]]:
    """What each arm answers in an engine of its own; the base has none with adapters."""
    found = {}
    for arm, adapter in adapters.items():
        model = vllm.load(str(random_model), ModelOptions(adapters={"": adapter}))
        found[arm] = [c.text for c in answer(model, questions(""))]
        model.close()
    return found


@pytest.fixture(scope="module")
def questions(ask: Ask) -> Callable[[str], list[Request]]:
    """The same requests for each arm, greedy and sampled."""

    def make(arm: str) -> list[Request]:
        greedy = ask("the quick", 1, problem=f"{arm}-greedy", temperature=0.0, max_tokens=20)
        return [
            Request(f"{arm}-{r.stream}", r.problem_id, r.index, r.prompt, r.params, at, arm)
            for at, r in enumerate([*greedy, *ask("brown fox", 4, problem=f"{arm}-fox", max_tokens=20)])
        ]

    return make


@pytest.fixture
def mixed_arms(
    random_model: Path, adapters: dict[str, str | None], questions: Callable[[str], list[Request]], answer: Answer
) -> Callable[[], dict[str, list[str]]]:
    """What one engine answers to the requests of all arms, in turn."""

    def run() -> dict[str, list[str]]:
        model = vllm.load(str(random_model), ModelOptions(adapters=adapters))
        assert isinstance(model, Armed)
        assert [model.info_of(arm).adapter is None for arm in adapters] == [True, False, False]
        found = answer(model, [r for group in zip(*map(questions, adapters), strict=True) for r in group])
        model.close()
        return {arm: [c.text for c in found[at :: len(adapters)]] for at, arm in enumerate(adapters)}

    return run


def test_an_adapter_gives_the_texts_of_the_merged_weights(
    random_model: Path, adapters: dict[str, str | None], tmp_path: Path, ask: Ask, answer: Answer
) -> None:
    merged = merge(random_model, Path(str(adapters["a"])), tmp_path / "merged")
    requests = ask("the quick", temperature=0.0, max_tokens=20)
    adapted = vllm.load(str(random_model), ModelOptions(adapters={"": adapters["a"]}))
    found = [c.text for c in answer(adapted, requests)]
    adapted.close()
    expected, plain = (
        [c.text for c in answer(hf.load(str(m), ModelOptions()), requests)] for m in (merged, random_model)
    )
    assert found == expected != plain
    assert str(adapted.info.adapter).startswith("a@sha256:")


def test_arms_of_one_engine_answer_as_they_do_alone(
    mixed_arms: Callable[[], dict[str, list[str]]], alone: dict[str, list[str]]
) -> None:
    assert mixed_arms() == alone
    assert len({str(texts) for texts in alone.values()}) == len(alone), "the arms differ, or the test shows nothing"


def test_a_batch_of_several_arms_is_still_answered_wrong_on_a_cpu(
    mixed_arms: Callable[[], dict[str, list[str]]], alone: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if vllm_setup.find_platform() != "cpu":
        pytest.skip("arms share their batches there")
    monkeypatch.setattr(vllm_arms, "waves", lambda flights, **_: [list(flights)])
    assert mixed_arms()["base"] != alone["base"], (
        f"vLLM {vllm_setup.installed_version()} answers a batch of several adapters right on a CPU: "
        "vllm_arms.waves need not keep arms apart any more"
    )


def test_an_adapter_that_vllm_does_not_take_is_named(
    random_model: Path, adapters: dict[str, str | None], tmp_path: Path, ask: Ask
) -> None:
    broken = shutil.copytree(str(adapters["a"]), tmp_path / "broken")
    (broken / "adapter_model.safetensors").write_bytes(b"no weights")
    model = vllm.load(str(random_model), ModelOptions(adapters={"": str(broken)}))
    with pytest.raises(ModelError, match=r"--adapter .*broken: vLLM does not take it"):
        list(model.sample(ask("the")))
    model.close()


def merge(model: Path, adapter: Path, to: Path) -> Path:
    """A copy of the model with the adapter in its weights."""
    from safetensors.torch import load_file, save_file  # noqa: PLC0415 - heavy

    shutil.copytree(model, to)
    kind = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    parts, weights = load_file(adapter / "adapter_model.safetensors"), load_file(model / "model.safetensors")
    for name in [name for name in weights if "q_proj" in name]:
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        up, down = parts[f"{stem}.lora_B.weight"], parts[f"{stem}.lora_A.weight"]
        weights[name] += kind["lora_alpha"] / kind["r"] * up @ down
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    return to
