"""What collecting 10,000 problems costs against as many parametrized tests, and what the plugin adds to `--help`.

Usage: python benchmarks/collection.py [--problems 10000] [--rounds 5]

Each figure is a median over paired runs of whole pytest processes, the two sides in turn.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SUITE = """
from pytest_passatk import suite

ROWS = [{{"id": f"p{{i:05}}", "question": f"What is {{i}} + {{i}}?", "answer": str(2 * i)}} for i in range({problems})]

@suite(ROWS, prompt="{{question}}", model="tiny")
def test_sums(problem, completion):
    assert completion.text == problem.answer
"""

PARAMETRIZED = """
import pytest

ROWS = [(f"What is {{i}} + {{i}}?", str(2 * i)) for i in range({problems})]

@pytest.mark.parametrize("question, answer", ROWS, ids=[f"p{{i:05}}" for i in range({problems})])
def test_sums(question, answer):
    assert answer
"""


def seconds(*arguments: str, folder: Path) -> float:
    """Wall time of one pytest process."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def compare(ours: tuple[str, ...], theirs: tuple[str, ...], folder: Path, rounds: int) -> tuple[float, float]:
    """Median wall times of two sessions, run in turn after one warm-up each."""
    pairs = [(seconds(*ours, folder=folder), seconds(*theirs, folder=folder)) for _ in range(rounds + 1)][1:]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_suite.py").write_text(SUITE.format(problems=options.problems))
        (folder / "test_parametrized.py").write_text(PARAMETRIZED.format(problems=options.problems))
        collect = ("--collect-only", "-q")
        suite, parametrized = compare(
            (*collect, "test_suite.py"), (*collect, "test_parametrized.py"), folder, options.rounds
        )
        with_plugin, without = compare(("--help",), ("--help", "-p", "no:passatk"), folder, options.rounds)
    print(
        f"collecting {options.problems:,}: suite {suite:.2f} s, parametrized {parametrized:.2f} s, "
        f"difference {suite - parametrized:+.2f} s, ratio {suite / parametrized:.2f}"
    )
    print(
        f"pytest --help: with the plugin {with_plugin:.3f} s, without {without:.3f} s, "
        f"difference {with_plugin - without:+.3f} s"
    )


if __name__ == "__main__":
    main()
