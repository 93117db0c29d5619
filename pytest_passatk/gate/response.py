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
    if many.p_up <= alpha:
        if one.p_up <= alpha:
            return Label.BOTH
        grew = _is_flat(one) and pooled_test(pairs, gain(many.k)).up <= alpha
        return Label.TRAJECTORY if grew else Label.UNRESOLVED
    if one.p_up <= alpha and _is_flat(many):
        return Label.SHARPENING
    if many.p_down <= alpha < one.p_down:
        return Label.DIVERSITY_LOSS
    return Label.NONE if _is_flat(one) and _is_flat(many) else Label.UNRESOLVED


def _is_flat(line: Line) -> bool:
    """Whether a change beyond the tolerance is ruled out either way: two one-sided tests (Schuirmann 1987)."""
    return max(-line.bound, 2 * line.delta - line.bound) < line.tolerated
