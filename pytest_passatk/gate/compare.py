"""Working out comparisons: each suite by itself, then the verdicts of all together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import hypot
from statistics import NormalDist

from pytest_passatk.core.interval import Estimate, estimates
from pytest_passatk.core.names import name_some
from pytest_passatk.gate.comparison import Comparison, Line
from pytest_passatk.gate.decision import Decision, decide
from pytest_passatk.gate.drift import drift_note
from pytest_passatk.gate.family import Policy
from pytest_passatk.gate.headroom import Response
from pytest_passatk.gate.holm import holm
from pytest_passatk.gate.look import Look, Looks
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.moves import find_moves
from pytest_passatk.gate.pace import compare_pace
from pytest_passatk.gate.pairs import Pair, pair_up
from pytest_passatk.gate.permutation import pass_at, pooled_test, sign_flip_test
from pytest_passatk.gate.power import detectable, projected_variance, samples_needed, samples_needed_by_both
from pytest_passatk.gate.response import respond


def compare(
    before: Measurement,
    after: Measurement,
    ks: Sequence[int],
    policy: Policy,
    looks: Looks | None = None,
    *,
    one_session: bool = False,
) -> Comparison:
    """The comparison of two measurements of one suite, for the problems that both have.

    What makes them incomparable is found by `comparability`; here they are taken to measure the same. Its verdicts
    stand alone until `settle` sees it among the others.

    Args:
        before: the baseline.
        after: the candidate.
        ks: to report where both sides have the samples; what the policy gates comes in addition.
        policy: what is asked.
        looks: that decided when to stop sampling, where the suite was sampled in stages; they know what is gated.
        one_session: whether the sides are arms of one session, with as many samples as each other, and speeds that have
            a ratio.
    """
    pairs = pair_up(before.counts, after.counts)
    if not pairs:
        none = f"no problem of {after.label} is in {before.label}"
        return Comparison(after.title, before, after, policy, (), (), (), incomparable=(none,))
    fewest = min(min(pair.before.n, pair.after.n) for pair in pairs)
    gated = tuple(looks.lines) if looks else policy.orders([k for k in ks if k <= fewest], fewest)
    if short := list(too_short(pairs, gated)):
        return Comparison(after.title, before, after, policy, pairs, (), (), incomparable=tuple(short))
    shown = sorted({k for k in ks if k <= fewest} | set(gated))
    lines = tuple(_lines(pairs, shown, gated, policy, looks, one_session=one_session))
    staged = looks.notes(len(after.problems)) if looks else ()
    pace = compare_pace(before, after, policy, one_session=one_session)
    undecided = tuple(f"{line.metric}: {line.why}" for line in pace if line.tolerance and line.decision is None)
    drawn = Comparison(
        after.title, before, after, policy, pairs, lines, find_moves(pairs), pace, incomparable=undecided,
        notes=(*filter(None, map(drift_note, (before, after))), *staged), response=_response(pairs, lines, policy),
        looks=looks, one_session=one_session,
    )  # fmt: skip
    return settle([drawn])[0]


def _response(pairs: Sequence[Pair], lines: Sequence[Line], policy: Policy) -> Response | None:
    """How pass@1 and the largest k answered; `None` where one of them is not reported."""
    one, many = lines[0], lines[-1]
    return respond(pairs, one, many, policy) if one.k == 1 < many.k else None


def settle(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with the verdicts that they have together: Holm over all that is gated in any of them.

    The detectable drops follow: only what shows at the first of Holm's levels is found for certain, which is alpha over
    the number of gates. What a look decided stays as it is: it was tested at its own share of alpha.
    """
    gated = [line for comparison in comparisons for line in comparison.lines if _is_open(line)]
    downs, ups = holm([line.p_down for line in gated]), holm([line.p_up for line in gated])
    adjusted = iter(zip(downs, ups, strict=True))
    return tuple(
        replace(
            comparison,
            lines=tuple(
                _judged(
                    _aimed(line, comparison, len(gated)),
                    next(adjusted) if _is_open(line) else (line.p_down, line.p_up),
                    comparison.policy,
                )
                for line in comparison.lines
            ),
        )
        for comparison in comparisons
    )


def too_short(pairs: Sequence[Pair], ks: Sequence[int]) -> Iterator[str]:
    """Why pass@k cannot be compared, for each k that a side has too few samples for."""
    for k in ks:
        lacking = [
            f"{pair.id} ({pair.before.n} and {pair.after.n})" for pair in pairs if min(pair.before.n, pair.after.n) < k
        ]
        if lacking:
            yield f"pass@{k} needs {k} samples of every problem on both sides; too few: {name_some(lacking)}"


def _is_open(line: Line) -> bool:
    return line.gated and line.look is None


def _lines(
    pairs: Sequence[Pair],
    ks: Sequence[int],
    gated: Sequence[int],
    policy: Policy,
    looks: Looks | None,
    *,
    one_session: bool,
) -> Iterator[Line]:
    before, after = [pair.before for pair in pairs], [pair.after for pair in pairs]
    sides = zip(ks, estimates(before, ks, policy.level), estimates(after, ks, policy.level), strict=True)
    for k, old, new in sides:
        look = looks.lines.get(k) if looks else None
        yield _line(pairs, k, old, new, gated=k in gated, policy=policy, look=look, one_session=one_session)


def _line(
    pairs: Sequence[Pair],
    k: int,
    old: Estimate,
    new: Estimate,
    *,
    gated: bool,
    policy: Policy,
    look: Look | None,
    one_session: bool,
) -> Line:
    before, after = [pair.before for pair in pairs], [pair.after for pair in pairs]
    delta, error = new.value - old.value, hypot(old.run_se, new.run_se)
    pooled, flipped = pooled_test(pairs, pass_at(k)), sign_flip_test(pairs, pass_at(k))
    tolerance = policy.tolerance(f"pass@{k}")
    drop, alpha = tolerance.share(old.value), (look.level if look else 0) or policy.alpha
    reach = NormalDist().inv_cdf((1 + policy.level) / 2) * error
    return Line(
        k=k,
        before=old,
        after=new,
        delta=delta,
        interval=(max(-1.0, delta - reach), min(1.0, delta + reach)),
        bound=delta + NormalDist().inv_cdf(alpha) * error,
        p_down=pooled.down,
        p_up=pooled.up,
        p_generalises=min(1.0, (flipped.below if delta < 0 else flipped.above) + flipped.at),
        adjusted=(pooled.down, pooled.up),
        tolerance=tolerance,
        decision=Decision.INCONCLUSIVE,
        small_drop=False,
        gated=gated,
        conservative=k > min(count.n for count in (*before, *after)) / 2,
        detectable=detectable(error**2, alpha),
        needed=_needed(pairs, k, drop, alpha, one_session=one_session),
        look=look,
    )


def _needed(pairs: Sequence[Pair], k: int, drop: float, alpha: float, *, one_session: bool) -> int | None:
    if drop <= 0:
        return None
    find = samples_needed_by_both if one_session else samples_needed
    return find([pair.before for pair in pairs], [pair.after for pair in pairs], k, drop, alpha)


def _aimed(line: Line, comparison: Comparison, gates: int) -> Line:
    """The line with what it can see as one of several gates, or with all the stages that were planned for it."""
    looks = comparison.looks if line.look else None
    if not line.gated or (gates == 1 and not looks):
        return line
    alpha = looks.levels[line.k] if looks else comparison.policy.alpha / gates
    before = [pair.before for pair in comparison.pairs]
    later = projected_variance(before, line.k, looks.planned) if looks else line.after.run_se**2
    return replace(
        line,
        detectable=detectable(line.before.run_se**2 + later, alpha),
        needed=_needed(comparison.pairs, line.k, line.tolerated, alpha, one_session=comparison.one_session),
    )


def _judged(line: Line, adjusted: tuple[float, float], policy: Policy) -> Line:
    p_down, p_up = adjusted
    if line.look:
        small = line.look.decision is Decision.OK and line.look.p_down <= line.look.level
        decisive = (line.look.p_down, line.look.p_up)
        return replace(line, adjusted=decisive, decision=line.look.decision, small_drop=small)
    decision = decide(
        delta=line.delta, bound=line.bound, p_down=p_down, p_up=p_up, tolerance=line.tolerated, alpha=policy.alpha
    )
    small = decision is Decision.OK and p_down <= policy.alpha
    return replace(line, adjusted=adjusted, decision=decision, small_drop=small)
