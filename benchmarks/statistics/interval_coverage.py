"""Coverage of the intervals of pass@k: how often they hold the truth, on simulated runs with known pass rates.

    python benchmarks/statistics/interval_coverage.py [--runs RUNS] [--problems P …]

Each run draws the problems' pass rates from a generator, and n samples of every problem. `run` should hold the mean
pass@k of the drawn problems, `population` that of the generator. Prints Markdown: coverage in %, ± mean half-width in
points.
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from time import perf_counter

import numpy as np
from figures import SEED, footer, heading, row
from generators import GENERATORS, Floats, Generator, crowd, mean_pass
from runs import counts_of

from pytest_passatk.core.interval import Estimate, estimates

SIZES = {8: (1, 4, 8), 16: (8,)}  # the k's looked at, for n samples


def cell(found: Sequence[tuple[float, float]], truth: Floats) -> tuple[float, float]:
    """Coverage and mean half-width of one interval over all runs, in % and points."""
    low, high = np.array(found).T
    return 100 * float(np.mean((low <= truth) & (truth <= high))), 50 * float(np.mean(high - low))


def cells(found: Sequence[Estimate], rates: Floats, generator: Generator) -> list[tuple[float, float]]:
    """Both intervals of one k; `rates` has one row a run."""
    k = found[0].k
    own, common = mean_pass(rates, k), np.full(len(rates), mean_pass(crowd(generator), k))
    return [cell([one.run for one in found], own), cell([one.population for one in found], common)]


def line(generator: Generator, problems: int, runs: int, seed: int) -> list[tuple[float, float]]:
    """All figures of one generator: `run` and `population` for each k of each n."""
    draw = np.random.default_rng(seed)
    rates = generator.draw(draw, (runs, problems))
    columns = []
    for n, ks in SIZES.items():
        found = [estimates(counts_of(passes, n), ks) for passes in draw.binomial(n, rates)]
        for place in range(len(ks)):
            columns += cells([run[place] for run in found], rates, generator)
    return columns


def main() -> None:
    """Print the table, and the worst of each column."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--problems", type=int, nargs="+", default=[30, 164])
    parser.add_argument("--seed", type=int, default=SEED)
    chosen, started = parser.parse_args(), perf_counter()
    names = [f"{kind}, k={k} of {n}" for n, ks in SIZES.items() for k in ks for kind in ("run", "population")]
    heading(["pass rates", "problems", *names])
    for problems in chosen.problems:
        lines = []
        for generator in GENERATORS.values():
            lines.append(line(generator, problems, chosen.runs, chosen.seed))
            row(generator.letter, problems, *(f"{held:.1f} ± {width:.1f}" for held, width in lines[-1]))
        row(
            "**worst**",
            problems,
            *(f"**{min(held for held, _ in column):.1f}**" for column in zip(*lines, strict=True)),
        )
    footer(chosen, started)


if __name__ == "__main__":
    main()
