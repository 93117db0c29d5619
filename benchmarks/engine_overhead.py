"""What a whole pytest run costs beside a bare loop over the same engine, with the same requests.

    python benchmarks/engine_overhead.py [--rounds 5] [--problems 64] [--n 8] [--tokens 100]
    python benchmarks/engine_overhead.py --queue 10000      # memory
    python benchmarks/engine_overhead.py --profile          # where the time of the sampling thread goes

One process starts one vLLM engine on the embedded model. Each round takes, one after the other:

  bare       add every request to the engine, step it until all are done, keep the texts: no store, no verdicts;
  run        `pytest.main` on the arithmetic suite with that engine: collection, plan, store, judges, table;
  judging    the 20 ms verifier on as many completions, in a pool of one process a core, with no model;
  run 20 ms  `pytest.main` again, with a verifier that spins 20 ms of processor time.

The engine's start is on neither side. The requests are the same, seeds included, so that the bare loop and the run draw
the same tokens. Judges are forked here from a process with an engine in it, which costs time, and which an ordinary
run avoids.
"""

import argparse
import cProfile
import io
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.models.vllm import VllmModel, load

ROOT = Path(__file__).parents[1]
VERIFIER_SECONDS = 0.02
SUITE = """
import json, time
from pathlib import Path
from pytest_passatk import suite
from pytest_passatk.verifiers import boxed_integer

KNOWN = [json.loads(line) for line in Path({rows!r}).read_text().splitlines()]
ROWS = [{{**KNOWN[at % len(KNOWN)], "id": f"p{{at:05}}"}} for at in range({problems})]

PROMPT = "{{question}} Put the result in \\\\boxed{{{{}}}}."

@suite(ROWS, prompt=PROMPT, extract=boxed_integer, n={n}, max_tokens={tokens})
def test_overhead(problem, completion):
    end = time.process_time() + {spin}
    while time.process_time() < end:
        pass
    assert completion.answer == problem.answer
"""


class SharedModel:
    """One vLLM model for all runs of this process: closing it does nothing, and it remembers what it was asked."""

    def __init__(self, model: VllmModel) -> None:
        self.model = model
        self.requests: list[Request] = []
        self.profile: cProfile.Profile | None = None
        self.memory: list[int] = []

    @property
    def info(self) -> ModelInfo:
        """Of the model."""
        return self.model.info

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """As the model does."""
        self.requests = list(requests)
        before = resident()
        if self.profile:
            self.profile.enable()
        for completion in self.model.sample(requests):
            if not self.memory:
                self.memory = [before, resident()]
            yield completion
        if self.profile:
            self.profile.disable()
        self.memory.append(resident())

    def close(self) -> None:
        """Nothing: the next round wants the engine."""


SHARED: list[SharedModel] = []
NUMBERS = count()


def shared(target: str, options: ModelOptions) -> SharedModel:  # noqa: ARG001 - as every loader
    """For `--model engine_overhead:shared`."""
    return SHARED[0]


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(folder: Path, *, problems: int, n: int, tokens: int, spin: float = 0.0) -> float:
    """Wall seconds of a whole pytest run."""
    rows = ROOT / "suites" / "arithmetic" / "rows.jsonl"
    source = SUITE.format(rows=str(rows), problems=problems, n=n, tokens=tokens, spin=spin)
    file = folder / f"test_overhead_{next(NUMBERS)}.py"  # a name of its own: pytest imports a module once
    file.write_text(source)
    (store := folder / "store.sqlite").unlink(missing_ok=True)
    arguments = [
        str(file), "--model", "engine_overhead:shared", "--passatk-store", str(store), "-p", "no:cacheprovider", "-q",
        f"--rootdir={folder}",
    ]  # fmt: skip
    start = time.perf_counter()
    with redirect_stdout(io.StringIO()) as said:
        status = pytest.main(arguments)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"pytest ended with {status}:\n{said.getvalue()}")
    return seconds


def bare(model: VllmModel, requests: Sequence[Request]) -> tuple[float, list[str]]:
    """Wall seconds of a loop that does nothing but let the engine answer, and the texts."""
    from vllm import SamplingParams  # noqa: PLC0415 - heavy
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    holder: Any = model
    engine, text = holder._engine._engine, holder._text  # noqa: SLF001 - the same engine is the point
    prompts = [list(text.encode(request.prompt)) for request in requests]
    texts: dict[str, str] = {}
    start = time.perf_counter()
    for number, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
        limit = min(request.params.max_tokens, holder.info.context - len(prompt))
        params = SamplingParams(max_tokens=limit, seed=request.seed, output_kind=RequestOutputKind.FINAL_ONLY)
        engine.add_request(str(number), {"prompt_token_ids": prompt}, params)
    while engine.has_unfinished_requests():
        for output in engine.step():
            if output.finished:
                texts[output.request_id] = output.outputs[0].text
    return time.perf_counter() - start, [texts[str(number)] for number in range(len(requests))]


def spin(seconds: float) -> None:
    """Use that much of a processor."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def judge(completions: int) -> float:
    """Wall seconds of that many 20 ms verifiers on all cores, and nothing else."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(spin, [0.0] * 8))  # the processes are there
        start = time.perf_counter()
        list(pool.map(spin, [VERIFIER_SECONDS] * completions, chunksize=4))
        return time.perf_counter() - start


def measure(folder: Path, given: argparse.Namespace) -> None:
    """The ratios."""
    size = {"problems": given.problems, "n": given.n, "tokens": given.tokens}
    keeper = SHARED[0]
    rounds = []
    for number in range(given.rounds + 1):
        figures = {"run": run(folder, **size)}
        figures["bare"], texts = bare(keeper.model, keeper.requests)
        check(folder, keeper.requests, texts)
        figures["judging"] = judge(given.problems * given.n)
        figures["run 20 ms"] = run(folder, **size, spin=VERIFIER_SECONDS)
        if number:  # the first warms up
            rounds.append(figures)
            print(", ".join(f"{name} {value:.2f} s" for name, value in figures.items()), flush=True)
    whole = [each["run"] / each["bare"] for each in rounds]
    spun = [each["run 20 ms"] / max(each["bare"], each["judging"]) for each in rounds]
    cores = len(os.sched_getaffinity(0))
    busy = [
        each["run 20 ms"] / max(each["judging"], (each["bare"] + cores * each["judging"]) / cores) for each in rounds
    ]
    print(f"run / bare: {spread(whole)}")
    print(f"run with 20 ms verifiers / max(bare, judging): {spread(spun)}")
    print(f"run with 20 ms verifiers / all processor time on {cores} cores: {spread(busy)}")


def check(folder: Path, requests: Sequence[Request], texts: Sequence[str]) -> None:
    """See that the bare loop drew what the run drew."""
    from pytest_passatk.store import Store  # noqa: PLC0415 - after the run made it

    store = Store(folder / "store.sqlite", create=False)
    store.add_streams([])
    drawn = {
        (problem.id, sample.index): sample.text
        for suite in store.suites(1)
        for problem in store.problems(suite.id)
        for sample in problem.samples
    }
    store.close()
    same = sum(drawn[r.problem_id, r.index] == text for r, text in zip(requests, texts, strict=True))
    if same != len(requests):
        raise SystemExit(f"only {same} of {len(requests)} texts are the same: the sides did different work")


def spread(values: Sequence[float]) -> str:
    """Median and extremes."""
    return f"{median(values):.3f} ({min(values):.3f} - {max(values):.3f})"


def queue(folder: Path, given: argparse.Namespace) -> None:
    """Memory of many requests in the queue."""
    run(folder, problems=given.queue // given.n, n=given.n, tokens=4)
    before, first, last = SHARED[0].memory
    print(
        f"{given.queue} requests: {before / 2**20:.0f} MiB before, {first / 2**20:.0f} at the first completion", end=""
    )
    print(f" ({(first - before) / given.queue / 1000:.1f} KB each), {last / 2**20:.0f} at the end", end="")
    print(f" ({(last - before) / given.queue / 1000:.1f} KB each)")


def profile(folder: Path, given: argparse.Namespace) -> None:
    """What the sampling thread spends its time on, by itself and with what it calls."""
    size = {"problems": given.problems, "n": given.n, "tokens": given.tokens}
    run(folder, **size)
    SHARED[0].profile = cProfile.Profile()
    run(folder, **size)
    stats = pstats.Stats(SHARED[0].profile)
    stats.sort_stats("cumulative").print_stats("pytest_passatk|engine_overhead|step|add_request", 25)
    stats.sort_stats("tottime").print_stats(25)


def main() -> None:
    """Start the engine, and measure what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--queue", type=int, help="measure memory with that many requests instead")
    parser.add_argument("--profile", action="store_true", help="profile the sampling thread instead")
    given = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    sys.modules["engine_overhead"] = sys.modules["__main__"]
    SHARED.append(SharedModel(load("tiny", ModelOptions())))
    job: Callable[[Path, argparse.Namespace], None] = profile if given.profile else queue if given.queue else measure
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), problems=given.problems, n=1, tokens=given.tokens)  # starts the engine
        SHARED[0].memory = []
        job(Path(folder), given)
    SHARED[0].model.close()


if __name__ == "__main__":
    main()
