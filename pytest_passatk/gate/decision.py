"""The verdict on one figure of a comparison."""

from enum import StrEnum


class Decision(StrEnum):
    """What a comparison says of one figure."""

    IMPROVED = "improved"
    OK = "ok"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


def decide(*, delta: float, bound: float, p_down: float, p_up: float, tolerance: float, alpha: float) -> Decision:
    """The verdict on a figure; see docs/statistics.md, "The verdict".

    Args:
        delta: the estimated change.
        bound: its lower confidence limit at 1 − alpha, one-sided.
        p_down: p-value against a drop, adjusted for the gated family.
        p_up: p-value against a rise, adjusted likewise.
        tolerance: the drop that passes, ≥ 0, in units of the figure.
        alpha: chance of a false alarm.
    """
    if p_up <= alpha and delta >= tolerance:
        return Decision.IMPROVED
    if bound > -tolerance:
        return Decision.OK
    return Decision.REGRESSED if p_down <= alpha else Decision.INCONCLUSIVE
