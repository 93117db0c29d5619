"""How long a comparison takes: estimates, intervals, both tests, moves and detectable drops at three k's.

    python benchmarks/statistics/comparison_speed.py [--runs RUNS]

Pass rates like those of HumanEval, not changed; the counts are at hand, so reading a baseline does not count.
"""

from statistics import median
from time import perf_counter

import numpy as np
from figures import heading, options, row
from generators import GENERATORS
from runs import measurement

from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.family import Policy

CELLS = [(500, 64, 64, (1, 8, 16)), (500, 256, 64, (1, 8, 16)), (5000, 8, 8, (1, 2, 4)), (5000, 64, 8, (1, 2, 4))]


def main() -> None:
    """Print the table."""
    chosen = options(__doc__, 5)
    draw = np.random.default_rng(chosen.seed)
    heading(["problems", "n before / after", "k", "seconds, median", "range"])
    for problems, n_before, n_after, ks in CELLS:
        rates = GENERATORS["B"].draw(draw, (problems,))
        before = measurement("before", draw.binomial(n_before, rates), n_before)
        after = measurement("after", draw.binomial(n_after, rates), n_after)
        times = []
        for _ in range(chosen.runs):
            started = perf_counter()
            compare(before, after, ks, Policy({}))
            times.append(perf_counter() - started)
        shown = ", ".join(map(str, ks))
        row(problems, f"{n_before} / {n_after}", shown, f"{median(times):.2f}", f"{min(times):.2f} – {max(times):.2f}")


if __name__ == "__main__":
    main()
