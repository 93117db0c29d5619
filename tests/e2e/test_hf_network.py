"""The network of transformers under packed steps: parts of many requests in one pass, as each of them alone."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.runtimes.taps import tapped
from pytest_passatk.stress.hf_network import HfNetwork
from pytest_passatk.stress.hf_runtime import load, load_network
from pytest_passatk.stress.packed import Part

pytestmark = pytest.mark.hf

CLOSE = 1e-4
LAYERS = ("layers.0", "layers.-1.input_layernorm", "layers.-1")


@pytest.fixture(scope="module")
def network(random_model: Path) -> HfNetwork:
    return load_network(str(random_model), ModelOptions())


def schedule(choose: random.Random, vocabulary: int, context: int) -> Iterator[list[Part]]:
    """Steps with some of the unfinished sequences each: prompts in parts of any length beside single tokens."""
    lengths = {f"r{at}": choose.randint(1, min(40, context)) for at in range(choose.randint(1, 8))}
    whole = {name: [choose.randrange(vocabulary) for _ in range(length)] for name, length in lengths.items()}
    read = dict.fromkeys(whole, 0)
    while left := [name for name in whole if read[name] < len(whole[name])]:
        chosen = choose.sample(left, choose.randint(1, len(left)))
        parts = []
        for name in chosen:
            size = choose.choice([1, choose.randint(1, 20)])
            parts.append(Part(name, tuple(whole[name][read[name] : read[name] + size]), read[name]))
            read[name] += len(parts[-1].tokens)
        yield parts


def play(network: HfNetwork, steps: Sequence[list[Part]]) -> tuple[dict[Any, Any], dict[str, list[int]]]:
    """By (layer or `logits`, request, position) what the network gave, and the tokens of each request."""
    seen: dict[Any, Any] = {}
    tokens: dict[str, list[int]] = {}
    for parts in steps:
        where = [(part.request, part.start + at) for part in parts for at in range(len(part.tokens))]

        def see(name: str, rows: Any, where: list[tuple[str, int]] = where) -> None:
            seen.update({(name, *each): row.clone() for each, row in zip(where, rows, strict=True)})

        with tapped(network.module, LAYERS, see):
            logits = network.extend(parts)
        for part, row in zip(parts, logits, strict=True):
            tokens.setdefault(part.request, []).extend(part.tokens)
            seen["logits", part.request, part.start + len(part.tokens) - 1] = row
    return seen, tokens


@pytest.mark.parametrize("seed", range(12))
def test_every_row_of_any_schedule_is_that_of_its_sequence_alone(network: HfNetwork, reference: Any, seed: int) -> None:
    steps = list(schedule(random.Random(seed), network.vocabulary, network.context))
    seen, tokens = play(network, steps)
    for request, read in tokens.items():
        network.forget(request)
        expected = alone(reference[0], read)
        ours = {(name, at): row for (name, owner, at), row in seen.items() if owner == request}
        assert {at for name, at in ours if name == LAYERS[0]} == set(range(len(read)))
        for (name, at), row in ours.items():
            assert (row - expected[name][at]).abs().max() < CLOSE, (request, name, at)
            assert name != "logits" or row.argmax() == expected[name][at].argmax()


def alone(model: Any, tokens: Sequence[int]) -> dict[str, Any]:
    """What the plain model of transformers has at each position."""
    import torch  # noqa: PLC0415 - heavy

    with torch.inference_mode():
        output = model(torch.tensor([list(tokens)]), output_hidden_states=True)
        norm = model.model.layers[-1].input_layernorm(output.hidden_states[-2])
        last = play_blocks(model, tokens)
    return {"layers.0": output.hidden_states[1][0], LAYERS[1]: norm[0], "layers.-1": last, "logits": output.logits[0]}


def play_blocks(model: Any, tokens: Sequence[int]) -> Any:
    """The residual stream behind the last block, which transformers gives only normed."""
    import torch  # noqa: PLC0415 - heavy

    found: list[Any] = []
    hook = model.model.norm.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0][0]))
    model(torch.tensor([list(tokens)]))
    hook.remove()
    return found[0]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_parts_of_a_prompt_give_what_the_whole_prompt_gives(random_model: Path, attention: str) -> None:
    network = load_network(str(random_model), ModelOptions(args={"attn_implementation": attention}))
    prompt = tuple(range(5, 30))
    (whole,) = network.extend([Part("whole", prompt, 0)])
    network.extend([Part("parts", prompt[:11], 0)])
    (parts,) = network.extend([Part("parts", prompt[11:], 11)])
    assert (whole - parts).abs().max() < CLOSE


def test_a_request_that_was_forgotten_starts_anew(network: HfNetwork) -> None:
    first = network.extend([Part("again", (7, 8, 9), 0), Part("other", (5,), 0)])
    network.forget("again")
    network.forget("never seen")
    assert (network.extend([Part("again", (7, 8, 9), 0)])[0] - first[0]).abs().max() < CLOSE
    with pytest.raises(ValueError, match="other has read 1 tokens, and cannot go on at position 4"):
        network.extend([Part("other", (6,), 4)])
    for request in ("again", "other"):
        network.forget(request)


def test_the_network_tells_its_sizes(network: HfNetwork, reference: Any) -> None:
    import torch  # noqa: PLC0415 - heavy

    output = reference[0].get_output_embeddings()
    assert torch.equal(network.head, output.weight)
    assert network.head.shape == (network.vocabulary, network.hidden)
    assert network.bias is None
    assert (network.context, network.dtype, network.device.type) == (128, torch.float32, "cpu")


def test_an_adapter_is_part_of_the_network(random_model: Path, tmp_path: Path) -> None:
    import torch  # noqa: PLC0415 - heavy
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    torch.manual_seed(1)
    settings = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(random_model), settings).eval()
    adapted.save_pretrained(tmp_path)
    network = load_network(str(random_model), ModelOptions(adapters={"": str(tmp_path)}))
    (found,) = network.extend([Part("r0", (5, 6, 7), 0)])
    assert (found - adapted(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1]).abs().max() < CLOSE


def test_the_runtime_plays_alike_in_forks_whatever_the_threads(random_model: Path) -> None:
    """In a process of its own, which has computed with two threads before."""
    program = (
        "import sys, torch\n"
        "from pytest_passatk.core.protocols import ModelOptions\n"
        "from pytest_passatk.stress.classics import CLASSICS\n"
        "from pytest_passatk.stress.hf_runtime import load\n"
        "from pytest_passatk.stress.isolate import in_fork\n"
        "torch.set_num_threads(2)\n"
        "torch.rand(500, 500) @ torch.rand(500, 500)\n"
        "runtime = load(sys.argv[1], ModelOptions())\n"
        "schedule = next(each for each in CLASSICS if each.name == 'refill')\n"
        "here = runtime.play(schedule)\n"
        "assert here == in_fork(lambda: runtime.play(schedule), 60), 'another play'\n"
        "assert all(played.finished for played in here.requests.values())\n"
        "print('alike', here.steps > 5)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(random_model)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "alike True", done.stderr


def test_several_adapters_are_refused(random_model: Path) -> None:
    with pytest.raises(UsageError, match="the stress suite takes one --adapter on transformers, not 2"):
        load(str(random_model), ModelOptions(adapters={"a": None, "b": None}))


def test_a_network_without_keys_and_values_is_refused() -> None:
    from transformers import MambaConfig, MambaForCausalLM  # noqa: PLC0415 - heavy

    state = MambaForCausalLM(MambaConfig(vocab_size=40, hidden_size=16, num_hidden_layers=1, state_size=4))
    with pytest.raises(UsageError, match="MambaForCausalLM keeps no keys and values by position"):
        HfNetwork(state, 64)
