"""The room that a benchmark leaves a model, and what a change did with it."""

from dataclasses import dataclass
from enum import StrEnum
from math import hypot
from statistics import NormalDist

from pytest_passatk.core.interval import Estimate


class Label(StrEnum):
    """How pass@1 and pass@K answered to a change."""

    BOTH = "both"  # both rose
    TRAJECTORY = "trajectory only"  # pass@K rose while pass@1 stayed: more problems within reach, no surer hand
    SHARPENING = "sharpening"  # pass@1 rose while pass@K stayed: a surer hand, no more problems within reach
    DIVERSITY_LOSS = "diversity loss"  # pass@K fell, and pass@1 did not
    NONE = "no response"  # both stayed
    UNRESOLVED = "unresolved"  # none of these can be said; both fell is among it


@dataclass(frozen=True, slots=True)
class Headroom:
    """What is left to gain on one side; shares, 0 … 1.

    Attributes:
        conversion: pass@K − pass@1: gained if the model hit at once what it hits in K tries.
        conversion_limit: its upper confidence limit.
        coverage: 1 − pass@K: gained if the model hit in K tries what it misses in all.
        coverage_limit: its upper confidence limit.
        saturated: whether both limits are below the tolerance, so that no change can move the figures much.
    """

    conversion: float
    conversion_limit: float
    coverage: float
    coverage_limit: float
    saturated: bool


@dataclass(frozen=True, slots=True)
class Response:
    """How pass@1 and pass@k answered to a change, with the room that there was.

    Attributes:
        label: the answer.
        k: the larger k.
        before: room that the baseline left.
        after: room that the candidate leaves.
    """

    label: Label
    k: int
    before: Headroom
    after: Headroom


def headroom(one: Estimate, many: Estimate, tolerance: float, level: float) -> Headroom:
    """The room above a measurement.

    pass@1 and pass@K rise and fall together, so the variance of their difference is at most the sum of theirs.

    Args:
        one: pass@1.
        many: pass@K of the same samples.
        tolerance: a change too small to matter, as a share.
        level: two-sided confidence of the intervals, whose upper ends are the limits.
    """
    conversion, coverage = many.value - one.value, 1 - many.value
    reach = NormalDist().inv_cdf((1 + level) / 2) * hypot(one.run_se, many.run_se)
    limits = min(1.0, conversion + reach), 1 - many.run[0]
    return Headroom(conversion, limits[0], coverage, limits[1], saturated=max(limits) < tolerance)
