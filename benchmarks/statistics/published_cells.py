"""Published pass@1 and pass@8 of a change that was said to help, as the gate sees them.

    python benchmarks/statistics/published_cells.py [--runs RUNS]

An article on a sampler for inference reports one run with it and one without, 8 samples a problem, and calls +6.67
points at pass@8, 3 problems won and 1 lost, well above noise. It publishes no counts a problem. So counts are made
that match its figures on both sides, in several ways, and the gate is asked of each whether pass@1 and pass@8 improved:

- nearest: the side with the change differs from the other by as little as the figures allow;
- same rates: both sides drawn from one set of pass rates, then moved by single samples until the figures match;
- other rates: both sides drawn from sets of pass rates that have nothing to do with one another, then moved likewise;
- won with g: for the last cell, as its text says: 3 problems from 0 of 8 to g of 8, 1 from 4 of 8 to 0, 11 others by
  other amounts, the rest as they were.

Entries: shares of the sets of counts in % that are improved / ok / regressed / inconclusive, and the smallest p-value
against "no better", adjusted for the two gates.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TypeAlias

import numpy as np
from figures import heading, options, row
from generators import AIME, AIME_WEAK, GENERATORS, HUMANEVAL
from runs import Ints, measurement

from pytest_passatk.gate.compare import compare
from pytest_passatk.gate.comparison import Line
from pytest_passatk.gate.decision import Decision
from pytest_passatk.gate.family import Policy, Tolerance

N, KS = 8, (1, 8)
POLICY = Policy({f"pass@{k}": Tolerance(3, "pp") for k in KS})
WON, LOST, OTHERS = 3, 4, 11  # problems won, the passes of the one that was lost, and problems with other changes


@dataclass(frozen=True, slots=True)
class Cell:
    """A published comparison: pass@1 and pass@8 without the change and with it, and pass rates that resemble them."""

    name: str
    letter: str
    problems: int
    before: tuple[float, float]
    after: tuple[float, float]

    def totals(self, side: tuple[float, float]) -> tuple[int, int]:
        """Passes in all, and problems with at least one: the whole numbers that round to what was published."""
        return round(side[0] * N * self.problems), round(side[1] * self.problems)


CELLS = (
    Cell("HumanEval", "B", 164, HUMANEVAL, (0.7050, 0.8415)),
    Cell("AIME, weak model", "C", 30, AIME_WEAK, (0.1458, 0.2333)),
    Cell("AIME, strong model", "D", 30, AIME, (0.3708, 0.6667)),
)
Sides: TypeAlias = tuple[Ints, Ints]
Way: TypeAlias = Callable[[Cell, np.random.Generator], Sides]


def moved(draw: np.random.Generator, passes: Ints, totals: tuple[int, int]) -> Ints:
    """The counts, changed sample by sample until they have these totals."""
    total, solved = totals
    passes = passes.copy()
    while surplus := int(np.count_nonzero(passes)) - solved:
        fewest = passes[passes > 0].min() if surplus > 0 else 0
        passes[draw.choice(np.flatnonzero(passes == fewest))] = 0 if surplus > 0 else 1
    while surplus := int(passes.sum()) - total:
        room = passes > 1 if surplus > 0 else (passes > 0) & (passes < N)
        passes[draw.choice(np.flatnonzero(room))] -= np.sign(surplus)
    return passes


def baseline(cell: Cell, draw: np.random.Generator) -> Ints:
    """Counts of the side without the change."""
    rates = GENERATORS[cell.letter].draw(draw, (cell.problems,))
    return moved(draw, draw.binomial(N, rates), cell.totals(cell.before))


def nearest(cell: Cell, draw: np.random.Generator) -> Sides:
    """The sides as alike as the figures allow."""
    before = baseline(cell, draw)
    return before, moved(draw, before, cell.totals(cell.after))


def same_rates(cell: Cell, draw: np.random.Generator) -> Sides:
    """Both sides from one set of pass rates."""
    rates = GENERATORS[cell.letter].draw(draw, (cell.problems,))
    before, after = (moved(draw, draw.binomial(N, rates), cell.totals(side)) for side in (cell.before, cell.after))
    return before, after


def other_rates(cell: Cell, draw: np.random.Generator) -> Sides:
    """The sides from two sets of pass rates."""
    rates = GENERATORS[cell.letter].draw(draw, (cell.problems,))
    return baseline(cell, draw), moved(draw, draw.binomial(N, rates), cell.totals(cell.after))


def won_with(gain: int, cell: Cell, draw: np.random.Generator) -> Sides:
    """Three problems won with so many passes, one with four passes lost, eleven changed otherwise."""
    before = baseline(cell, draw)
    while LOST not in before:
        before = baseline(cell, draw)
    after, lost = before.copy(), draw.choice(np.flatnonzero(before == LOST))
    after[draw.choice(np.flatnonzero(before == 0), WON, replace=False)] = gain
    after[lost] = 0
    others = draw.choice(np.setdiff1d(np.flatnonzero(before), [lost]), OTHERS, replace=False)
    missing = cell.totals(cell.after)[0] - int(after.sum())
    after[others] = otherwise(draw, before[others], int(before[others].sum()) + missing)
    return before, after


def otherwise(draw: np.random.Generator, before: Ints, total: int) -> Ints:
    """Counts that all differ from `before`, with that total and none at 0."""
    after: Ints = before + np.where(before == 1, 1, np.where(before == N, -1, draw.choice([-1, 1], len(before))))
    while missing := total - int(after.sum()):
        way = np.sign(missing)
        steps = np.where(after + way == before, 2 * way, way)
        place = draw.choice(np.flatnonzero((after + steps >= 1) & (after + steps <= N)))
        after[place] += steps[place]
    return after


def ways_of(cell: Cell) -> Iterator[tuple[str, Way]]:
    """All ways to make counts for a cell, by their names."""
    yield from (("nearest", nearest), ("same rates", same_rates), ("other rates", other_rates))
    if cell.letter == "D":
        yield from ((f"won with {gain}", partial(won_with, gain)) for gain in range(1, N + 1))


def judged(cell: Cell, way: Way, draw: np.random.Generator) -> tuple[Line, ...]:
    """The verdicts on one set of counts: on pass@1 and on pass@8."""
    before, after = way(cell, draw)
    for passes, side in ((before, cell.before), (after, cell.after)):
        if (int(passes.sum()), int(np.count_nonzero(passes))) != cell.totals(side):
            raise ValueError(f"{cell.name}: the counts {passes.tolist()} do not give what was published")
    return compare(measurement("before", before, N), measurement("after", after, N), (), POLICY).lines


def summed_up(lines: Sequence[Line]) -> tuple[str, str, str]:
    """Of one k: the change, how often each verdict, and the smallest p-value."""
    given = Counter(line.decision for line in lines)
    shares = " / ".join(f"{100 * given[decision] / len(lines):.1f}" for decision in Decision)
    return f"{100 * lines[0].delta:+.2f}", shares, f"{min(line.adjusted[1] for line in lines):.3f}"


def main() -> None:
    """Print the table."""
    chosen, started = options(__doc__, 200), perf_counter()
    draw = np.random.default_rng(chosen.seed)
    words = " / ".join(decision.value for decision in Decision)
    heading(["cell", "counts", *(f"pass@{k}, {what}" for k in KS for what in ("pp", words, "smallest p"))])
    for cell in CELLS:
        for name, way in ways_of(cell):
            found = [judged(cell, way, draw) for _ in range(chosen.runs)]
            row(cell.name, name, *(text for lines in zip(*found, strict=True) for text in summed_up(lines)))
    print(f"\n{chosen.runs} sets of counts a line, seed {chosen.seed}; both k's gated at 3 pp, alpha {POLICY.alpha:g}.")
    print(f"{perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
