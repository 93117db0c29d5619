"""Labels of the answer of pass@1 and pass@8 to a change: how often each is given, beside a simple rule of thresholds.

    python benchmarks/statistics/response_labels.py [--runs RUNS]

Tolerance 3 points, alpha .05. The simple rule takes pass@1 as risen from +2 points on and pass@8 from +3 points on,
whatever the noise. Entries: shares of runs in %; `other` holds unresolved, sharpening and diversity loss.
"""

from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import TypeAlias

import numpy as np
from figures import footer, heading, options, row
from generators import GENERATORS, Floats, shifted, stretched
from runs import COLUMNS, Setting, measurement

from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Line
from pytest_passatk.gate.family import Policy, Tolerance
from pytest_passatk.gate.headroom import Label

K = 8
SETTINGS = [
    Setting(GENERATORS[letter], problems, n, n, K)
    for letter, problems, n in (("C", 30, 8), ("D", 30, 8), ("D", 30, 64), ("B", 164, 8), ("B", 164, 32))
]
CHANGES: dict[str, Callable[[Floats], Floats]] = {
    "none": lambda rates: rates,
    "trajectory": lambda rates: stretched(rates, 0.7),  # pass@1 stays, pass@8 rises
    "both": lambda rates: shifted(rates, -0.5),
}
POLICY = Policy({"pass@1": Tolerance(3, "pp"), f"pass@{K}": Tolerance(3, "pp")}, alpha=0.05)
SHOWN = (Label.BOTH, Label.TRAJECTORY, Label.NONE)
RISEN = (0.02, 0.03)  # from where the simple rule takes pass@1 and pass@8 as risen
Found: TypeAlias = tuple[Label, Label, float, float]


def labels(draw: np.random.Generator, runs: int, setting: Setting, change: Callable[[Floats], Floats]) -> list[Found]:
    """The label and that of the simple rule, and both changes, of each run."""
    found: list[Found] = []
    for old, new in setting.sides(draw, runs, change):
        before, after = measurement("before", old, setting.n_before), measurement("after", new, setting.n_after)
        compared = compare(before, after, (), POLICY)
        one, many = compared.lines
        assert compared.response is not None, "both k's are compared"
        found.append((compared.response.label, simple(one, many), one.delta, many.delta))
    return found


def simple(one: Line, many: Line) -> Label:
    """The label by thresholds alone."""
    rose = [line.delta >= least - 1e-9 for line, least in zip((one, many), RISEN, strict=True)]
    flat = [abs(line.delta) < least - 1e-9 for line, least in zip((one, many), RISEN, strict=True)]
    if all(rose):
        return Label.BOTH
    if flat[0] and rose[1]:
        return Label.TRAJECTORY
    return Label.NONE if all(flat) else Label.UNRESOLVED


def main() -> None:
    """Print the table."""
    chosen, started = options(__doc__, 300), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    words = [label.value for label in SHOWN]
    rules = [f"{rule}: {word}" for rule in ("simple", "label") for word in (*words, "other")]
    heading([*COLUMNS, "change", "pass@1 and pass@8, pp", *rules])
    for setting in SETTINGS:
        for name, change in CHANGES.items():
            found = labels(draw, chosen.runs, setting, change)
            cells = []
            for place in (1, 0):
                given = Counter(each[place] for each in found)
                shares = [100 * given[label] / len(found) for label in SHOWN]
                cells += [f"{share:.0f}" for share in (*shares, 100 - sum(shares))]
            moved = ", ".join(f"{100 * np.mean([each[place] for each in found]):+.1f}" for place in (2, 3))
            row(*setting.cells, name, moved, *cells)
    footer(chosen, started)


if __name__ == "__main__":
    main()
