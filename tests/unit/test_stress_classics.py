"""The classics: what each is there for, and how they are made to fit a runtime."""

from dataclasses import replace

import pytest

from pytest_passatk.stress.classics import CLASSICS, fit
from pytest_passatk.stress.fitting import needs, parted, valid
from pytest_passatk.stress.schedule import BLOCK, Draw, Planned, Schedule

BY_NAME = {each.name: each for each in CLASSICS}
WANTED = {"pair", "fifo-8", "lifo-8", "abort", "refill", "two-waves", "staggered-chunked", "preemption"}
CROWDED = {"preempted-draws", "crowd"}
SEEDED = Draw(temperature=1.0, seed=3)


def lengths(name: str) -> list[int]:
    return [each.length for each in BY_NAME[name].requests]


def test_all_classics_are_there_once_and_controls_come_first() -> None:
    assert len(BY_NAME) == len(CLASSICS)
    assert set(BY_NAME) == WANTED | {"alone", "same-8", "mixed-draws", "reused-rows", *CROWDED}
    assert [each.name for each in CLASSICS[:2]] == ["alone", "same-8"]


def test_lengths_are_those_of_the_measured_workloads() -> None:
    assert lengths("pair") == [2, 3]
    assert lengths("fifo-8") == list(range(3, 11))
    assert lengths("lifo-8") == list(range(10, 2, -1))
    assert (min(lengths("refill")), max(lengths("refill")), len(lengths("refill"))) == (3, 8, 16)
    assert (min(lengths("staggered-chunked")), max(lengths("staggered-chunked"))) == (4, 12)
    assert len(set(lengths("same-8"))) == 1


def test_the_first_wave_has_drained_before_the_second_comes() -> None:
    first, second = BY_NAME["two-waves"].requests[:4], BY_NAME["two-waves"].requests[4:]
    assert max(each.arrival + each.length for each in first) < min(each.arrival for each in second)
    assert {each.problem for each in first} == {each.problem for each in second}


def test_aborts_hit_running_requests_at_the_head_in_the_middle_and_at_the_tail() -> None:
    gone = {at: each for at, each in enumerate(BY_NAME["abort"].requests) if each.abort is not None}
    assert set(gone) == {0, 4, 7}
    assert all(each.abort == 4 < each.length for each in gone.values())


def test_long_prompts_exceed_the_budget_and_arrive_one_by_one() -> None:
    classic = BY_NAME["staggered-chunked"]
    assert classic.budget is not None
    assert all(each.prompt > classic.budget for each in classic.requests)
    assert [each.arrival for each in classic.requests] == list(range(8))


def test_preemption_outgrows_its_blocks_which_hold_the_prompts_and_any_request_alone() -> None:
    classic = BY_NAME["preemption"]
    assert classic.blocks is not None
    assert sum(-(-each.prompt // BLOCK) for each in classic.requests) <= classic.blocks
    assert sum(needs(each) for each in classic.requests) > classic.blocks
    assert valid(classic)


@pytest.mark.parametrize(("prompt", "length", "blocks"), [(1, 1, 1), (31, 1, 1), (31, 2, 2), (28, 40, 3)])
def test_a_schedule_is_valid_if_each_request_alone_finds_enough_blocks(prompt: int, length: int, blocks: int) -> None:
    requests = (Planned(1, 1), Planned(prompt, length), Planned(prompt, length))
    assert valid(Schedule(requests, blocks=blocks))
    assert not valid(Schedule(requests, blocks=blocks - 1))
    assert not valid(Schedule(requests, slots=0))
    assert not valid(Schedule(requests, budget=0))


def test_a_row_that_fills_a_hole_is_drawn_differently_from_the_one_that_was_there() -> None:
    requests = BY_NAME["mixed-draws"].requests
    rows = list(range(len(requests)))
    moves = 0
    for _ in requests[:-1]:
        hole = min(range(len(rows)), key=lambda row: requests[rows[row]].length)
        last = rows.pop()
        if hole < len(rows):
            assert requests[last].draw != requests[rows[hole]].draw
            rows[hole] = last
            moves += 1
    assert moves >= 3
    assert {0.02, 0.5} <= {each.draw.min_p for each in requests}
    assert any(each.draw.greedy for each in requests)


def test_some_classics_have_several_samples_of_a_problem() -> None:
    for name in ("same-8", "lifo-8", "refill", "two-waves", "preemption"):
        requests = BY_NAME[name].requests
        assert len({each.problem for each in requests}) < len(requests)
        by_problem = {each.problem: each.tokens(100) for each in requests}
        assert all(each.tokens(100) == by_problem[each.problem] for each in requests)


def test_a_schedule_that_fits_is_left_alone() -> None:
    for classic in CLASSICS:
        assert fit(classic, context=100, chunks_seeded=True) == classic


@pytest.mark.parametrize("context", [2, 7, 48])
def test_requests_are_cut_to_the_context(context: int) -> None:
    for classic in CLASSICS:
        for each in fit(classic, context=context, chunks_seeded=True).requests:
            assert each.prompt >= 1
            assert each.length >= 1
            assert each.prompt + each.length <= context


def test_requests_read_in_parts_turn_greedy_only_where_the_runtime_cannot_do_that() -> None:
    mixed = replace(BY_NAME["mixed-draws"], budget=16)
    assert fit(mixed, context=100, chunks_seeded=True) == mixed
    assert all(each.draw.greedy for each in fit(mixed, context=100, chunks_seeded=False).requests)
    assert fit(BY_NAME["mixed-draws"], context=100, chunks_seeded=False) == BY_NAME["mixed-draws"]


@pytest.mark.parametrize(
    ("budget", "blocks", "expected"),
    [(None, 1, False), (8, None, False), (7, None, True), (8, 1, True), (13, 1, True), (14, 1, False)],
)
def test_a_budget_cuts_prompts_unless_it_holds_all_at_once(
    budget: int | None, blocks: int | None, expected: bool
) -> None:
    requests = (Planned(3, 5, draw=SEEDED), Planned(5, 3, draw=SEEDED))
    assert parted(Schedule(requests, budget=budget, blocks=blocks)) is expected


def test_adapters_are_spread_over_the_requests() -> None:
    arms = [each.arm for each in fit(BY_NAME["fifo-8"], context=100, chunks_seeded=True, arms=3).requests]
    assert arms == [0, 1, 2, 0, 1, 2, 0, 1]
