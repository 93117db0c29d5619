"""Tokens a CPU-second of the ways to batch with transformers, on the same ragged work, in one process and one thread.

    python benchmarks/hf_batching.py [--rounds 3] [--problems 60] [--samples 8] [--tokens 24 96]

Three ways, each over every problem × sample at once:

- `decode loop`: this project's backend (shared prompts read once, finished rows dropped, a stream a row);
- `generate`: transformers' static batches, sorted by length, in the budget that suits them best (larger ones waste more
  on finished rows);
- `generate_batch`: transformers' continuous batching over paged memory.

Neither of the latter two gives a sample a seed of its own, so they do a little less work than the first. The length of
each completion is drawn once and imposed on all three. The CPU time of the process is measured, which in one thread is
the time on a quiet machine, and the rounds take turns.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig, StoppingCriteria

from pytest_passatk.core.sample import Request, SamplingParams, sample_seed
from pytest_passatk.models import hf_batch
from pytest_passatk.models.hf_decode import decode
from pytest_passatk.models.row import Row

BUDGET = 65_536  # tokens in one batch
STATIC_BUDGET = 8_192  # the same for `generate`: the best of 2,048 to 65,536 on both models
LONGEST = 4  # completions are at most that many times their mean


def make_rows(rng: random.Random, problems: int, samples: int, mean: int, vocabulary: int) -> list[Row]:
    """Prompts of 8–40 random tokens; lengths of completions drawn exponentially about their mean."""
    rows = []
    for problem in range(problems):
        prompt = tuple(rng.randrange(3, vocabulary) for _ in range(rng.randint(8, 40)))
        for index in range(samples):
            limit = min(LONGEST * mean, 1 + int(rng.expovariate(1 / mean)))
            seed = sample_seed(0, str(problem), index)
            rows.append(Row(Request("", str(problem), index, "", SamplingParams(), seed), prompt, limit))
    return rows


def run_loop(model: Any, rows: list[Row]) -> int:
    """The backend's own loop; returns the tokens that were generated."""
    pending = hf_batch.order(rows)
    for row in rows:
        row.restart()
    while pending:
        for _ in decode(model, hf_batch.take(pending, BUDGET), lambda row: len(row.tokens) >= row.limit):
            pass
    return sum(len(row.tokens) for row in rows)


class Limits(StoppingCriteria):  # type: ignore[misc]
    """Ends each row at its own length, as an end-of-sequence token would."""

    def __init__(self, limits: list[int], prompt: int) -> None:
        self._ends = torch.tensor(limits) + prompt

    def __call__(self, input_ids: Any, *_: Any, **__: Any) -> Any:
        """Which rows are done."""
        return input_ids.shape[1] >= self._ends


def run_generate(model: Any, rows: list[Row]) -> int:
    """`generate` in static batches, padded on the left."""
    pending = hf_batch.order(rows)
    while pending:
        batch = hf_batch.take(pending, STATIC_BUDGET)
        width = max(len(row.prompt) for row in batch)
        pads = [width - len(row.prompt) for row in batch]
        limits = [row.limit for row in batch]
        model.generate(
            torch.tensor([[0] * pad + list(row.prompt) for pad, row in zip(pads, batch, strict=True)]),
            attention_mask=torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads]),
            generation_config=GenerationConfig(do_sample=True, max_new_tokens=max(limits), pad_token_id=0, top_k=0),
            stopping_criteria=[Limits(limits, width)],
        )
    return sum(row.limit for row in rows)


def run_continuous(model: Any, rows: list[Row]) -> int:
    """Continuous batching; every request is in the queue from the start."""
    sampling = GenerationConfig(do_sample=True, max_new_tokens=max(row.limit for row in rows), eos_token_id=-1, top_k=0)
    paging = ContinuousBatchingConfig(
        page_size=32, num_blocks=BUDGET // 32, max_batch_tokens=512, use_cuda_graph=False, auto_switch_to_flash=False
    )
    tokens = done = 0
    with model.continuous_batching_context_manager(
        generation_config=sampling, continuous_batching_config=paging, warmup=False
    ) as manager:
        for row in rows:
            manager.add_request(list(row.prompt), max_new_tokens=row.limit, eos_token_id=-1)
        while done < len(rows):
            result = manager.get_result(timeout=1)
            if result is not None and result.is_finished():
                if result.error:
                    raise RuntimeError(result.error)
                tokens, done = tokens + len(result.generated_tokens), done + 1
    return tokens


WAYS: dict[str, Callable[[Any, list[Row]], int]] = {
    "decode loop": run_loop,
    "generate": run_generate,
    "generate_batch": run_continuous,
}


def measure(model: Any, rows: list[Row], rounds: int) -> dict[str, list[float]]:
    """Tokens a CPU-second of each way, one figure a round."""
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, run in WAYS.items():
            start = time.process_time()
            speeds[way].append(run(model, rows) / (time.process_time() - start))
    return speeds


def report(name: str, rows: list[Row], speeds: dict[str, list[float]]) -> None:
    """One line a way: median, extremes, and the ratio of medians to `generate`."""
    base = statistics.median(speeds["generate"])
    print(f"\n{name}: {len(rows)} completions, {sum(row.limit for row in rows)} tokens")
    for way, figures in speeds.items():
        median = statistics.median(figures)
        span = f"{min(figures):.0f}-{max(figures):.0f}"
        print(f"  {way:<15} {median:8.0f} tokens/CPU-s ({span})  {median / base:5.2f} x generate")


def make_mid(folder: Path) -> Path:
    """A random Llama of 6 layers and width 512 (23 M parameters)."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=8000, hidden_size=512, intermediate_size=1376, num_hidden_layers=6, num_attention_heads=8,
        num_key_value_heads=8, max_position_embeddings=1024, tie_word_embeddings=True,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def main() -> None:
    """Measure the embedded model and a middling random one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=24, help="mean length of a completion")
    parser.add_argument("--tiny", type=Path, default=Path(__file__).parents[1] / "fixtures" / "tiny")
    given = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        for name, place in (("tiny", given.tiny), ("6 x 512", make_mid(Path(folder)))):
            model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
            model.generation_config = GenerationConfig(pad_token_id=0)
            rows = make_rows(random.Random(0), given.problems, given.samples, given.tokens, model.config.vocab_size)
            report(name, rows, measure(model, rows, given.rounds))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
