"""Batches hold every row once, within the budget, like lengths together."""

from collections import deque
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pytest_passatk.core.sample import Request, SamplingParams
from pytest_passatk.models import hf_batch
from pytest_passatk.models.row import Row

REQUEST = Request("s", "p", 0, "", SamplingParams(), 1)
ROWS = st.lists(
    st.builds(
        Row, st.just(REQUEST), st.lists(st.integers(0, 3), min_size=1, max_size=9).map(tuple), st.integers(1, 20)
    ),
    max_size=40,
)


def batches(rows: list[Row], budget: int) -> list[list[Row]]:
    pending, found = hf_batch.order(rows), []
    while pending:
        found.append(hf_batch.take(pending, budget))
    return found


@given(ROWS, st.integers(1, 200))
def test_every_row_is_in_one_batch_within_the_budget_or_alone(rows: list[Row], budget: int) -> None:
    found = batches(rows, budget)
    assert sorted(map(id, (row for batch in found for row in batch))) == sorted(map(id, rows))
    assert all(len(batch) == 1 or hf_batch.cost(batch) <= budget for batch in found)


@given(ROWS, st.integers(1, 200))
def test_no_batch_could_have_taken_the_next_row(rows: list[Row], budget: int) -> None:
    found = batches(rows, budget)
    assert all(hf_batch.cost([*batch, following[0]]) > budget for batch, following in pairwise(found))


@given(ROWS)
def test_the_longest_come_first_and_equal_prompts_with_equal_limits_are_neighbours(rows: list[Row]) -> None:
    ordered = [(len(row.prompt) + row.limit, row.prompt) for row in hf_batch.order(rows)]
    assert ordered == sorted(ordered, reverse=True)
    runs = [at for at, key in enumerate(ordered) if at == 0 or ordered[at - 1] != key]
    assert len(runs) == len(set(ordered))


@given(ROWS.filter(bool), st.integers(1, 200), st.integers(1, 200))
def test_no_batch_holds_more_rows_than_foreseen(rows: list[Row], budget: int, less: int) -> None:
    capacity = hf_batch.capacity(rows, budget)
    for each in (budget, min(less, budget)):
        assert max(map(len, batches(rows, each))) <= capacity
    assert capacity <= len(rows)


def test_the_cost_is_rows_times_the_longest_prompt_and_completion() -> None:
    rows = [Row(REQUEST, (1, 2, 3), 10), Row(REQUEST, (1,), 30)]
    assert hf_batch.cost(rows) == 2 * (3 + 30)
    assert hf_batch.take(deque(rows), 65) == rows[:1]
    assert hf_batch.take(deque(rows), 66) == rows
