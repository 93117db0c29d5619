"""What a whole pytest run costs beside a bare loop over the same engine, with the same requests.

    python benchmarks/engine_overhead.py [--rounds 5] [--problems 64] [--n 8] [--tokens 100]
    python benchmarks/engine_overhead.py --queue 10000      # memory

Two vLLM engines on the embedded model are started: one for the runs, in the process of its own that a session gives it,
and one for the bare loop, in another. Each round takes, one after the other:

  bare       add every request to the engine, step it until all are done, keep the texts: no store, no verdicts;
  run        `pytest.main` on the arithmetic suite with that engine: collection, plan, store, judges, table;
  judging    the 20 ms verifier on as many completions, in a pool of one process a core, with no model;
  run 20 ms  `pytest.main` again, with a verifier that spins 20 ms of processor time;
  pytest     `pytest.main` on one empty test: what a session costs that measures nothing.

The engine's start is on neither side. The requests are the same, seeds included, so that the bare loop and the run draw
the same tokens, which is checked. The processor time that each part of a run took is printed, too.
"""

import argparse
import io
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from pytest_passatk.core.protocols import ModelInfo, ModelOptions
from pytest_passatk.core.sample import Completion, Request
from pytest_passatk.judging import JudgePool
from pytest_passatk.models.apart import ApartModel
from pytest_passatk.sampling.threads import Feeder, Sampler
from pytest_passatk.store import Store

ROOT = Path(__file__).parents[1]
CORES = len(os.sched_getaffinity(0))
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


@dataclass
class Keeper:
    """The model of all runs: closing it does nothing, and it remembers what it was asked, and what that took.

    Attributes:
        model: in a process of its own.
        requests: of the last run.
        memory: bytes that this process and the engine's had before the last run, and at its first completion.
        processor: seconds of processor time in the last run, by part.
    """

    model: ApartModel
    requests: list[Request] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    processor: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def info(self) -> ModelInfo:
        """Of the model."""
        return self.model.info

    def sample(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """As the model does."""
        self.requests, self.memory = list(requests), [self.resident()]
        for completion in self.model.sample(requests):
            if len(self.memory) == 1:
                self.memory.append(self.resident())
            yield completion

    def resident(self) -> int:
        """Bytes in memory, here and in the engine's process."""
        return sum(resident(pid) for pid in (os.getpid(), self.engine))

    @property
    def engine(self) -> int:
        """The engine's process."""
        return self.model._engine._process.pid  # type: ignore[union-attr]  # noqa: SLF001 - to weigh it

    def close(self) -> None:
        """Nothing: the next round wants the engine."""


KEEPER: list[Keeper] = []
NUMBERS = count()


def shared(target: str, options: ModelOptions) -> Keeper:  # noqa: ARG001 - as every loader
    """For `--model engine_overhead:shared`."""
    return KEEPER[0]


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def watch(kind: type, method: str, part: str) -> None:
    """Count the processor time of a thread under a name."""
    original = getattr(kind, method)

    def timed(self: Any, *arguments: Any) -> Any:
        start = time.thread_time()
        try:
            return original(self, *arguments)
        finally:
            KEEPER[0].processor[part] += time.thread_time() - start

    setattr(kind, method, timed)


def run(folder: Path, *, problems: int, n: int, tokens: int, spin: float = 0.0) -> float:
    """Wall seconds of a whole pytest run."""
    rows = ROOT / "suites" / "arithmetic" / "rows.jsonl"
    source = SUITE.format(rows=str(rows), problems=problems, n=n, tokens=tokens, spin=spin)
    (folder / "store.sqlite").unlink(missing_ok=True)
    return session(
        folder, source, "--model", "engine_overhead:shared", "--passatk-store", str(folder / "store.sqlite")
    )  # fmt: skip


def session(folder: Path, source: str, *arguments: str) -> float:
    """Wall seconds of pytest on one file."""
    file = folder / f"test_overhead_{next(NUMBERS)}.py"  # a name of its own: pytest imports a module once
    file.write_text(source)
    KEEPER[0].processor.clear()
    start, own, judged = time.perf_counter(), time.thread_time(), judging_time()
    with redirect_stdout(io.StringIO()) as said:
        status = pytest.main([str(file), "-p", "no:cacheprovider", "-q", f"--rootdir={folder}", *arguments])
    KEEPER[0].processor["pytest and its items"] = time.thread_time() - own
    KEEPER[0].processor["judges"] = judging_time() - judged
    if status:
        raise SystemExit(f"pytest ended with {status}:\n{said.getvalue()}")
    return time.perf_counter() - start


def judging_time() -> float:
    """Processor seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def serve_bare(link: Connection) -> None:
    """In a process of its own: answer requests as `bare` does."""
    from pytest_passatk.models.vllm import load  # noqa: PLC0415 - heavy

    model: Any = load("tiny", ModelOptions())
    while requests := link.recv():
        if model._engine is None:  # noqa: SLF001 - the engine itself is the point
            list(model.sample(requests))  # starts it, and warms it up
        link.send(bare(model, requests))


def bare(model: Any, requests: Sequence[Request]) -> tuple[float, list[str], tuple[int, int, int]]:
    """Wall seconds of a loop that does nothing but let the engine answer, the texts, and memory.

    The memory is in bytes: before, with all requests in the queue, and at the end.
    """
    from vllm import SamplingParams  # noqa: PLC0415 - heavy
    from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

    engine, text = model._engine._engine, model._text  # noqa: SLF001
    prompts = [list(text.encode(request.prompt)) for request in requests]
    texts: dict[str, str] = {}
    before, start = resident(os.getpid()), time.perf_counter()
    for number, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
        limit = min(request.params.max_tokens, model.info.context - len(prompt))
        params = SamplingParams(max_tokens=limit, seed=request.seed, output_kind=RequestOutputKind.FINAL_ONLY)
        engine.add_request(str(number), {"prompt_token_ids": prompt}, params)
    queued = resident(os.getpid())
    while engine.has_unfinished_requests():
        for output in engine.step():
            if output.finished:
                texts[output.request_id] = output.outputs[0].text
    seconds = time.perf_counter() - start
    memory = before, queued, resident(os.getpid())
    return seconds, [texts[str(number)] for number in range(len(requests))], memory


def spin(seconds: float) -> None:
    """Use that much of a processor."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def judge(completions: int) -> float:
    """Wall seconds of that many 20 ms verifiers on all cores, and nothing else."""
    with ProcessPoolExecutor(CORES) as pool:
        list(pool.map(spin, [0.0] * 8))  # the processes are there
        start = time.perf_counter()
        list(pool.map(spin, [VERIFIER_SECONDS] * completions, chunksize=4))
        return time.perf_counter() - start


def measure(folder: Path, given: argparse.Namespace, other: Connection) -> None:
    """The ratios."""
    size = {"problems": given.problems, "n": given.n, "tokens": given.tokens}
    rounds, parts = [], []
    for number in range(given.rounds + 1):
        figures = {"run": run(folder, **size)}
        parts.append(dict(KEEPER[0].processor))
        other.send(KEEPER[0].requests)
        figures["bare"], texts, _ = other.recv()
        check(folder, KEEPER[0].requests, texts)
        figures["judging"] = judge(given.problems * given.n)
        figures["run 20 ms"] = run(folder, **size, spin=VERIFIER_SECONDS)
        figures["pytest"] = session(folder, "def test_empty(): pass")
        if number:  # the first warms up
            rounds.append(figures)
            print(", ".join(f"{name} {value:.2f} s" for name, value in figures.items()), flush=True)
    ratios: dict[str, Callable[[dict[str, float]], float]] = {
        "run / bare": lambda each: each["run"] / each["bare"],
        "(run - pytest) / bare": lambda each: (each["run"] - each["pytest"]) / each["bare"],
        "run 20 ms / max(bare, judging)": lambda each: each["run 20 ms"] / max(each["bare"], each["judging"]),
        f"run 20 ms / (bare + judging), shared by {CORES} cores": lambda each: (
            each["run 20 ms"] / max(each["judging"], each["bare"] / CORES + each["judging"])
        ),
    }
    for name, ratio in ratios.items():
        print(f"{name}: {spread([ratio(each) for each in rounds])}")
    for part in sorted(parts[-1], key=lambda part: -median(each[part] for each in parts)):
        print(f"processor time, {part}: {spread([each[part] for each in parts[1:]])} s")


def check(folder: Path, requests: Sequence[Request], texts: Sequence[str]) -> None:
    """See that the bare loop drew what the run drew."""
    store = Store(folder / "store.sqlite", create=False)
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


def queue(folder: Path, given: argparse.Namespace, other: Connection) -> None:
    """Memory of many requests in the queue, beside that of as many in a bare engine."""
    run(folder, problems=given.problems, n=given.n, tokens=given.tokens)  # the engine has touched its buffers
    run(folder, problems=given.queue // given.n, n=given.n, tokens=4)
    keeper = KEEPER[0]
    report("session and engine of a run", (*keeper.memory, keeper.resident()), given.queue)
    other.send(keeper.requests[: given.problems * given.n])
    other.recv()
    other.send(keeper.requests)
    report("a bare engine", other.recv()[2], given.queue)


def report(what: str, memory: Sequence[int], requests: int) -> None:
    """One line: memory before, with the queue full, and at the end."""
    before, queued, ended = memory
    each = [(now - before) / requests / 1000 for now in (queued, ended)]
    print(
        f"{what}: {before / 2**20:.0f} MiB before, {queued / 2**20:.0f} with {requests} requests waiting "
        f"({each[0]:.1f} KB each), {ended / 2**20:.0f} at the end ({each[1]:.1f} KB each)"
    )


def main() -> None:
    """Start the engines, and measure what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--queue", type=int, help="measure memory with that many requests instead")
    given = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    sys.modules["engine_overhead"] = sys.modules["__main__"]
    KEEPER.append(Keeper(ApartModel("vllm:tiny", ModelOptions())))
    for kind, method, part in (
        (Sampler, "run", "taking completions, store"),
        (Feeder, "run", "feeding judges"),
        (JudgePool, "_read", "reading verdicts"),
    ):
        watch(kind, method, part)
    ours, theirs = get_context("spawn").Pipe()
    other = get_context("spawn").Process(target=serve_bare, args=(theirs,), daemon=True)
    other.start()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), problems=given.problems, n=1, tokens=given.tokens)  # starts the engine
        (queue if given.queue else measure)(Path(folder), given, ours)
    ours.send(None)
    KEEPER[0].model.close()


if __name__ == "__main__":
    main()
