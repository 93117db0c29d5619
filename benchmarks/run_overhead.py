"""How long a whole run on the embedded model takes, and how much of it is the harness.

Usage: python benchmarks/run_overhead.py [--rounds 5]

Each round takes, one after the other, the wall time of
  run      `pytest suites/arithmetic --n 8`, nothing stored before, as a process;
  pytest   a session with one empty test, without the plugin, as a process: pytest's own start;
  sample   a process that asks the embedded model for the same samples, minus a bare start of Python.
The overhead is run − pytest − sample; the medians over the rounds are printed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
SUITE = ROOT / "suites" / "arithmetic"

SAMPLE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pytest_passatk.core.prompt import render_prompt
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.core.rows import load_problems
from pytest_passatk.core.sample import Request, sample_seed
from pytest_passatk.core.suite import suite_of
from pytest_passatk.models.registry import load
from suites.arithmetic.test_arithmetic import test_arithmetic

suite = suite_of(test_arithmetic)
requests = [
    Request(p.id, p.id, i, render_prompt(suite, p), suite.params, sample_seed(0, p.id, i))
    for p in load_problems(suite) for i in range(8)
]
model = load("tiny", ModelOptions())
assert sum(1 for _ in model.sample(requests)) == len(requests)
"""


def seconds(*command: str, folder: Path) -> float:
    """Wall time of one process."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # as the plugin sets it
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def measure(folder: Path) -> dict[str, float]:
    """One round."""
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q")
    return {
        "run": seconds(*pytest, str(SUITE), "--n", "8", "--passatk-no-cache", folder=folder),
        "pytest": seconds(*pytest, "-p", "no:passatk", "test_empty.py", folder=folder),
        "sample": seconds(sys.executable, "-c", SAMPLE, str(ROOT), folder=folder)
        - seconds(sys.executable, "-c", "pass", folder=folder),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_empty.py").write_text("def test_empty(): pass\n")
        rounds = [measure(folder) for _ in range(options.rounds + 1)][1:]
    figures = {name: median(each[name] for each in rounds) for name in rounds[0]}
    overhead = median(each["run"] - each["pytest"] - each["sample"] for each in rounds)
    print(", ".join(f"{name} {value:.2f} s" for name, value in figures.items()), end="")
    print(f", overhead {overhead:.2f} s ({overhead / figures['run']:.0%} of the run)")


if __name__ == "__main__":
    main()
