"""How long `passatk show` takes to aggregate a million stored verdicts, and how much memory.

    python benchmarks/aggregate.py [--problems 15625] [--n 64] [--store FILE]

It fills a store as a run does, then starts `passatk show last`, and `passatk export last`, as programs of their own and
prints their wall time and peak resident memory.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from random import Random
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from time import perf_counter

from pytest_passatk.core.interval import default_ks
from pytest_passatk.core.plan import PlannedProblem, PlannedSuite
from pytest_passatk.core.protocols import ModelInfo
from pytest_passatk.core.sample import Completion, FinishReason, SamplingParams
from pytest_passatk.core.stream import stream_settings
from pytest_passatk.core.verdict import Status, Verdict
from pytest_passatk.store import Store

MODEL = ModelInfo("bench", "bench", "sha256:0", None, "float32", "none")
TEXT = "Each of the fourteen boxes holds twelve pencils, so there are 14 × 12 = 168 pencils. " * 3  # 261 signs
REASON = "AssertionError: assert '167' == '168'\n  - 168\n  ?   ^\n  + 167\n  ?   ^\n" + "  " * 20
MEGABYTE = 1024 if sys.platform != "darwin" else 1024**2  # units of ru_maxrss


def main() -> None:
    """Fill, show, export."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=15_625)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--store", type=Path, help="use this file, and keep it, instead of a temporary one")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = chosen.store or Path(folder, "store.sqlite")
        if not path.exists():
            started = perf_counter()
            # In a process of its own: a child's peak memory counts from its parent's size at the start.
            filling = get_context("spawn").Process(target=fill, args=(path, chosen.problems, chosen.n))
            filling.start()
            filling.join()
            if filling.exitcode:
                raise SystemExit(f"filling the store failed with status {filling.exitcode}")
            print(f"filled with {chosen.problems * chosen.n:,} samples in {perf_counter() - started:.1f} s")
        print(f"{path.stat().st_size / 1e6:,.0f} MB on disk")
        measure("show last", path)
        measure("export last --format jsonl", path)
        measure(f"export last --format parquet --output {folder}/samples.parquet", path)


def fill(path: Path, problems: int, n: int) -> None:
    """Write one finished run of one suite."""
    store = Store(path)
    plan = [PlannedProblem(f"p-{i:06}", f"Question {i}? ", "judge") for i in range(problems)]
    ks = default_ks(n)
    suite = PlannedSuite("bench.py::test_bench", "bench", SamplingParams(), n, ks, True, tuple(plan))
    settings = [stream_settings(MODEL.identity(), p.prompt, suite.params, 0, p.id) for p in plan]
    streams = store.add_streams(settings)
    run = store.start_run(started="2026-01-01T00:00:00Z", command="pytest bench.py", seed=0, version="0")
    store.add_suite(run, suite, MODEL, streams, 0)
    random = Random(0)
    for start in range(0, problems, 500):
        batch = list(_judged(streams[start : start + 500], n, random))
        for completion, _ in batch:
            store.add_completion(completion)
        store.add_verdicts((c.stream, c.index, "judge", verdict) for c, verdict in batch)
    store.finish_run(run, seconds=1.0, status=0)
    store.close()


def measure(command: str, path: Path) -> None:
    """Run `passatk COMMAND` on the store, and print what it took."""
    started = perf_counter()
    arguments = [sys.executable, "-m", "pytest_passatk.cli", *command.split(), "--store", str(path)]
    process = Popen(arguments, stdout=DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - started
    print(f"passatk {command.partition(' --output')[0]}: {seconds:.2f} s, peak {usage.ru_maxrss / MEGABYTE:,.0f} MB")
    if status:
        raise SystemExit(f"passatk {command} failed with wait status {status}")


def _judged(streams: Sequence[str], n: int, random: Random) -> Iterator[tuple[Completion, Verdict]]:
    for stream in streams:
        chance = random.betavariate(0.4, 0.5)
        for index in range(n):
            solved = random.random() < chance
            verdict = Verdict(Status.PASS, "", "168") if solved else Verdict(Status.FAIL, REASON, "167")
            yield Completion(stream, index, f"{index} {TEXT}", 60, FinishReason.STOP, 0.5, -12.5), verdict


if __name__ == "__main__":
    main()
