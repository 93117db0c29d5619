"""Generated schedules: valid, varied, repeatable, and as small as they can be once they are shrunk."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from pytest_passatk.stress.classics import CLASSICS
from pytest_passatk.stress.fitting import needs, parted, valid
from pytest_passatk.stress.generate import DRAWS, MOST, PROMPTS, relatives, schedules
from pytest_passatk.stress.schedule import Draw, Planned, Schedule
from pytest_passatk.stress.search import CROWDED

CONTEXT = 64
SEARCH = settings(
    derandomize=True, database=None, max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck)
)
ALL = schedules(context=CONTEXT, chunks_seeded=True, arms=3)
CLASSIC = st.sampled_from(CLASSICS)


def drawn(strategy: st.SearchStrategy[Schedule], count: int) -> list[Schedule]:
    found: list[Schedule] = []

    @settings(SEARCH, max_examples=count, phases=[Phase.generate])
    @given(strategy)
    def collect(schedule: Schedule) -> None:
        found.append(schedule)

    collect()
    return found


@pytest.fixture(scope="module")
def many() -> list[Schedule]:
    return drawn(ALL, 400)


def waves(schedule: Schedule) -> bool:
    """Whether a request comes only when those before it have had time to finish, one after the other."""
    requests = schedule.requests
    return any(
        max(each.arrival for each in requests[:at]) + sum(each.length for each in requests[:at])
        <= min(each.arrival for each in requests[at:])
        for at in range(1, len(requests))
    )


def test_every_schedule_can_be_played_to_its_end(many: list[Schedule]) -> None:
    for schedule in many:
        assert valid(schedule)
        assert 1 <= len(schedule.requests) <= MOST
        for each in schedule.requests:
            assert each.prompt + each.length <= CONTEXT
            assert each.abort is None or each.abort > each.arrival
            assert each.arm in range(3)
            assert each.prompt in PROMPTS
            assert each.draw in DRAWS


def lengths(schedule: Schedule) -> list[int]:
    """Of requests that do not all end together; none otherwise."""
    found = [each.length for each in schedule.requests]
    return found if len(set(found)) > 2 else []


SEEN: dict[str, Callable[[Schedule], bool]] = {
    "one request alone": lambda it: len(it.requests) == 1,
    "a full batch": lambda it: len(it.requests) == MOST,
    "few slots": lambda it: it.slots is not None and it.slots < len(it.requests),
    "prompts in parts": parted,
    "blocks that do not hold all": lambda it: it.blocks is not None and it.blocks < sum(map(needs, it.requests)),
    "aborts": lambda it: any(each.abort for each in it.requests),
    "late arrivals": lambda it: len({each.arrival for each in it.requests}) > 2,
    "a second wave": waves,
    "other draws side by side": lambda it: len({each.draw for each in it.requests}) > 2,
    "samples of one problem": lambda it: len({each.problem for each in it.requests}) < len(it.requests),
    "first in, first out": lambda it: sorted(lengths(it)) == lengths(it) != [],
    "last in, first out": lambda it: sorted(lengths(it), reverse=True) == lengths(it) != [],
    "no order": lambda it: lengths(it) not in (sorted(lengths(it)), sorted(lengths(it), reverse=True)),
    "many that end together": lambda it: len(it.requests) > 4 and len({each.length for each in it.requests}) == 2,
}


@pytest.mark.parametrize("what", SEEN)
def test_everything_that_a_scheduler_may_do_is_common(what: str, many: list[Schedule]) -> None:
    assert sum(map(SEEN[what], many)) >= len(many) // 20


SMALLEST: list[tuple[Callable[[Schedule], bool], Schedule]] = [
    (lambda it: bool(it.requests), Schedule((Planned(1, 1),))),
    (lambda it: len({each.length for each in it.requests}) > 1, Schedule((Planned(1, 1), Planned(1, 2)))),
    (lambda it: any(each.length > 6 for each in it.requests), Schedule((Planned(1, 7),))),
    (lambda it: len(it.requests) > 2, Schedule((Planned(1, 1),) * 3)),
    (lambda it: any(each.abort for each in it.requests), Schedule((Planned(1, 1, abort=1),))),
    (lambda it: len({each.draw for each in it.requests}) > 1, Schedule((Planned(1, 1), Planned(1, 1, draw=DRAWS[1])))),
    (lambda it: it.slots is not None, Schedule((Planned(1, 1),), slots=1)),
    (lambda it: any(each.arrival for each in it.requests), Schedule((Planned(1, 1, arrival=1),))),
    (lambda it: any(each.arm for each in it.requests), Schedule((Planned(1, 1, arm=1),))),
]


@pytest.mark.parametrize(("what", "smallest"), SMALLEST)
def test_a_failure_shrinks_to_what_matters(what: Callable[[Schedule], bool], smallest: Schedule) -> None:
    assert find(ALL, what, settings=SEARCH) == smallest


def test_two_runs_generate_the_same_schedules() -> None:
    assert drawn(ALL, 50) == drawn(ALL, 50)
    assert drawn(relatives(CLASSICS[-1]), 50) == drawn(relatives(CLASSICS[-1]), 50)


def test_seeded_requests_are_never_read_in_parts_where_that_breaks_the_runtime() -> None:
    some = drawn(schedules(context=CONTEXT, chunks_seeded=False, arms=1), 150)
    assert any(parted(schedule) for schedule in some)
    for schedule in some:
        assert all(each.arm == 0 for each in schedule.requests)
        assert not parted(schedule) or all(each.draw.greedy for each in schedule.requests)


@settings(SEARCH, max_examples=100)
@given(st.data())
def test_relatives_are_smaller_in_every_respect(data: st.DataObject) -> None:
    schedule = data.draw(st.one_of(CLASSIC, ALL))
    relative = data.draw(relatives(schedule))
    assert valid(relative)
    assert 1 <= len(relative.requests) <= len(schedule.requests)
    for limit in ("slots", "budget", "blocks"):
        own, whole = getattr(relative, limit), getattr(schedule, limit)
        assert own is None or (whole is not None and 1 <= own <= whole)
    candidates = iter(schedule.requests)
    for each in relative.requests:  # each comes from one of the schedule's, in order
        assert any(smaller(each, whole) for whole in candidates)


def smaller(each: Planned, whole: Planned) -> bool:
    return (
        each.prompt <= whole.prompt
        and each.length <= whole.length
        and each.arrival <= whole.arrival
        and (each.abort is None or (whole.abort is not None and each.abort <= whole.abort))
        and each.draw in (whole.draw, Draw())
        and each.problem <= whole.problem
        and each.arm <= whole.arm
    )


SMALL = [each for each in CLASSICS if len(each.requests) <= CROWDED]  # others are thinned out before


@pytest.mark.parametrize("classic", SMALL, ids=[each.name for each in SMALL])
def test_the_schedule_itself_is_soon_found_among_its_relatives(classic: Schedule) -> None:
    assert classic in drawn(relatives(classic), 50)


def test_a_late_pair_shrinks_to_the_pair() -> None:
    requests = tuple(
        Planned(17, 3 + at % 5, arrival=20 + at, problem=at, draw=DRAWS[at % len(DRAWS)]) for at in range(12)
    )
    late = Schedule(requests, slots=8, budget=64, blocks=40, name="late")
    unequal = find(relatives(late), lambda it: len({each.length for each in it.requests}) > 1, settings=SEARCH)
    assert replace(unequal, requests=tuple(sorted(unequal.requests))) == Schedule((Planned(1, 1), Planned(1, 2)))


def test_what_needs_a_limit_keeps_one_that_is_as_tight_as_can_be() -> None:
    preemption = next(each for each in CLASSICS if each.name == "preemption")

    def outgrows(it: Schedule) -> bool:
        return it.blocks is not None and it.blocks < sum(map(needs, it.requests))

    assert find(relatives(preemption), outgrows, settings=SEARCH) == Schedule((Planned(1, 1),) * 2, blocks=1)


@settings(SEARCH, max_examples=100)
@given(st.one_of(CLASSIC, ALL))
def test_json_gives_the_same_schedule_back(schedule: Schedule) -> None:
    assert "\n" not in schedule.to_json()
    assert Schedule.from_json(schedule.to_json()) == schedule
