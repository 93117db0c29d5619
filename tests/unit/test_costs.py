"""What samples cost: which of them, and at which price."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.costs import Cost, Usage, cost_of
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.sample import Completion, FinishReason
from pytest_passatk.core.summary import summarize

MakeRecord = Callable[..., SuiteRecord]
TOKENS = st.integers(0, 10**6)
PRICE = st.tuples(st.floats(0, 1e3), st.floats(0, 1e3))


def completion(tokens: int, prompt: int | None, finish: FinishReason = FinishReason.STOP) -> Completion:
    return Completion("stream", 0, "text", tokens, finish, 0.1, prompt_tokens=prompt)


COMPLETIONS = st.lists(st.builds(completion, TOKENS, TOKENS | st.none()), max_size=8)


def cost(record: SuiteRecord, price: tuple[float, float]) -> Cost:
    figures = summarize(record, price=price).figures
    assert figures is not None
    assert figures.cost is not None
    return figures.cost


def test_a_price_is_of_a_million_tokens() -> None:
    assert Usage(3_000_000, 500_000).at((0.5, 8)) == 5.5


@given(COMPLETIONS, COMPLETIONS, PRICE)
def test_the_cost_of_two_groups_is_that_of_both(
    ones: list[Completion], others: list[Completion], price: tuple[float, float]
) -> None:
    together, apart = Usage.of(ones + others), (Usage.of(ones), Usage.of(others))
    assert together.at(price) == pytest.approx(sum(usage.at(price) for usage in apart))
    assert together.untold_read == sum(usage.untold_read for usage in apart)
    assert together.untold_written == sum(usage.untold_written for usage in apart)


def test_a_call_for_several_completions_is_paid_for_once() -> None:
    assert Usage.of([completion(10, 7), completion(10, 0), completion(10, 0)]) == Usage(7, 30, 0)


def test_an_answer_that_never_came_costs_what_is_known_of_it() -> None:
    lost = FinishReason.ABORT
    assert Usage.of([completion(3, 7, lost), completion(0, None, lost), completion(5, None)]) == Usage(7, 8, 1)


def test_a_completion_without_tokens_is_one_that_nobody_counted() -> None:
    usage = Usage.of([completion(0, None), completion(0, None), completion(5, None), completion(0, 3)])
    assert usage == Usage(3, 5, untold_read=3, untold_written=3)
    assert [usage.untold(price) for price in [(1, 1), (0, 1), (1, 0), (0, 0)]] == [3, 3, 3, 0]
    assert cost_of(Usage(untold_written=2), Usage(untold_read=1), 0, (0, 1)).untold == 2


def test_every_sample_is_paid_for_and_reused_ones_are_not_paid_for_again(make_record: MakeRecord) -> None:
    record = make_record({"a": "PFFF", "b": "FFFE", "c": "PPPP", "s": "PSSS"}, sampled=6, told=True)
    found = cost(record, (1e6, 1e6))
    assert found == Cost(run=6 * 15, samples=16 * 15, solved_problem=16 * 15 / 2, untold=0)


def test_nothing_solved_has_no_cost_of_a_solved_problem(make_record: MakeRecord) -> None:
    assert cost(make_record({"a": "FFFF"}, told=True), (1, 1)).solved_problem is None


def test_prompts_that_no_engine_told_of_are_counted_where_they_would_cost(make_record: MakeRecord) -> None:
    record = make_record({"a": "PFFF", "b": "F"}, sampled=2)
    assert cost(record, (1, 0)) == Cost(0, 0, 0, untold=5)
    assert cost(record, (0, 1e6)).untold == 0


def test_a_run_that_was_cut_short_paid_for_what_nobody_judged() -> None:
    assert cost_of(Usage(10, 20, 3), Usage(), 0, (1e6, 1e6)) == Cost(30, 0, None, 3)
