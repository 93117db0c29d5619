"""What a gate asks for, the adjustment of its p-values, its verdicts, and the problems that moved."""

from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.estimate import Count
from pytest_passatk.gate.decision import Decision, decide
from pytest_passatk.gate.family import (
    Policy,
    Tolerance,
    order_of,
    parse_requirement,
    parse_tolerance,
)
from pytest_passatk.gate.holm import holm
from pytest_passatk.gate.moves import CHANCE, Kind, find_moves, fisher
from pytest_passatk.gate.pairs import Pair

SHARES = st.lists(st.floats(0, 1), max_size=12)


def pair(n_before: int, c_before: int, n_after: int, c_after: int, name: str = "a") -> Pair:
    return Pair(Count(name, n_before, c_before), Count(name, n_after, c_after))


def rejected(values: list[float], alpha: float) -> set[int]:
    """Holm's procedure as he wrote it: from the smallest up, until one is not below alpha / (tests left)."""
    out: set[int] = set()
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[place] * (len(values) - rank) > alpha:
            break
        out.add(place)
    return out


@given(SHARES, st.floats(0.001, 0.5))
def test_holm_rejects_what_his_procedure_rejects(values: list[float], alpha: float) -> None:
    assert {place for place, value in enumerate(holm(values)) if value <= alpha} == rejected(values, alpha)


@given(SHARES)
def test_adjusted_values_keep_the_order_and_only_grow(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(value <= more <= 1 for value, more in zip(values, adjusted, strict=True))
    by_value = sorted(range(len(values)), key=values.__getitem__)
    assert [adjusted[place] for place in by_value] == sorted(adjusted)


def test_holm_of_known_values() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


# Whether the rise is real and large, whether a drop beyond the tolerance is ruled out, whether a drop is real.
TABLE = {
    (True, True, False): Decision.IMPROVED,
    (True, False, False): Decision.IMPROVED,
    (True, True, True): Decision.IMPROVED,
    (True, False, True): Decision.IMPROVED,
    (False, True, True): Decision.OK,
    (False, True, False): Decision.OK,
    (False, False, True): Decision.REGRESSED,
    (False, False, False): Decision.INCONCLUSIVE,
}


@pytest.mark.parametrize(("case", "expected"), TABLE.items())
def test_the_verdict_follows_its_table(case: tuple[bool, bool, bool], expected: Decision) -> None:
    rise, safe, drop = case
    found = decide(
        delta=0.05 if rise else -0.01,
        bound=-0.02 if safe else -0.04,
        p_down=0.01 if drop else 0.02,
        p_up=0.01 if rise else 0.02,
        tolerance=0.03,
        alpha=0.01,
    )
    assert found is expected


def test_the_limits_of_the_verdict() -> None:
    def verdict(delta: float, bound: float, p_down: float = 1.0, p_up: float = 1.0) -> Decision:
        return decide(delta=delta, bound=bound, p_down=p_down, p_up=p_up, tolerance=0.03, alpha=0.01)

    assert verdict(0.03, 0.01, p_up=0.01) is Decision.IMPROVED
    assert verdict(0.029, 0.01, p_up=0.001) is Decision.OK  # real, but not large
    assert verdict(0.05, 0.01, p_up=0.011) is Decision.OK  # large, but not sure
    assert verdict(-0.01, -0.03, p_down=0.01) is Decision.REGRESSED
    assert verdict(-0.01, -0.0299, p_down=0.0001) is Decision.OK  # a real drop, and a small one
    assert verdict(-0.2, -0.4, p_down=0.011) is Decision.INCONCLUSIVE


def test_with_no_tolerance_any_real_change_is_told() -> None:
    def verdict(delta: float, bound: float, p_down: float, p_up: float) -> Decision:
        return decide(delta=delta, bound=bound, p_down=p_down, p_up=p_up, tolerance=0.0, alpha=0.01)

    assert verdict(-0.001, -0.0015, 0.0, 1.0) is Decision.REGRESSED
    assert verdict(0.001, -0.0005, 1.0, 0.001) is Decision.IMPROVED
    assert verdict(0.0, 0.0, 0.5, 0.5) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("text", "metric", "amount", "unit"),
    [
        ("pass@1:3pp", "pass@1", 3.0, "pp"),
        ("pass@16:2.5%", "pass@16", 2.5, "%"),
        (" pass@8 : .5 pp ", "pass@8", 0.5, "pp"),
        ("tokens/s:5%", "tokens/s", 5.0, "%"),
        ("first_token_p95:10 %", "first_token_p95", 10.0, "%"),
        ("pass@1:0pp", "pass@1", 0.0, "pp"),
    ],
)
def test_a_requirement_is_read(text: str, metric: str, amount: float, unit: str) -> None:
    assert parse_requirement(text) == {metric: Tolerance(amount, unit)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pass@1", "METRIC:DROP"),
        ("pass@0:3pp", "METRIC:DROP"),
        ("pass@01:3pp", "METRIC:DROP"),
        ("pass@:3pp", "METRIC:DROP"),
        (":3pp", "METRIC:DROP"),
        ("accuracy:3pp", "tokens/s, latency_p50"),
        ("pass@1:3", "write 3pp .* or 5%"),
        ("pass@1:-3pp", "is no drop"),
        ("pass@1:", "is no drop"),
        ("pass@1:3ppp", "is no drop"),
        ("tokens/s:5pp", "write tokens/s:5%"),
    ],
)
def test_what_is_no_requirement_is_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_requirement(text)


def test_points_and_percent_are_different_drops() -> None:
    assert parse_tolerance("3pp").share(0.5) == pytest.approx(0.03)
    assert parse_tolerance("3%").share(0.5) == pytest.approx(0.015)
    assert str(parse_tolerance("3pp")) == "3pp"
    assert str(parse_tolerance("2.5 %")) == "2.5 % of the baseline"


def test_the_order_of_a_metric() -> None:
    assert [order_of(metric) for metric in ("pass@1", "pass@64", "tokens/s", "pass@x")] == [1, 64, None, None]


@pytest.mark.parametrize(
    ("ks", "n", "gated"),
    [
        ((1, 2, 4, 8), 8, (1, 2)),
        ((1, 2, 4, 8), 64, (1, 8)),
        ((1, 16, 32), 64, (1, 16)),
        ((1, 4, 8), 8, (1, 4)),
        ((1, 2, 8), 16, (1, 2)),  # 2 and 8 are equally near to 4: the smaller
        ((1, 8), 8, (1,)),
        ((8,), 8, (1,)),
        ((1,), 1, (1,)),
    ],
)
def test_by_default_one_sample_and_a_quarter_of_them_are_gated(
    ks: tuple[int, ...], n: int, gated: tuple[int, ...]
) -> None:
    assert Policy({}).orders(ks, n) == gated


def test_what_is_asked_for_takes_the_place_of_the_default() -> None:
    policy = Policy({**parse_requirement("pass@8:1pp"), **parse_requirement("tokens/s:5%")})
    assert policy.orders((1, 2, 4, 8), 8) == (8,)
    assert policy.tolerance("pass@8") == Tolerance(1, "pp")
    assert policy.tolerance("pass@1") == Tolerance(3, "pp")


def chance(seen: Pair) -> Fraction:
    """Twice the smaller tail, over every way for the right samples to fall."""
    n_before, total = seen.before.n, seen.before.n + seen.after.n
    right = seen.before.c + seen.after.c
    after = [sum(place >= n_before for place in places) for places in combinations(range(total), right)]
    low = sum(c <= seen.after.c for c in after)
    high = sum(c >= seen.after.c for c in after)
    return min(Fraction(1), Fraction(2 * min(low, high), len(after)))


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_fishers_test_is_what_enumeration_says(n_before: int, n_after: int, data: st.DataObject) -> None:
    seen = pair(n_before, data.draw(st.integers(0, n_before)), n_after, data.draw(st.integers(0, n_after)))
    assert fisher(seen) == pytest.approx(float(chance(seen)), rel=1e-12)


def test_fishers_tea() -> None:
    assert fisher(pair(4, 1, 4, 3)) == pytest.approx(2 * 17 / 70)
    assert fisher(pair(8, 8, 8, 0)) == pytest.approx(2 / comb(16, 8))
    assert fisher(pair(500, 500, 500, 0)) < 1e-200


def test_problems_are_named_by_how_they_moved() -> None:
    seen = [
        pair(8, 7, 8, 0, "broken"),
        pair(8, 0, 32, 30, "new"),
        pair(8, 8, 8, 1, "regressed"),
        pair(8, 1, 8, 7, "improved"),
        pair(8, 4, 8, 5, "flaky"),
        pair(8, 2, 32, 8, "same"),
        pair(8, 0, 8, 0, "never"),
    ]
    moves = find_moves(seen)
    assert {move.pair.id: move.kind for move in moves} == {
        kind.value: kind for kind in (Kind.BROKEN, Kind.NEW, Kind.REGRESSED, Kind.IMPROVED, Kind.FLAKY)
    }
    assert [move.p for move in moves] == sorted(move.p for move in moves)
    assert moves[0].pair.id == "new"
    assert moves[0].p_adjusted == pytest.approx(7 * fisher(seen[1]))
    assert all(move.p_adjusted >= move.p for move in moves)


def test_a_problem_that_moved_as_chance_moves_it_is_flaky() -> None:
    assert fisher(pair(8, 1, 8, 6)) <= CHANCE < fisher(pair(8, 1, 8, 5))
    assert [move.kind for move in find_moves([pair(8, 1, 8, 5), pair(8, 1, 8, 6)])] == [Kind.IMPROVED, Kind.FLAKY]
    assert [move.kind for move in find_moves([pair(8, 1, 8, 0), pair(8, 0, 8, 1)])] == [Kind.FLAKY, Kind.FLAKY]


def test_where_nothing_moved_there_is_no_move() -> None:
    assert find_moves([pair(8, 4, 16, 8), pair(1, 1, 1, 1)]) == ()
    assert find_moves([]) == ()
