"""False alarms of the tests against a drop, where there is none to find, and where their assumptions are broken.

    python benchmarks/statistics/false_alarms.py [--runs RUNS]

The null: the same pass rates on both sides. The weak null: every problem's rate moves, and the mean pass@k of these
problems stays exactly as it was. Entries: shares of runs in % whose p-value is at most alpha. `pooled` is what gates
(mid-p); `sign-flip` is `p_generalises`, which is exact and not mid-p.
"""

from collections.abc import Iterable
from time import perf_counter
from typing import TypeAlias

import numpy as np
from figures import footer, heading, options, percent, row
from generators import GENERATORS, Floats, churned, shift_for, shifted
from numpy.typing import NDArray
from runs import COLUMNS, Ints, Setting

from pytest_passatk.gate.holm import holm
from pytest_passatk.gate.permutation import pass_at, pooled_test, sign_flip_test

STRONG, EASY = GENERATORS["D"], GENERATORS["B"]
SETTINGS = [
    *(Setting(STRONG, 30, 8, 8, k) for k in (1, 4, 8)),
    *(Setting(EASY, 164, 8, 8, k) for k in (1, 4, 8)),
    *(Setting(STRONG, 30, 64, 64, k) for k in (1, 8)),
]
CHURNS = (0.0, 0.5, 1.0, 2.0)
SUITES = ((STRONG, 30), (EASY, 164), (EASY, 164))
SUITES_N, SUITES_KS = 16, (1, 4, 8)
ALPHA, STRICT = 0.05, 0.01
ALARMS = ("pooled, .05", "pooled, .01", "sign-flip, .05")
Bools: TypeAlias = NDArray[np.bool_]


def alarms(setting: Setting, sides: Iterable[tuple[Ints, Ints]]) -> Bools:
    """Whether the tests alarm in each run: pooled at both alphas, and sign-flip; shape (3, runs)."""
    values = []
    for before, after in sides:
        pairs, score = setting.pairs(before, after), pass_at(setting.k)
        flipped = sign_flip_test(pairs, score)
        values.append((pooled_test(pairs, score).down, flipped.below + flipped.at))
    pooled, flips = np.array(values).T
    return np.array([pooled <= ALPHA, pooled <= STRICT, flips <= ALPHA])


def shares(found: Bools) -> list[str]:
    """The cells under ALARMS."""
    return [percent(found[0]), percent(found[1], 2), percent(found[2])]


def nulls(runs: int, draw: np.random.Generator) -> None:
    """The null (no churn) and the weak null."""
    spreads = " / ".join(f"{spread:g}" for spread in CHURNS)
    heading([*COLUMNS, *ALARMS], f"No change of the mean, logits moved by ± {spreads}")
    found = []
    for setting in SETTINGS:
        for spread in CHURNS:
            sides = setting.sides(draw, runs, lambda rates: churned(draw, rates, setting.k, spread))  # noqa: B023 - called at once
            found.append(alarms(setting, sides))
        cells = zip(*map(shares, found[-len(CHURNS) :]), strict=True)
        row(*setting.cells, *map(" / ".join, cells))
    row("**all**", *[""] * 3, *shares(np.hstack(found)))


def breakers(runs: int, draw: np.random.Generator) -> None:
    """What the tests cannot see from one run a side: completions that come twice, and runs that drift as a whole."""
    heading(["broken", *COLUMNS, *ALARMS], "Broken assumptions, nothing changed")
    for kind, problems in SUITES[:2]:
        setting, rates = Setting(kind, problems, 8, 8, 1), kind.draw(draw, (runs, problems))
        for times in (2, 4):
            sides = [times * draw.binomial(8 // times, rates) for _ in range(2)]
            row(f"every completion {times} times", *setting.cells, *shares(alarms(setting, zip(*sides, strict=True))))
        for spread in (0.1, 0.2):
            sides = [draw.binomial(8, drifted(draw, rates, spread)) for _ in range(2)]
            row(f"logits of a whole run ± {spread}", *setting.cells, *shares(alarms(setting, zip(*sides, strict=True))))


def drifted(draw: np.random.Generator, rates: Floats, spread: float) -> Floats:
    """The rates with the logits of each row moved together."""
    return shifted(rates, draw.normal(0, spread, (len(rates), 1)))


def families(runs: int, draw: np.random.Generator) -> None:
    """Any alarm among three suites: k = 1, 4 and 8, or only k = 1."""
    title = f"Any alarm in three suites (D, B, B; n = {SUITES_N}), alpha .05"
    heading(["drop of pass@1", "9 tests, not adjusted", "9 tests, Holm", "3 tests (k = 1), Holm"], title)
    for drop in (0.0, 0.03):
        values = np.array([family(draw, drop) for _ in range(runs)])
        smallest = [values.min(axis=1), [min(holm(each)) for each in values], [min(holm(each[::3])) for each in values]]
        where = f"{100 * drop:g} pp in the second suite" if drop else "none"
        row(where, *(percent(np.array(each) <= ALPHA) for each in smallest))


def family(draw: np.random.Generator, drop: float) -> list[float]:
    """The p-values of all suites and k's, for a drop in the second suite."""
    values = []
    for place, (kind, problems) in enumerate(SUITES):
        by = shift_for(kind, 1, drop) if place == 1 else 0.0
        setting = Setting(kind, problems, SUITES_N, SUITES_N, 1)
        pairs = setting.pairs(*next(setting.sides(draw, 1, lambda rates: shifted(rates, by))))  # noqa: B023 - called at once
        values += [pooled_test(pairs, pass_at(k)).down for k in SUITES_KS]
    return values


def main() -> None:
    """Print the three tables."""
    chosen, started = options(__doc__, 2000), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    nulls(chosen.runs, draw)
    breakers(chosen.runs, draw)
    families(chosen.runs, draw)
    footer(chosen, started)


if __name__ == "__main__":
    main()
