"""Coverage of the intervals of pass@k: how often they hold the truth, on simulated runs with known pass rates.

    python benchmarks/interval_coverage.py [RUNS [PROBLEMS …]]

Each run draws the problems' pass rates from a generator and n = 8 samples of every problem. `run` should hold the mean
pass@k of the drawn problems, `population` that of the generator. Prints Markdown: coverage in %, ± mean half-width in
points. Seeded; the defaults take about half a minute, and 2000 runs a row put ±1 point around a coverage of 95 %.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import Estimate, estimates

Floats = NDArray[np.float64]
Generator = Callable[[np.random.Generator, tuple[int, ...]], Floats]

N, KS, SEED = 8, (1, 4, 8), 20240601


def beta(a: float, b: float) -> Generator:
    """Pass rates from one Beta distribution."""
    return lambda draw, shape: draw.beta(a, b, shape)


def mixture(rates: list[float], weights: list[float]) -> Generator:
    """Pass rates from a few values."""
    return lambda draw, shape: draw.choice(rates, size=shape, p=weights)


def part_unsolvable(draw: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """40 % of the problems beyond reach, the others from Beta(2, 2)."""
    return np.where(draw.random(shape) < 0.4, 0.0, draw.beta(2, 2, shape))  # noqa: PLR2004 - the share in its name


GENERATORS: dict[str, Generator] = {
    "Beta(.30, .13): pass@1 .70, pass@8 .85": beta(0.2962, 0.1253),
    "Beta(.05, .39): pass@1 .11, pass@8 .20": beta(0.0490, 0.3864),
    "Beta(.22, .39): pass@1 .37, pass@8 .60": beta(0.2247, 0.3880),
    "40 % at 0, else Beta(2, 2)": part_unsolvable,
    "all at .083": mixture([0.083], [1.0]),
    "half at .083, half at 1": mixture([0.083, 1.0], [0.5, 0.5]),
    "thirds at 0, .083, 1": mixture([0.0, 0.083, 1.0], [1 / 3] * 3),
    "half at .2, half at .95": mixture([0.2, 0.95], [0.5, 0.5]),
}


def cell(found: list[tuple[float, float]], truth: Floats) -> str:
    """Coverage and mean half-width of one interval over all runs."""
    low, high = np.array(found).T
    return f"{100 * np.mean((low <= truth) & (truth <= high)):.1f} ± {50 * np.mean(high - low):.1f}"


def cells(found: list[Estimate], rates: Floats, population: Floats) -> str:
    """Both intervals of one k; `rates` has one row a run, `population` is a large draw of the generator."""
    k = found[0].k
    own, common = 1 - ((1 - rates) ** k).mean(axis=1), np.full(len(rates), 1 - ((1 - population) ** k).mean())
    return f"{cell([one.run for one in found], own)} | {cell([one.population for one in found], common)}"


def row(name: str, generator: Generator, problems: int, runs: int) -> str:
    """One line of the table."""
    draw = np.random.default_rng(SEED)
    rates = generator(draw, (runs, problems))
    found = [
        estimates([Count(str(number), N, c) for number, c in enumerate(passes)], KS)
        for passes in draw.binomial(N, rates).tolist()
    ]
    population = generator(draw, (2_000_000,))
    columns = [cells([run[place] for run in found], rates, population) for place in range(len(KS))]
    return f"| {name} | {problems} | {' | '.join(columns)} |"


def main(runs: int = 2000, *sizes: int) -> None:
    """Print the table."""
    started = time.perf_counter()
    print("| pass rates | problems |" + "".join(f" run, k={k} | population, k={k} |" for k in KS))
    print("|---|---|" + "---|---|" * len(KS))
    for problems in sizes or (30, 164):
        for name, generator in GENERATORS.items():
            print(row(name, generator, problems, runs), flush=True)
    print(f"\nn = {N}, level 95 %, {runs} runs a row, seed {SEED}, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
