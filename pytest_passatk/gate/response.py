"""How pass@1 and pass@K answered to a change; see docs/statistics.md, "Headroom and response"."""

from collections.abc import Sequence

from pytest_passatk.gate.comparison import Line
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.headroom import Label, Response, headroom
from pytest_passatk.gate.pairs import Pair
from pytest_passatk.gate.permutation import gain, pooled_test


def respond(pairs: Sequence[Pair], one: Line, many: Line, policy: Policy) -> Response:
    """The answer of pass@1 (`one`) and pass@K (`many`, K > 1) to what lies between the sides of `pairs`."""
    tolerance = min(one.tolerated, many.tolerated)
    return Response(
        label=_label(pairs, one, many, policy.alpha),
        k=many.k,
        before=headroom(one.before, many.before, tolerance, policy.level),
        after=headroom(one.after, many.after, tolerance, policy.level),
    )


def _label(pairs: Sequence[Pair], one: Line, many: Line, alpha: float) -> Label:
    match _move(one, alpha), _move(many, alpha):
        case "up", "up":
            return Label.BOTH
        case "flat", "up" if pooled_test(pairs, gain(many.k)).up <= alpha:
            return Label.TRAJECTORY
        case "up", "flat":
            return Label.SHARPENING
        case "up" | "flat" | "open", "down":
            return Label.DIVERSITY_LOSS
        case "flat", "flat":
            return Label.NONE
    return Label.UNRESOLVED


def _move(line: Line, alpha: float) -> str:
    """`flat` where a change beyond the tolerance is ruled out either way, by two one-sided tests (Schuirmann 1987).

    Otherwise `up` or `down` by the pooled permutation test, or `open`. So what is called flat may be real, and small.
    """
    if max(-line.bound, 2 * line.delta - line.bound) < line.tolerated:
        return "flat"
    return "up" if line.p_up <= alpha else "down" if line.p_down <= alpha else "open"
