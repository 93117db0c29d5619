"""The decoding loop on networks whose caches, masks and positions differ."""

from collections.abc import Callable
from typing import Any

import pytest

from pytest_passatk.core.sample import Request, SamplingParams
from pytest_passatk.models import hf_batch
from pytest_passatk.models.hf_decode import decode
from pytest_passatk.models.row import Row

pytestmark = pytest.mark.hf

COMMON = {"vocab_size": 100, "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 4}
LLAMA = {**COMMON, "intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 256}
PROMPTS = (tuple(range(5, 8)), tuple(range(10, 31)), tuple(range(40, 52)), tuple(range(5, 8)))
LENGTHS = (20, 12, 16, 5)

Make = Callable[[Any], Any]
ARCHITECTURES: dict[str, Make] = {
    "grouped queries": lambda t: t.LlamaForCausalLM(t.LlamaConfig(**LLAMA)),
    "sliding window": lambda t: t.MistralForCausalLM(t.MistralConfig(**LLAMA, sliding_window=8)),
    "alternating windows": lambda t: t.Gemma3ForCausalLM(t.Gemma3TextConfig(**LLAMA, sliding_window=8)),
    "learned positions": lambda t: t.GPT2LMHeadModel(t.GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=2)),
    "own positions": lambda t: t.OPTForCausalLM(t.OPTConfig(**COMMON, ffn_dim=64, word_embed_proj_dim=32)),
    "no positions": lambda t: t.BloomForCausalLM(t.BloomConfig(vocab_size=100, hidden_size=32, n_layer=2, n_head=2)),
    "state space": lambda t: t.MambaForCausalLM(
        t.MambaConfig(vocab_size=100, hidden_size=32, num_hidden_layers=2, state_size=8)
    ),
}


@pytest.mark.parametrize("make", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_ragged_batch_gives_what_generate_gives_alone(make: Make) -> None:
    import torch  # noqa: PLC0415 - heavy
    import transformers  # noqa: PLC0415

    torch.manual_seed(0)
    model = make(transformers).eval()
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.15)  # the usual initial values give one token for ever
    greedy = Request("s", "p", 0, "", SamplingParams(temperature=0.0), 1)
    rows = [Row(greedy, prompt, length) for prompt, length in zip(PROMPTS, LENGTHS, strict=True)]
    assert {row.limit for row in decode(model, rows, lambda row: len(row.tokens) >= row.limit)} == set(LENGTHS)
    for row in rows:
        prompt = torch.tensor([row.prompt])
        settings = {"do_sample": False, "max_new_tokens": row.limit, "eos_token_id": -1, "pad_token_id": 0}
        alone = model.generate(prompt, attention_mask=torch.ones_like(prompt), **settings)
        assert row.tokens == alone[0, len(row.prompt) :].tolist()


@pytest.mark.parametrize("make", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_every_architecture_has_a_budget_of_its_own(make: Make) -> None:
    import transformers  # noqa: PLC0415 - heavy

    assert hf_batch.LEAST <= hf_batch.choose_budget(make(transformers)) <= hf_batch.MOST


def test_a_state_space_gets_the_least_budget() -> None:
    import transformers  # noqa: PLC0415 - heavy

    assert hf_batch.choose_budget(ARCHITECTURES["state space"](transformers)) == hf_batch.LEAST
