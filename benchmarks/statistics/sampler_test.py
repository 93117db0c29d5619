"""How often the stress suite's test of a sampler accuses an honest one, and how often it finds one that is colder.

    python benchmarks/statistics/sampler_test.py [--runs RUNS]

Each run draws the problems of the test on tensors, without a patch and with one that draws from noise of its own: as
the logits say, or from all of them times a factor. Entries: shares of runs in % whose p-value is at most alpha; .001 is
what raises an alarm.
"""

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "mutants"))

import numpy as np
from figures import footer, heading, options, percent, row
from samplers import OwnDraw

from pytest_passatk.core.patch import Live, Patch, Tensor
from pytest_passatk.core.protocols import ModelOptions
from pytest_passatk.stress.distribution import LENGTHS, draw_samples
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.tensor_runtime import load
from pytest_passatk.stress.two_sample import ALARM, two_sample

FACTORS = (1.0, 1.1, 1.2, 1.3)
LEVELS = (0.05, 0.01, ALARM)


class Scaled(OwnDraw):
    """Draws from the logits times a factor."""

    def __init__(self, factor: float, seed: int) -> None:
        self.factor, self.seed = factor, seed

    def attach(self, live: Live) -> AbstractContextManager[Any]:
        """Start noise of its own for each run."""
        attached: AbstractContextManager[Any] = super().attach(live)
        self.random.manual_seed(self.seed)
        return attached

    def scores(self, logits: Tensor) -> Tensor:
        """What the noise is added to."""
        return logits * self.factor


def p_values(runtime: Runtime, run: int, seed: int) -> list[float]:
    """Of the tests at all factors, on samples that no other run has."""
    without = draw_samples(runtime, Patch(), 2 * run)
    sides = (draw_samples(runtime, Scaled(factor, seed + run), 2 * run + 1) for factor in FACTORS)
    return [two_sample(without, patched, blocks=LENGTHS, seed=seed + run).p for patched in sides]


def main() -> None:
    """Print the table."""
    chosen, started = options(__doc__, 400), perf_counter()
    runtime = load("", ModelOptions())
    values = np.array([p_values(runtime, run, chosen.seed) for run in range(chosen.runs)])
    heading(["logits times", *(f"p ≤ {level:g}" for level in LEVELS)])
    for factor, found in zip(FACTORS, values.T, strict=True):
        row(f"{factor:g}", *(percent(found <= level) for level in LEVELS))
    footer(chosen, started)


if __name__ == "__main__":
    main()
