"""Watching a suite while it is sampled in stages: has its gate been decided?"""

from collections.abc import Mapping, Sequence
from math import hypot
from statistics import NormalDist
from typing import TypeAlias

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import estimate
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.gate.decision import Decision, decide
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.look import Look, Looks
from pytest_passatk.gate.looks import boundaries, fractions, schedule
from pytest_passatk.gate.pairs import Pair, pair_up
from pytest_passatk.gate.permutation import pass_at, pooled_test

SuiteKey: TypeAlias = tuple[str, str]


class Monitor:
    """Looks at one suite, each time at the samples that it has so far.

    A figure that is decided stays so: later looks only see the others. Each is tested at a share of alpha, whatever
    becomes of the others (Bonferroni): Holm's adjustment would need all p-values at one time.

    Args:
        before: counts of the baseline, of the problems that this run samples.
        orders: the k's that are gated, of which both sides have the samples.
        sizes: samples a problem at each look, ascending; those that could decide nothing are passed over.
        policy: the tolerances, and alpha.
        gates: how many figures share alpha.
    """

    def __init__(
        self, before: Sequence[Count], orders: Sequence[int], sizes: Sequence[int], policy: Policy, gates: int
    ) -> None:
        levels = {k: boundaries(fractions(before, k, sizes), policy.alpha / gates) for k in orders}
        useful = [at for at in range(len(sizes)) if at == len(sizes) - 1 or any(levels[k][at] for k in orders)]
        self.sizes = tuple(sizes[at] for at in useful)
        self._levels: Mapping[int, tuple[float, ...]] = {k: tuple(levels[k][at] for at in useful) for k in orders}
        self._before = before
        self._policy = policy
        self._gates = gates
        self._lines: dict[int, Look] = {}
        self._taken = 0

    def look(self, after: Sequence[Count]) -> bool:
        """Take the next look, at these counts of the candidate; returns whether every gated figure is decided."""
        self._taken += 1
        pairs = pair_up(self._before, after)
        if not pairs:
            return False
        for k in self._levels:
            if k not in self._lines or not self._lines[k].decided:
                self._lines[k] = self._look(pairs, k)
        return all(line.decided for line in self._lines.values())

    @property
    def looks(self) -> Looks | None:
        """What the looks came to; `None` before the first, and where no problem could be compared."""
        if not self._lines:
            return None
        last = {k: levels[-1] for k, levels in self._levels.items()}
        return Looks(self.sizes, self._taken, dict(self._lines), last, self._gates)

    def _look(self, pairs: Sequence[Pair], k: int) -> Look:
        level = self._levels[k][self._taken - 1]
        old, new = estimate([pair.before for pair in pairs], k), estimate([pair.after for pair in pairs], k)
        delta, error = new.value - old.value, hypot(old.run_se, new.run_se)
        tails = pooled_test(pairs, pass_at(k))
        bound, decision = -1.0, Decision.INCONCLUSIVE
        if level:
            bound = delta + NormalDist().inv_cdf(level) * error
            decision = decide(
                delta=delta, bound=bound, p_down=tails.down, p_up=tails.up, alpha=level,
                tolerance=self._policy.tolerance(f"pass@{k}").share(old.value),
            )  # fmt: skip
        n = self.sizes[self._taken - 1]
        return Look(self._taken, n, level, delta, bound, tails.down, tails.up, decision)


def plan_monitors(
    suites: Sequence[PlannedSuite], baselines: Mapping[SuiteKey, Sequence[Count]], policy: Policy
) -> dict[SuiteKey, Monitor]:
    """A monitor for each suite that has a gate; they share alpha by the number of their gated figures.

    Args:
        suites: of the run.
        baselines: their counts, by suite; problems that the run does not sample are left out.
        policy: what is gated, and at what risk.
    """
    before: dict[SuiteKey, list[Count]] = {}
    gated: dict[SuiteKey, tuple[int, ...]] = {}
    for suite in suites:
        ids = {problem.id for problem in suite.problems}
        counts = [count for count in baselines.get(suite.key, ()) if count.id in ids]
        fewest = min([suite.n, *(count.n for count in counts)])
        orders = policy.orders([k for k in suite.ks if k <= fewest], fewest)
        if counts and orders and orders[-1] <= fewest:
            before[suite.key], gated[suite.key] = counts, orders
    gates = sum(map(len, gated.values()))
    return {
        suite.key: Monitor(before[suite.key], gated[suite.key], _sizes(suite, gated[suite.key]), policy, gates)
        for suite in suites
        if suite.key in gated
    }


def _sizes(suite: PlannedSuite, orders: Sequence[int]) -> tuple[int, ...]:
    """Every gated figure, and the first of those that are reported, has the samples that it needs at every look."""
    return schedule(suite.n, max(orders[-1], suite.ks[0]))
