"""The NumPy decoder computes what transformers computes, for every position, with and without a cache."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_passatk.models.embedded import embedded_folder
from pytest_passatk.models.tiny_network import Network

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.hf
CLOSE = 1e-4
PROMPTS = ([3, 14, 15, 92, 65], list(range(100, 180)), [1, 2, 1, 639])


@pytest.fixture(scope="module", params=["embedded", "grouped"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model, and a random one with shared keys, another base of rotation, float32 and its own head."""
    if request.param == "embedded":
        return embedded_folder()
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=640,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    where = tmp_path_factory.mktemp("grouped")
    transformers.LlamaForCausalLM(config).save_pretrained(where)
    return where


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[NDArray[np.float32]]:
    """Logits of every position of every prompt, by transformers."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return [model(torch.tensor([prompt])).logits[0].numpy() for prompt in PROMPTS]


def test_prompts_of_different_lengths_in_one_batch(folder: Path, expected: list[NDArray[np.float32]]) -> None:
    network = Network(folder)
    lengths = np.array([len(prompt) for prompt in PROMPTS])
    tokens = np.array([prompt + [7] * (lengths.max() - len(prompt)) for prompt in PROMPTS])
    logits = network.forward(tokens, np.zeros_like(lengths), lengths - 1, network.allocate(*tokens.shape))
    for row, wanted in zip(logits, expected, strict=True):
        assert np.abs(row - wanted[-1]).max() < CLOSE


def test_token_by_token_with_a_cache(folder: Path, expected: list[NDArray[np.float32]]) -> None:
    network = Network(folder)
    for prompt, wanted in zip(PROMPTS, expected, strict=True):
        cache = network.allocate(1, 100)
        for at, token in enumerate(prompt):
            logits = network.forward(np.array([[token]]), np.array([at]), np.array([0]), cache)
            assert np.abs(logits[0] - wanted[at]).max() < CLOSE


def test_rows_continue_behind_prompts_of_different_lengths(folder: Path, expected: list[NDArray[np.float32]]) -> None:
    network = Network(folder)
    starts = np.array([len(prompt) - 1 for prompt in PROMPTS])
    tokens = np.array([prompt[:-1] + [9] * (starts.max() - len(prompt) + 1) for prompt in PROMPTS])
    cache = network.allocate(len(PROMPTS), 100)
    network.forward(tokens, np.zeros_like(starts), starts - 1, cache)
    last = np.array([[prompt[-1]] for prompt in PROMPTS])
    logits = network.forward(last, starts, np.zeros_like(starts), cache)
    for row, wanted in zip(logits, expected, strict=True):
        assert np.abs(row - wanted[-1]).max() < CLOSE
