"""Sampling in stages: what is decided early, how often wrongly, and what it saves.

    python benchmarks/statistics/sampling_in_stages.py [--runs RUNS]

A candidate is sampled up to n, and looked at on the way, against a baseline of 64 samples a problem; one gated figure,
alpha .05. Entries: shares of runs in %, the mean share of the samples that were not drawn, and the share of runs whose
pooled test alone, at n and without looks, has p <= .05.
"""

from collections import Counter
from collections.abc import Sequence
from time import perf_counter

import numpy as np
from figures import footer, heading, options, percent, row
from generators import GENERATORS, shift_for, shifted
from runs import Ints, Setting, counts_of

from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, Tolerance
from pytest_passatk.gate.look import Looks
from pytest_passatk.gate.looks import schedule
from pytest_passatk.gate.monitor import Monitor
from pytest_passatk.gate.permutation import pass_at, pooled_test

ALPHA = 0.05
SETTINGS = [
    (Setting(GENERATORS["B"], 164, 64, 32, 1), Tolerance(3, "pp")),
    (Setting(GENERATORS["B"], 164, 64, 32, 4), Tolerance(3, "pp")),
    (Setting(GENERATORS["D"], 30, 64, 64, 1), Tolerance(5, "pp")),
]
DROPS = (0.0, 0.015, 0.03, 0.05)


def staged(before: Ints, stages: Sequence[Ints], setting: Setting, tolerance: Tolerance) -> Looks:
    """Look after each stage until the gate is decided; `stages` are the passes so far."""
    sizes = schedule(setting.n_after, setting.k)
    policy = Policy({f"pass@{setting.k}": tolerance}, ALPHA)
    monitor = Monitor(counts_of(before, setting.n_before), (setting.k,), sizes, policy, gates=1)
    for size, passes in zip(sizes, stages, strict=True):
        if size in monitor.sizes and monitor.look(counts_of(passes, size)):
            break
    looks = monitor.looks
    assert looks is not None, "a simulated run has problems to compare"
    return looks


def simulate(
    draw: np.random.Generator, runs: int, setting: Setting, tolerance: Tolerance, drop: float
) -> tuple[list[Looks], list[float]]:
    """The looks of each run, and the p-value of the same run had nobody looked."""
    by, found, values = shift_for(setting.kind, setting.k, drop), [], []
    parts = np.diff([0, *schedule(setting.n_after, setting.k)])
    for _ in range(runs):
        rates = setting.kind.draw(draw, (setting.problems,))
        before = draw.binomial(setting.n_before, rates)
        stages = np.cumsum([draw.binomial(part, shifted(rates, by)) for part in parts], axis=0)
        found.append(staged(before, list(stages), setting, tolerance))
        values.append(pooled_test(setting.pairs(before, stages[-1]), pass_at(setting.k)).down)
    return found, values


def main() -> None:
    """Print the table."""
    chosen, started = options(__doc__, 400), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    words = ["regressed", "ok", "inconclusive", "improved"]
    heading(["rates", "P", "looks", "k", "tolerated", "true drop", *words, "saved", "p at n"])
    for setting, tolerance in SETTINGS:
        for drop in DROPS:
            found, values = simulate(draw, chosen.runs, setting, tolerance, drop)
            given = Counter(looks.lines[setting.k].decision for looks in found)
            shares = [f"{100 * given[Decision(word)] / len(found):.1f}" for word in words]
            sizes = " / ".join(map(str, schedule(setting.n_after, setting.k)))
            labels = setting.kind.letter, setting.problems, sizes, setting.k, tolerance, f"{100 * drop:g} pp"
            saved = f"{100 * np.mean([looks.saved for looks in found]):.0f}"
            row(*labels, *shares, saved, percent(np.array(values) <= ALPHA))
    footer(chosen, started)


if __name__ == "__main__":
    main()
