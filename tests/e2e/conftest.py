"""Random models for the engines, and what to do where an engine is not installed."""

import os
import string
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import pytest

from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Completion, Prompt, Request, SamplingParams, sample_seed
from pytest_passatk.models import hf

NEEDS = {"hf": ("torch", "transformers", "peft"), "vllm": ("vllm",)}
PROMPTS = ["the quick", "1 + 2 =", "brown fox jumps over the lazy dog", "a", "over, over, over and over, 3 + 3"]
CONTEXT = 128
END = "<end>"

Build = Callable[..., Path]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose engine is missing, unless PASSATK_REQUIRE_HF or PASSATK_REQUIRE_VLLM asks for it."""
    for engine, libraries in NEEDS.items():
        missing = [library for library in libraries if item.get_closest_marker(engine) and not find_spec(library)]
        if missing and os.environ.get(f"PASSATK_REQUIRE_{engine.upper()}") == "1":
            pytest.fail(f"PASSATK_REQUIRE_{engine.upper()}=1, but {', '.join(missing)} is not installed", pytrace=False)
        if missing:
            pytest.skip(f"{', '.join(missing)} is not installed: pip install 'pytest-passatk[{engine}]'")


class Ask(Protocol):
    """Makes the requests of one problem."""

    def __call__(self, prompt: Prompt, n: int = 1, *, problem: str = "p", **params: Any) -> list[Request]: ...


@pytest.fixture(scope="session")
def ask() -> Ask:
    def make(prompt: Prompt, n: int = 1, *, problem: str = "p", **params: Any) -> list[Request]:
        settings = SamplingParams(**params)
        seeds = [sample_seed(0, problem, index) for index in range(n)]
        return [Request(f"stream-{problem}", problem, at, prompt, settings, seed) for at, seed in enumerate(seeds)]

    return make


class Mixed(Protocol):
    """Makes requests over several prompts of different lengths, each a problem of its own."""

    def __call__(self, n: int = 3, **params: Any) -> list[Request]: ...


@pytest.fixture(scope="session")
def mixed(ask: Ask) -> Mixed:
    def make(n: int = 3, **params: Any) -> list[Request]:
        settings = {"max_tokens": 24, **params}
        return [r for at, prompt in enumerate(PROMPTS) for r in ask(prompt, n, problem=f"p{at}", **settings)]

    return make


class Answer(Protocol):
    """Completions in the order of their requests."""

    def __call__(self, model: Model, requests: Sequence[Request]) -> list[Completion]: ...


@pytest.fixture(scope="session")
def answer() -> Answer:
    def run(model: Model, requests: Sequence[Request]) -> list[Completion]:
        found = {(c.stream, c.index): c for c in model.sample(requests)}
        assert len(found) == len(requests), "each request is answered once"
        return [found[request.stream, request.index] for request in requests]

    return run


@pytest.fixture(scope="session")
def build() -> Build:
    """Writes a random Llama with a byte-level tokenizer into a folder."""
    return build_model


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("models") / "random")


@pytest.fixture(scope="session")
def reference(random_model: Path) -> tuple[Any, Any]:
    """transformers' own model and tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - heavy

    return AutoModelForCausalLM.from_pretrained(random_model).eval(), AutoTokenizer.from_pretrained(random_model)


@pytest.fixture(scope="module")
def hf_model(random_model: Path) -> Iterator[Model]:
    loaded = hf.load(str(random_model), ModelOptions())
    yield loaded
    loaded.close()


def build_model(folder: Path, *, seed: int = 0, chat_template: str | None = None) -> Path:
    import torch  # noqa: PLC0415 - heavy
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415

    tokenizer = make_tokenizer(chat_template)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=CONTEXT, bos_token_id=None, eos_token_id=1, pad_token_id=None,
        tie_word_embeddings=True, initializer_range=0.12,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_tokenizer(chat_template: str | None) -> Any:
    """Byte-level BPE over printable ASCII, so that every token is a text; no padding token is declared."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415 - with transformers
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - heavy

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=130, special_tokens=["<pad>", END], show_progress=False,
        initial_alphabet=["Ġ", *string.printable.strip()],
    )  # fmt: skip
    bpe.train_from_iterator(["the quick brown fox jumps over the lazy dog, 1 + 2 = 3"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, chat_template=chat_template)
