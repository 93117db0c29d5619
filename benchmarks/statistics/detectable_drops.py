"""Detectable drops: the table of them, the power at them, and the samples that a wanted one needs.

    python benchmarks/statistics/detectable_drops.py [--runs RUNS]

The variances behind the table are those that the project projects from a pilot run of many problems of the kind. Power:
the share of runs in % in which the pooled test's p-value is at most alpha, for a true drop of just that size, either a
shift of all logits, or random problems broken for good.
"""

from argparse import Namespace
from dataclasses import replace
from functools import cache
from math import sqrt
from time import perf_counter

import numpy as np
from figures import footer, heading, options, percent, row
from generators import GENERATORS, MATH, Generator, broken, share_for, shift_for, shifted
from runs import COLUMNS, Setting, counts_of

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import estimate
from pytest_passatk.gate.permutation import pass_at, pooled_test
from pytest_passatk.gate.power import detectable, projected_variance, samples_needed

WEAK, STRONG, EASY = (GENERATORS[letter] for letter in "CDB")
SUITES = ((WEAK, 30), (STRONG, 30), (EASY, 164), (MATH, 500))
NS, KS = (8, 16, 32, 64, 256), (1, 4, 8)
PILOT_P, PILOT_N = 10_000, 64
SETTINGS = [
    *(Setting(STRONG, 30, 8, 8, k) for k in (1, 4, 8)),
    Setting(STRONG, 30, 64, 64, 8),
    *(Setting(EASY, 164, 8, 8, k) for k in (1, 4, 8)),
]
WANTED = [
    (Setting(STRONG, 30, 64, 0, 1), 0.05),
    (Setting(EASY, 164, 32, 0, 1), 0.03),
    (Setting(EASY, 164, 32, 0, 4), 0.03),
]  # n after is what is looked for
LOOSE, STRICT = 0.05, 0.01
POWER = "power, shift \\| break"


@cache
def pilot(kind: Generator, n: int = PILOT_N) -> list[Count]:
    """A run of very many problems of the kind."""
    draw = np.random.default_rng(2)
    return counts_of(draw.binomial(n, kind.draw(draw, (PILOT_P,))), n)


@cache
def variance(kind: Generator, problems: int, n: int, k: int) -> float:
    """Of pass@k of so many problems of the kind."""
    return projected_variance(pilot(kind), k, n) * PILOT_P / problems


def smallest(setting: Setting, alpha: float) -> float:
    """The detectable drop, for typical problems of the kind."""
    sides = (variance(setting.kind, setting.problems, n, setting.k) for n in (setting.n_before, setting.n_after))
    return detectable(sum(sides), alpha)


def drops() -> None:
    """The table of detectable drops."""
    title = "Detectable drop in points, alpha .05, power .8: as many samples in the baseline [8 times as many]"
    heading(["rates", "P", "k", *(f"n = {n}" for n in NS)], title)
    for kind, problems in SUITES:
        for k in KS:
            found = [[100 * smallest(Setting(kind, problems, times * n, n, k), LOOSE) for times in (1, 8)] for n in NS]
            row(kind.letter, problems, k, *(f"{same:.1f} [{more:.1f}]" for same, more in found))


def power(draw: np.random.Generator, runs: int, setting: Setting, drop: float, alpha: float) -> str:
    """The share of runs that find the drop: of a shift, and of broken problems."""
    by, share = (of(setting.kind, setting.k, drop) for of in (shift_for, share_for))
    score, shares = pass_at(setting.k), []
    for change in (lambda rates: shifted(rates, by), lambda rates: broken(draw, rates, share)):
        sides = setting.sides(draw, runs, change)
        values = [pooled_test(setting.pairs(before, after), score).down for before, after in sides]
        shares.append(percent(np.array(values) <= alpha, 0))
    return " \\| ".join(shares)


def powers(chosen: Namespace, draw: np.random.Generator) -> None:
    """The power at the detectable drop, and how well one comparison knows that drop."""
    columns = [*COLUMNS, "drop, .05", POWER, "drop, .01", POWER, "printed / true"]
    heading(columns, "Power for a drop of the detectable size")
    for setting in SETTINGS:
        cells = []
        for alpha in (LOOSE, STRICT):
            drop = smallest(setting, alpha)
            cells += [f"{100 * drop:.1f} pp", power(draw, chosen.runs, setting, drop, alpha)]
        row(*setting.cells, *cells, printed(draw, chosen.runs, setting))


def printed(draw: np.random.Generator, runs: int, setting: Setting) -> str:
    """What comparisons of unchanged runs print, over the true value: median, and 5 … 95 %."""
    found = []
    for sides in setting.sides(draw, runs, lambda rates: rates):
        sizes = zip(sides, (setting.n_before, setting.n_after), strict=True)
        errors = [estimate(counts_of(passes, n), setting.k).run_se for passes, n in sizes]
        found.append(detectable(sum(error**2 for error in errors), LOOSE) / smallest(setting, LOOSE))
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
    return f"{middle:.2f} ({low:.2f} … {high:.2f})"


def needs(chosen: Namespace, draw: np.random.Generator) -> None:
    """The samples that a wanted drop needs, and the power with them."""
    heading([*COLUMNS, "wanted", POWER], "Samples a problem (n after) that find a wanted drop, alpha .01")
    for wanted, drop in WANTED:
        kind, k = wanted.kind, wanted.k
        scale = sqrt(PILOT_P / wanted.problems)  # the pilot has more problems, and varies less
        n = samples_needed(pilot(kind, wanted.n_before), pilot(kind), k, drop / scale, STRICT)
        if n is None:
            raise ValueError(f"a baseline of {wanted.n_before} samples cannot show {drop}: choose a larger drop")
        setting = replace(wanted, n_after=n)
        row(*setting.cells, f"{100 * drop:g} pp", power(draw, chosen.runs, setting, drop, STRICT))


def main() -> None:
    """Print the tables."""
    chosen, started = options(__doc__, 600), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    drops()
    powers(chosen, draw)
    needs(chosen, draw)
    footer(chosen, started)


if __name__ == "__main__":
    main()
