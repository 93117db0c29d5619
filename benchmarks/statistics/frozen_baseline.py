"""False alarms over fifty pull requests that change nothing: with one frozen baseline, and with the best run so far.

    python benchmarks/statistics/frozen_baseline.py [--runs RUNS]

An alarm is a p-value of the pooled test of pass@1 of at most alpha. The gate gives fewer: it calls a drop that is
surely below the tolerance `ok`.
"""

from math import sqrt
from time import perf_counter

import numpy as np
from figures import footer, heading, options, percent, row
from generators import GENERATORS, Floats
from runs import COLUMNS, Ints, Setting

from pytest_passatk.gate.permutation import pass_at, pooled_test

N, REQUESTS = 8, 50
SETTINGS = [
    Setting(GENERATORS[letter], problems, n, N, 1) for letter, problems in (("D", 30), ("B", 164)) for n in (N, 64)
]
ALPHAS = (0.05, 0.01)


def frozen(draw: np.random.Generator, rates: Floats, setting: Setting) -> list[float]:
    """The p-values of all requests against one baseline."""
    baseline = draw.binomial(setting.n_before, rates)
    return [against(setting, baseline, draw.binomial(N, rates)) for _ in range(REQUESTS)]


def ratcheted(draw: np.random.Generator, rates: Floats, setting: Setting) -> list[float]:
    """The same, where each run with more passes becomes the baseline."""
    best, values = draw.binomial(N, rates), []
    for _ in range(REQUESTS):
        run = draw.binomial(N, rates)
        values.append(against(setting, best, run))
        best = max(best, run, key=lambda passes: int(passes.sum()))
    return values


def against(setting: Setting, baseline: Ints, run: Ints) -> float:
    """The p-value against a drop."""
    return pooled_test(setting.pairs(baseline, run), pass_at(setting.k)).down


def main() -> None:
    """Print the table."""
    chosen, started = options(__doc__, 300), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    columns = [f"{what}, {alpha:g}" for alpha in ALPHAS for what in ("alarms in 50", "any", "worst tenth has")]
    heading([*COLUMNS, "baseline", *columns])
    for setting in SETTINGS:
        rates = setting.kind.draw(draw, (chosen.runs, setting.problems))
        ways = {"frozen": frozen} | ({"best run so far": ratcheted} if setting.n_before == N else {})
        for name, way in ways.items():
            values = np.array([way(draw, each, setting) for each in rates])
            cells: list[str] = []
            for alpha in ALPHAS:
                alarms = (values <= alpha).sum(axis=1)
                error = 1.96 * alarms.std() / sqrt(len(alarms))
                mean = f"{alarms.mean():.2f} ± {error:.2f}"
                cells += [mean, f"{percent(alarms > 0, 0)} %", f"{np.quantile(alarms, 0.9):.0f}"]
            row(*setting.cells, name, *cells)
    footer(chosen, started)


if __name__ == "__main__":
    main()
