"""Sampling in stages: what is decided early, how often wrongly, and what it saves.

    python benchmarks/statistics/sampling_in_stages.py [--runs RUNS]

A candidate is sampled up to n, and looked at on the way, against a baseline of 64 samples a problem; one gated figure,
alpha .05. Entries: shares of runs in %, the mean share of the samples that were not drawn, and the share of runs whose
pooled test alone, at n and without looks, has p <= .05.
"""

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """The looks at one run, and its p-value at n had nobody looked."""

    looks: Looks
    p: float


def simulate(draw: np.random.Generator, setting: Setting, tolerance: Tolerance) -> list[Outcome]:
    """One baseline, and a candidate for each of the drops."""
    rates = setting.kind.draw(draw, (setting.problems,))
    before = draw.binomial(setting.n_before, rates)
    sizes, policy = schedule(setting.n_after, setting.k), Policy({f"pass@{setting.k}": tolerance}, ALPHA)
    monitor = Monitor(counts_of(before, setting.n_before), (setting.k,), sizes, policy, gates=1)
    outcomes = []
    for drop in DROPS:
        after = shifted(rates, shift_for(setting.kind, setting.k, drop))
        stages = np.cumsum([draw.binomial(part, after) for part in np.diff([0, *sizes])], axis=0)
        p = pooled_test(setting.pairs(before, stages[-1]), pass_at(setting.k)).down
        outcomes.append(Outcome(watched(deepcopy(monitor), dict(zip(sizes, stages, strict=True))), p))
    return outcomes


def watched(monitor: Monitor, stages: Mapping[int, Ints]) -> Looks:
    """Look after each stage until the gate is decided; `stages` are the passes so far by samples a problem."""
    for size in monitor.sizes:
        if monitor.look(counts_of(stages[size], size)):
            break
    assert monitor.looks is not None, "a simulated run has problems to compare"
    return monitor.looks


def main() -> None:
    """Print the table."""
    chosen, started = options(__doc__, 400), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    words = ["regressed", "ok", "inconclusive", "improved"]
    heading(["rates", "P", "looks", "k", "tolerated", "true drop", *words, "saved", "p at n"])
    for setting, tolerance in SETTINGS:
        sizes = " / ".join(map(str, schedule(setting.n_after, setting.k)))
        runs = [simulate(draw, setting, tolerance) for _ in range(chosen.runs)]
        for drop, outcomes in zip(DROPS, zip(*runs, strict=True), strict=True):
            given = Counter(each.looks.lines[setting.k].decision for each in outcomes)
            shares = [f"{100 * given[Decision(word)] / len(outcomes):.1f}" for word in words]
            saved = f"{100 * np.mean([each.looks.saved for each in outcomes]):.0f}"
            labels = setting.kind.letter, setting.problems, sizes, setting.k, tolerance, f"{100 * drop:g} pp"
            row(*labels, *shares, saved, percent(each.p <= ALPHA for each in outcomes))
    footer(chosen, started)


if __name__ == "__main__":
    main()
