"""What ESamp costs: tokens a second under the patch over those of the unpatched runtime, and where the time goes.

    python benchmarks/esamp_cost.py [--engines hf vllm] [--models tiny mid] [--rounds 5] [--problems 8] [--n 8]

Two models: the embedded one, on sums, and a random Llama of 6 layers and width 896 whose completions all run to their
limit. One engine answers for all arms: unpatched; a patch that taps what ESamp taps and does nothing, which is what the
runtime itself does for a patch; ESamp with β = 0, which learns and guides nothing (the same tokens); and ESamp with one
distiller for all prompts, with one a prompt, and with a bank. Within a round each arm answers the same requests once,
one after the other, and the first arm changes from round to round. A ratio is taken within a round.

Tokens are counted by the second of processor time on a CPU, which in one thread is the time on a quiet machine: set
OMP_NUM_THREADS=1.

Behind the rounds each arm answers once more with a clock in the patch's methods: begin (slots and indices), taps
(copies of the rows that decode), guidance (prediction, logits of it), training. On a GPU the clock waits for it each
time.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch as replaced

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from pytest_passatk.core.patch import Patch, Tensor
from pytest_passatk.core.protocols import Model, ModelOptions
from pytest_passatk.core.sample import Request, SamplingParams, sample_seed
from pytest_passatk.models import registry
from pytest_passatk.models.embedded import embedded_folder
from pytest_passatk.patches.esamp import ESamp
from pytest_passatk.patches.registry import resolve

PLAIN, INERT = "none", "inert"
ARMS = {
    "esamp beta=0": {"beta": "0"},
    "esamp shared": {},
    "esamp per_request": {"mode": "per_request"},
    "esamp bank": {"mode": "bank"},
}
PARTS = {"begin_step": "begin", "on_layer": "taps", "modify_candidates": "guidance", "end_step": "training"}
WORDS = 8000  # in the vocabulary of the random model


class Inert(Patch):
    """Taps, and declines to change anything."""

    layers = ("layers.0.input_layernorm", "layers.-1.input_layernorm")

    def modify_candidates(self, logits: Tensor) -> Tensor:
        """Decline."""
        return logits


def make_mid(folder: Path) -> Path:
    """A random Llama of 6 layers and width 896, whose tokens are words; none ends a text."""
    words = Tokenizer(models.WordLevel({f"w{at}": at for at in range(WORDS)}, unk_token="w0"))  # noqa: S106 - a word
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=896, intermediate_size=2432, num_hidden_layers=6, num_attention_heads=14,
        num_key_value_heads=2, max_position_embeddings=1024, tie_word_embeddings=True, initializer_range=0.06,
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def prompts_of(model: str, problems: int) -> list[str]:
    """One prompt a problem."""
    if model == "tiny":
        return [f"Compute {17 + 5 * at} + {23 + 3 * at}. Put the result in \\boxed{{}}." for at in range(problems)]
    return [" ".join(f"w{(at * 31 + word * 7) % WORDS}" for word in range(12 + at)) for at in range(problems)]


def requests_of(prompts: Sequence[str], n: int, tokens: int, arm: str) -> list[Request]:
    """All samples of all problems, for one arm; the seeds are those of every other arm."""
    params = SamplingParams(temperature=0.8, top_p=0.95, min_p=0.1, max_tokens=tokens)
    return [
        Request(f"p{problem}", f"p{problem}", at, prompt, params, sample_seed(0, str(problem), at), arm)
        for problem, prompt in enumerate(prompts)
        for at in range(n)
    ]


def answer(model: Model, requests: Sequence[Request]) -> tuple[int, float]:
    """Tokens that came out, and seconds that it took."""
    start = now()
    found = list(model.sample(requests))
    seconds = now() - start
    if errors := {each.error for each in found if each.error}:
        raise RuntimeError(f"not all was answered: {errors}")
    return sum(each.tokens for each in found), seconds


def measure(model: Model, ask: Callable[[str], list[Request]], rounds: int) -> dict[str, list[float]]:
    """Tokens a second of each arm, one figure a round."""
    arms = [PLAIN, INERT, *ARMS]
    speeds: dict[str, list[float]] = {arm: [] for arm in arms}
    for number in range(rounds + 1):
        for at in range(len(arms)):
            arm = arms[(at + number) % len(arms)]
            tokens, seconds = answer(model, ask(arm))
            if number:  # round 0 warms up
                speeds[arm].append(tokens / seconds)
    return speeds


@contextmanager
def clocked() -> Iterator[Counter[str]]:
    """Seconds in each part of the patch, by its name, for the block."""
    spent: Counter[str] = Counter()
    with ExitStack() as stack:
        for method, part in PARTS.items():
            stack.enter_context(replaced.object(ESamp, method, timed(getattr(ESamp, method), spent, part)))
        yield spent


def timed(method: Callable[..., Any], spent: Counter[str], part: str) -> Callable[..., Any]:
    """A method that adds the seconds of each call."""

    @wraps(method)
    def call(*args: Any) -> Any:
        start = now()
        found = method(*args)
        spent[part] += now() - start  # type: ignore[assignment]  # seconds, not counts
        return found

    return call


def now() -> float:
    """Seconds: on a clock once a GPU has done what it was asked to do, else of this process on a processor."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def report(title: str, speeds: Mapping[str, Sequence[float]], parts: Mapping[str, Mapping[str, float]]) -> None:
    """One line an arm: tokens a second, the ratio to the unpatched runtime, and shares of the arm's time."""
    print(f"\n{title}; unpatched {statistics.median(speeds[PLAIN]):.0f} tokens/s")
    print(f"  {'arm':<18} {'tokens/s':>8}  ratio (range)          " + "  ".join(f"{p:>8}" for p in PARTS.values()))
    for arm, shares in parts.items():
        ratios = sorted(one / plain for one, plain in zip(speeds[arm], speeds[PLAIN], strict=True))
        ratio = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})"
        spent = "  ".join(f"{shares.get(part, 0):>8.1%}" for part in PARTS.values())
        print(f"  {arm:<18} {statistics.median(speeds[arm]):>8.0f}  {ratio:<22} {spent}")
    sys.stdout.flush()


def shares_of(model: Model, requests: Sequence[Request]) -> dict[str, float]:
    """The share of the time that each part of the patch takes, while requests are answered once."""
    with clocked() as spent:
        _, seconds = answer(model, requests)
    return {part: each / seconds for part, each in spent.items()}


def run(engine: str, name: str, folder: Path, given: argparse.Namespace) -> None:
    """Measure one model on one engine."""
    patches = {arm: resolve("esamp", args) for arm, args in ARMS.items()}
    patches[INERT] = resolve(f"{Path(__file__).stem}:{Inert.__name__}", {})
    adapters: dict[str, str | None] = dict.fromkeys([PLAIN, INERT, *ARMS])
    model = registry.load(f"{engine}:{folder}", ModelOptions(adapters=adapters, patches=patches, dtype="float32"))
    prompts = prompts_of(name, given.problems)

    def ask(arm: str) -> list[Request]:
        return requests_of(prompts, given.n, given.tokens, arm)

    speeds = measure(model, ask, given.rounds)
    parts = {INERT: dict[str, float]()} | {arm: shares_of(model, ask(arm)) for arm in ARMS}
    model.close()
    gc.collect()
    report(
        f"{engine}, {name}: {given.problems} x {given.n} completions of at most {given.tokens} tokens", speeds, parts
    )


def main() -> None:
    """Measure each model on each engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=[e for e in ("hf", "vllm") if e == "hf" or find_spec(e)])
    parser.add_argument("--models", nargs="+", choices=("tiny", "mid"), default=["tiny", "mid"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=48, help="the most of a completion")
    given = parser.parse_args()
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as place:
        for name in given.models:
            folder = embedded_folder() if name == "tiny" else make_mid(Path(place))
            for engine in given.engines:
                run(engine, name, folder, given)


if __name__ == "__main__":
    main()
