"""Verdicts for a known change: how often each is given, with a tolerated drop of 3 points at alpha .01.

    python benchmarks/statistics/verdicts.py [--runs RUNS]

Entries: shares of runs in %. `simple rule` is the one in common use, "a drop beyond the tolerance, and significant",
on the same estimates and p-values.
"""

from collections import Counter
from time import perf_counter

import numpy as np
from figures import footer, heading, options, percent, row
from generators import GENERATORS, shift_for, shifted
from runs import COLUMNS, Setting, measurement

from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Line
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import ALPHA, Policy, Tolerance

STRONG, EASY = GENERATORS["D"], GENERATORS["B"]
SETTINGS = [
    Setting(EASY, 164, 8, 8, 1),
    Setting(EASY, 164, 32, 8, 1),
    Setting(EASY, 164, 32, 32, 8),
    Setting(STRONG, 30, 64, 64, 1),
    Setting(STRONG, 30, 64, 64, 8),
    Setting(STRONG, 30, 8, 8, 1),
]
CHANGES = (0.0, -0.03, -0.05, 0.05)
TOLERANCE = Tolerance(3, "pp")


def lines(draw: np.random.Generator, runs: int, setting: Setting, change: float) -> list[Line]:
    """The one gated line of each comparison."""
    by, policy = shift_for(setting.kind, setting.k, -change), Policy({f"pass@{setting.k}": TOLERANCE})
    found: list[Line] = []
    for old, new in setting.sides(draw, runs, lambda rates: shifted(rates, by)):
        before, after = measurement("before", old, setting.n_before), measurement("after", new, setting.n_after)
        found += compare(before, after, (), policy).lines
    return found


def main() -> None:
    """Print the table."""
    chosen, started = options(__doc__, 800), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    words = ["regressed", "ok", "inconclusive", "improved"]
    heading([*COLUMNS, "true change", *words, "simple rule: regressed"])
    for setting in SETTINGS:
        for change in CHANGES:
            found = lines(draw, chosen.runs, setting, change)
            given = Counter(line.decision for line in found)
            shares = [f"{100 * given[Decision(word)] / len(found):.1f}" for word in words]
            simple = [line.p_down <= ALPHA and line.delta <= -line.tolerated for line in found]
            row(*setting.cells, f"{100 * change:+g} pp", *shares, percent(simple))
    footer(chosen, started)


if __name__ == "__main__":
    main()
