"""What the gates of a run are going to be able to see, told before it samples."""

from collections.abc import Iterator, Mapping, Sequence

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.plan import Plan, PlannedSuite
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.power import detectable, projected_variance
from pytest_passatk.report.wording import points


def prospects(plan: Plan, baselines: Mapping[tuple[str, str], Measurement], policy: Policy) -> Iterator[str]:
    """A line for each suite that has a baseline: the smallest drops that its gates are expected to find."""
    gates = [(suite, *_gated(suite, baselines[suite.key], policy)) for suite in plan.suites if suite.key in baselines]
    level = policy.alpha / max(1, sum(len(ks) for _, _, ks in gates))
    for suite, counts, ks in gates:
        found = ", ".join(f"{points(_finds(counts, k, suite.n, level))} points in pass@{k}" for k in ks)
        if found:
            label = baselines[suite.key].label
            yield f"{suite.title}: gate against {label}: expected to find a drop of {found}"


def _gated(suite: PlannedSuite, baseline: Measurement, policy: Policy) -> tuple[list[Count], tuple[int, ...]]:
    """The baseline's counts of the problems that will be compared, and the k's that will be gated."""
    ids = {problem.id for problem in suite.problems}
    counts = [count for count in baseline.counts if count.id in ids]
    least = min([suite.n, *(count.n for count in counts)])
    ks = policy.orders([k for k in suite.ks if k <= least], least)
    return counts, tuple(k for k in ks if counts and k <= least)


def _finds(counts: Sequence[Count], k: int, n: int, alpha: float) -> float:
    """The smallest drop that a candidate with n samples a problem is expected to find."""
    before = projected_variance(counts, k, min(count.n for count in counts))
    return detectable(before + projected_variance(counts, k, n), alpha)
