"""What is counted of a run: held against plays written down by hand, and against a scheduler's own."""

from collections.abc import Iterator

import pytest

from pytest_passatk.core.patch import Phase, StepRow, StepView
from pytest_passatk.stress.coverage import Coverage, cover
from pytest_passatk.stress.play import Event, Happening, Play
from pytest_passatk.stress.schedule import Planned, Schedule

KINDS = {
    "p": (Phase.PREFILL, False),
    "P": (Phase.PREFILL, True),
    "d": (Phase.DECODE, True),
}


def views(*rows: str) -> list[StepView]:
    """Steps from one string a request, one letter a step; a dot where it has no row."""
    return [StepView(at, len(rows), tuple(_rows(at, rows))) for at in range(len(rows[0]))]


def _rows(at: int, rows: tuple[str, ...]) -> Iterator[StepRow]:
    for number, letters in enumerate(rows):
        if letters[at] != ".":
            phase, samples = KINDS[letters[at]]
            yield StepRow(f"r{number}", "0", number, number, at, phase, samples)


def count(rows: tuple[str, ...], *events: tuple[int, int, Happening]) -> Coverage:
    schedule = Schedule((Planned(1, 1),) * len(rows))
    happened = tuple(Event(step, f"r{number}", what) for step, number, what in events)
    return cover(schedule, Play({}, happened, len(rows[0])), views(*rows))


ARRIVE, FINISH, ABORT, PREEMPT = Happening.ARRIVE, Happening.FINISH, Happening.ABORT, Happening.PREEMPT


def test_a_batch_that_stays_as_it_is_counts_nothing_but_itself() -> None:
    same = count(("Pdd", "Pdd"), (0, 0, ARRIVE), (0, 1, ARRIVE), (2, 0, FINISH), (2, 1, FINISH))
    assert same == Coverage(schedules=1, requests=2, steps=3)


def test_shrinks_are_steps_and_the_largest_drop_is_in_requests() -> None:
    shrunk = count(("Pddd", "Pdd.", "P...", "P..."), (0, 2, FINISH), (0, 3, FINISH), (2, 1, FINISH), (3, 0, FINISH))
    assert (shrunk.shrinks, shrunk.largest_drop) == (2, 2)


@pytest.mark.parametrize("end", [1, 2])
def test_a_request_that_waited_for_anothers_place_is_a_refill(end: int) -> None:
    """Whether an end is said to be in its last step, or behind it."""
    refilled = count(("Pd..", "..Pd"), (0, 0, ARRIVE), (0, 1, ARRIVE), (end, 0, FINISH), (end + 2, 1, FINISH))
    assert refilled.refills == 1


def test_a_request_that_never_waited_is_no_refill() -> None:
    assert count(("Pd..", "..Pd"), (0, 0, ARRIVE), (1, 0, FINISH), (2, 1, ARRIVE), (3, 1, FINISH)).refills == 0
    assert count(("Pdd", ".Pd"), (0, 0, ARRIVE), (0, 1, ARRIVE), (2, 0, FINISH), (2, 1, FINISH)).refills == 0


def test_a_drain_is_a_batch_of_new_requests_only() -> None:
    drained = count(
        ("Pd..", "Pd..", "..Pd", "..Pd"), (1, 0, FINISH), (1, 1, FINISH), (2, 2, ARRIVE), (2, 3, ARRIVE),
        (3, 2, FINISH), (3, 3, FINISH),
    )  # fmt: skip
    assert (drained.drains, drained.shrinks, drained.largest_drop) == (1, 1, 2)


def test_a_request_that_is_only_thrown_out_does_not_drain_the_batch() -> None:
    thrown = count(("Pd..P", "..Pd."), (0, 0, ARRIVE), (2, 0, PREEMPT), (2, 1, ARRIVE), (3, 1, FINISH), (4, 0, FINISH))
    assert (thrown.drains, thrown.preemptions) == (1, 1)  # the one drain is behind the other request


def test_aborts_and_prompts_in_parts_and_mixed_steps_are_counted() -> None:
    busy = count(("Pdd.", "ppPd"), (3, 0, ABORT), (3, 1, FINISH))
    assert (busy.aborts, busy.chunked, busy.mixed) == (1, 1, 2)


def test_coverages_add_up_and_keep_the_larger_drop() -> None:
    one, two = Coverage(schedules=1, steps=3, shrinks=1, largest_drop=2), Coverage(schedules=1, steps=4, largest_drop=1)
    assert one + two == two + one == Coverage(schedules=2, steps=7, shrinks=1, largest_drop=2)
    assert sum([one, two], Coverage()) == one + two


def test_the_line_says_it_in_words() -> None:
    text = Coverage(schedules=1, requests=2, steps=3, shrinks=1, largest_drop=2, mixed=1).text()
    assert text.startswith("1 schedule, 2 requests, 3 steps, 1 shrink (largest drop 2), 0 refills")
    assert "1 mixed step" in text
    assert "\n" not in text
    assert "drop" not in Coverage().text()
