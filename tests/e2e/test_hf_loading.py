"""What the transformers backend loads, records and refuses."""

import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import ModelError, UsageError
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models import hf, registry

pytestmark = pytest.mark.hf

CONTEXT = 128  # of the random model
Ask = Callable[..., list[Request]]
Answer = Callable[[Model, Sequence[Request]], list[Completion]]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [completion.text for completion in completions]


def test_the_record_says_what_runs(random_model: Path) -> None:
    import torch  # noqa: PLC0415 - heavy

    info = hf.load(str(random_model), ModelOptions(device="cpu")).info
    assert (info.name, info.backend, info.device, info.dtype) == ("random", "hf", "cpu", "float32")
    assert (info.context, info.chat_template, info.adapter) == (CONTEXT, "none", None)
    assert info.versions["torch"] == torch.__version__
    assert info.revision.startswith("sha256:")


def test_the_record_is_known_before_the_weights_are_read(random_model: Path, tmp_path: Path, ask: Ask) -> None:
    folder = shutil.copytree(random_model, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    broken = hf.load(str(folder), ModelOptions())
    assert broken.info.name == "broken"
    with pytest.raises(ModelError, match="broken: transformers cannot load the model"):
        list(broken.sample(ask("the")))


def test_a_chosen_dtype_is_used_and_recorded(random_model: Path, ask: Ask, answer: Answer) -> None:
    narrow = hf.load(str(random_model), ModelOptions(dtype="bfloat16"))
    assert narrow.info.dtype == "bfloat16"
    assert answer(narrow, ask("the", max_tokens=5))[0].tokens <= 5


def test_a_chat_model_reads_its_template(build: Any, hf_model: Model, tmp_path: Path, ask: Ask, answer: Answer) -> None:
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}<end>="
    chatty = hf.load(str(build(tmp_path / "chat", chat_template=template)), ModelOptions())
    raw = texts(answer(hf_model, ask("[user]1 + 2<end>=", 3, max_tokens=20)))
    assert texts(answer(chatty, ask("1 + 2", 3, max_tokens=20))) == raw
    assert texts(answer(chatty, ask(({"role": "user", "content": "1 + 2"},), 3, max_tokens=20))) == raw
    assert chatty.info.chat_template not in {"none", hf_model.info.chat_template}
    plain = hf.load(str(tmp_path / "chat"), ModelOptions(chat_template="none"))
    assert texts(answer(plain, ask("1 + 2", 3, max_tokens=20))) == texts(
        answer(hf_model, ask("1 + 2", 3, max_tokens=20))
    )


def test_a_raw_prompt_gets_the_tokenizers_own_special_tokens_and_a_chat_does_not(
    build: Any, tmp_path: Path, ask: Ask
) -> None:
    from tokenizers import Tokenizer, processors  # noqa: PLC0415 - with transformers

    folder = build(tmp_path / "bos", chat_template="{{ messages[0].content }}")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<pad> $A", special_tokens=[("<pad>", 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    room = {}
    for choice in ("auto", "none"):
        chosen = hf.load(str(folder), ModelOptions(chat_template=choice))
        room[choice] = max(c.tokens for c in chosen.sample(ask("abc", 20, max_tokens=1000)))
    assert room["auto"] == room["none"] + 1  # the special token before the raw prompt takes one of the context


def test_leading_spaces_survive_a_tokenizer_that_marks_words() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: PLC0415 - with transformers
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - heavy

    from pytest_passatk.models.hf_text import Text  # noqa: PLC0415

    unknown = "▁x"
    words = Tokenizer(models.WordLevel({"▁def": 0, "▁return": 1, unknown: 2}, unk_token=unknown))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.decoder = decoders.Metaspace()
    text = Text(PreTrainedTokenizerFast(tokenizer_object=words), None)
    assert text.decode([0], [1, 2]) == " return x"


# What is refused


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("config.json"), r"damaged is no model: it has no config\.json"),
        (remove("tokenizer.json"), r"damaged has no tokenizer \(tokenizer\.json or"),
        (remove("model.safetensors"), r"damaged has no weights"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json"),
    ],
    ids=["config", "tokenizer", "weights", "broken-config"],
)
def test_a_damaged_folder_is_named_with_what_it_lacks(
    random_model: Path, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(folder := shutil.copytree(random_model, tmp_path / "damaged"))
    with pytest.raises(ModelError, match=message):
        hf.load(str(folder), ModelOptions())


def test_weights_with_a_hole_are_refused_instead_of_filled_with_random_numbers(
    random_model: Path, tmp_path: Path, ask: Ask
) -> None:
    from safetensors.torch import load_file, save_file  # noqa: PLC0415 - heavy

    folder = shutil.copytree(random_model, tmp_path / "hole")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"hole: the weights lack 1 tensors, model\.layers\.1\.mlp\.up_proj\.weight"):
        list(hf.load(str(folder), ModelOptions()).sample(ask("the")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelOptions(dtype="float8"), "unknown dtype 'float8'; choose one of auto, float32"),
        (ModelOptions(quantization="2bit"), "unknown quantization '2bit'"),
        (ModelOptions(args={"max_seqs": "4", "context": "9"}), "unknown model argument max_seqs; it takes"),
        (ModelOptions(revision="v1"), "is the local folder .* which has no --revision v1"),
        (ModelOptions(chat_template="gone.jinja"), r"gone\.jinja: No such file"),
    ],
    ids=["dtype", "quantization", "args", "revision", "template"],
)
def test_an_option_that_cannot_be_met_is_refused_at_once(
    random_model: Path, options: ModelOptions, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        hf.load(str(random_model), options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ModelOptions(device="gpu7"), "unknown device 'gpu7'"),
        (ModelOptions(device="mps" if sys.platform != "darwin" else "cuda"), "torch sees no (mps|cuda) device here"),
        (ModelOptions(args={"context": "many"}), "context=many is no number of tokens"),
    ],
    ids=["unknown", "absent", "context"],
)
def test_a_device_that_is_not_there_is_refused_with_the_record(
    random_model: Path, options: ModelOptions, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _ = hf.load(str(random_model), options).info


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_quantization_without_its_library_names_it(random_model: Path) -> None:
    with pytest.raises(UsageError, match="quantization 8bit needs bitsandbytes"):
        hf.load(str(random_model), ModelOptions(quantization="8bit"))


def test_the_context_can_be_narrowed(random_model: Path, ask: Ask, answer: Answer) -> None:
    narrow = hf.load(str(random_model), ModelOptions(args={"context": "16"}))
    assert narrow.info.context == 16
    assert "holds 16" in str(answer(narrow, ask("a b" * 20))[0].error)


def test_a_folder_that_is_no_adapter_is_refused(random_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"--adapter .*: adapter_config\.json and adapter_model\.safetensors"):
        hf.load(str(random_model), ModelOptions(adapters={"": str(tmp_path)}))


def test_a_path_that_is_not_there_is_no_id_of_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no folder .*nowhere/at/all; give an existing folder"):
        hf.load(str(tmp_path / "nowhere/at/all"), ModelOptions())


def test_a_spec_without_a_target_is_refused() -> None:
    with pytest.raises(UsageError, match="hf: names no model"):
        registry.load("hf:", ModelOptions())
