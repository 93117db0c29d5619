"""Watching a suite while it is sampled in stages: has its gate been decided?"""

from collections.abc import Mapping, Sequence
from math import hypot
from statistics import NormalDist

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.interval import estimate
from pytest_passatk.gate.decision import Decision, decide
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.look import Look, Looks
from pytest_passatk.gate.looks import boundaries, fractions, schedule
from pytest_passatk.gate.pairs import Pair, pair_up
from pytest_passatk.gate.permutation import pass_at, pooled_test


class Monitor:
    """Looks at one suite, each time at the samples that it has so far.

    A figure that is decided stays so: later looks only see the others. Each is tested at a share of alpha, whatever
    becomes of the others (Bonferroni): Holm's adjustment would need all p-values at one time.

    Args:
        before: counts of the baseline, of the problems that this run samples.
        orders: the k's that are gated, of which both sides have the samples.
        sizes: samples a problem at each look, ascending; those that could decide nothing are passed over.
        alpha: the chance of a false alarm of each gated figure.
        policy: the tolerances.
    """

    def __init__(
        self, before: Sequence[Count], orders: Sequence[int], sizes: Sequence[int], alpha: float, policy: Policy
    ) -> None:
        levels = {k: boundaries(fractions(before, k, sizes), alpha) for k in orders}
        useful = [at for at in range(len(sizes)) if at == len(sizes) - 1 or any(levels[k][at] for k in orders)]
        self.sizes = tuple(sizes[at] for at in useful)
        self._levels: Mapping[int, tuple[float, ...]] = {k: tuple(levels[k][at] for at in useful) for k in orders}
        self._before = before
        self._policy = policy
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
        return Looks(self.sizes, self._taken, dict(self._lines)) if self._lines else None

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
    baselines: Mapping[tuple[str, str], Sequence[Count]],
    samples: Mapping[tuple[str, str], tuple[int, Sequence[int]]],
    policy: Policy,
) -> dict[tuple[str, str], Monitor]:
    """A monitor for each suite that can be decided; they share alpha by the number of their gated figures.

    Args:
        baselines: by suite, the counts of the problems that this run samples.
        samples: by suite, n and the k's that the run reports.
        policy: what is gated.
    """
    gated: dict[tuple[str, str], tuple[int, ...]] = {}
    for key, counts in baselines.items():
        fewest = min([samples[key][0], *(count.n for count in counts)])
        orders = policy.orders([k for k in samples[key][1] if k <= fewest], fewest)
        if counts and orders and orders[-1] <= fewest:
            gated[key] = orders
    tests = sum(map(len, gated.values()))
    return {
        key: Monitor(
            baselines[key], orders, schedule(samples[key][0], max(*orders, min(samples[key][1]))),
            policy.alpha / tests, policy,
        )
        for key, orders in gated.items()
    }  # fmt: skip
