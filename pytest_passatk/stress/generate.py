"""Schedules for Hypothesis: all that a scheduler may do to a batch, and the smaller relatives of one that failed.

Alternatives are ordered so that Hypothesis' simplest is ours: one greedy request of one token and one token's prompt,
at step 0, with room for all. Prompts and ways to draw come from small pools, so that a request's run alone, to which
the suite holds it, can be used for many schedules.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_passatk.stress.fitting import needs, within
from pytest_passatk.stress.schedule import Draw, Planned, Schedule

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

PROMPTS = (1, 3, 5, 8, 17, 40)
DRAWS = (
    Draw(),
    Draw(temperature=1.0, seed=1),
    Draw(temperature=0.8, top_p=0.95, seed=2),
    Draw(temperature=1.0, min_p=0.02, seed=3),
    Draw(temperature=1.0, min_p=0.5, seed=4),
    Draw(temperature=0.8, top_k=5, seed=5),
)
MOST = 12  # requests
SHORT, LONG = 12, 40  # the longest completion; long ones outgrow blocks of the cache
LATEST = 12  # the latest step at which a request of a wave arrives
PROBLEMS = 4
BUDGETS = (64, 32, 16, 8, 5, 3, 2, 1)
PARTS = 40  # a budget takes about this many steps to read the prompts, at most
STAY = 256  # times as likely as each smaller value is the one that a relative has from its schedule

Choose: TypeAlias = Callable[[Any], Any]
"""Hypothesis' `draw`; it gives a value of a strategy."""


def prepare() -> None:
    """Import Hypothesis; other libraries' plugins for it warn on the way, of what no author of a patch can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hypothesis  # noqa: F401, PLC0415 - heavy


def schedules(*, context: int, chunks_seeded: bool, arms: int = 1) -> "SearchStrategy[Schedule]":
    """Valid schedules for a runtime; see there for the arguments."""
    from hypothesis import strategies as st  # noqa: PLC0415 - heavy

    return st.composite(_schedule)(context, chunks_seeded, arms)


def relatives(schedule: Schedule) -> "SearchStrategy[Schedule]":
    """A schedule, and smaller ones: fewer, shorter, earlier requests, with less that is special about them.

    The largest is the schedule itself, and it is likely, so that a search finds what failed again and then shrinks it.
    Where the schedule is valid, they are.
    """
    from hypothesis import strategies as st  # noqa: PLC0415 - heavy

    return st.composite(_relative)(schedule)


def _schedule(choose: Choose, context: int, chunks_seeded: bool, arms: int) -> Schedule:
    longest = choose(_any_of(SHORT, SHORT, LONG))
    requests = _ordered(choose, choose(_requests(longest, *_circumstances(choose), arms)))
    slots = choose(_rarely_to(4))
    budget = choose(_any_of(*_budgets(requests))) if choose(_any_of(False, False, True)) else None
    bare = within(Schedule(requests, slots, budget), context=context, chunks_seeded=True)
    waves = _second_wave(choose, bare)
    blocks = _blocks(choose, waves.requests) if longest == LONG else None
    return within(replace(waves, blocks=blocks), context=context, chunks_seeded=chunks_seeded)


def _circumstances(choose: Choose) -> tuple[int, tuple[Draw, ...], bool]:
    """The latest arrival, the ways to draw, and whether there are aborts: what makes a batch special, as a whole."""
    return choose(_any_of(0, 0, LATEST)), choose(_any_of(DRAWS[:1], DRAWS)), choose(_any_of(False, False, True))


@cache
def _any_of(*values: Any) -> "SearchStrategy[Any]":
    """One of some values, the first the simplest. Strategies are kept: they take longer to make than to use."""
    from hypothesis import strategies as st  # noqa: PLC0415 - heavy

    return st.sampled_from(values)


@cache
def _rarely_to(most: int) -> "SearchStrategy[int | None]":
    """Nothing, or one time in three a number from 1."""
    from hypothesis import strategies as st  # noqa: PLC0415 - heavy

    return st.one_of(st.none(), st.none(), st.integers(1, most))


@cache
def _requests(
    longest: int, latest: int, draws: tuple[Draw, ...], aborted: bool, arms: int
) -> "SearchStrategy[list[Planned]]":
    from hypothesis import strategies as st  # noqa: PLC0415 - heavy

    planned = st.builds(
        Planned,
        prompt=_any_of(*PROMPTS),
        length=st.integers(1, longest),
        arrival=st.integers(0, latest),
        abort=st.none(),
        problem=st.integers(0, PROBLEMS - 1),
        draw=_any_of(*draws),
        arm=st.integers(0, arms - 1),
    )
    each = st.builds(_aborted, planned, _rarely_to(8) if aborted else st.none())
    return st.lists(each, min_size=1, max_size=MOST)


def _aborted(request: Planned, patience: int | None) -> Planned:
    """The request, taken back so many steps after it came."""
    return replace(request, abort=None if patience is None else request.arrival + patience)


def _ordered(choose: Choose, requests: Sequence[Planned]) -> tuple[Planned, ...]:
    """The requests with their lengths as they are, in order, or only two of them: many then end in one step."""
    lengths = [each.length for each in requests]
    least, most = min(lengths), max(lengths)
    orders = {
        "any": lengths,
        "first in, first out": sorted(lengths),
        "last in, first out": sorted(lengths, reverse=True),
        "two": [least if length < (least + most) / 2 else most for length in lengths],
    }
    chosen = orders[choose(_any_of(*orders))]
    return tuple(replace(each, length=length) for each, length in zip(requests, chosen, strict=True))


def _budgets(requests: Sequence[Planned]) -> tuple[int, ...]:
    prompts = sum(each.prompt for each in requests)
    return tuple(budget for budget in BUDGETS if budget * PARTS >= prompts)


def _second_wave(choose: Choose, schedule: Schedule) -> Schedule:
    """Some of the requests once all others must be done; the batch drains to nothing in between."""
    requests = schedule.requests
    count = choose(_rarely_to(MOST - 1)) or 0
    if not 0 < count < len(requests):
        return schedule
    first, second = requests[:-count], requests[-count:]
    gap = _drained(first, schedule.slots, schedule.budget)
    return replace(schedule, requests=first + tuple(_later(each, gap) for each in second))


def _drained(requests: Sequence[Planned], slots: int | None, budget: int | None) -> int:
    """A step at which all of these requests are done: a bound of list scheduling (Graham 1966), one token a step."""
    longest = max(each.length for each in requests)
    last = max(each.arrival for each in requests)
    served = sum(each.length for each in requests) // slots if slots else 0
    read = sum(each.prompt + each.length for each in requests) // budget + len(requests) if budget else 0
    return last + longest + served + read


def _later(request: Planned, steps: int) -> Planned:
    abort = None if request.abort is None else request.abort + steps
    return replace(request, arrival=request.arrival + steps, abort=abort)


def _blocks(choose: Choose, requests: Sequence[Planned]) -> int | None:
    """Enough blocks; or those for the longest request alone, up to half of what all need together."""
    least = max(map(needs, requests))
    return (
        _number(choose, least, max(least, sum(map(needs, requests)) // 2))
        if choose(_any_of(False, True, True, True))
        else None
    )


def _relative(choose: Choose, schedule: Schedule) -> Schedule:
    # Chosen for all of them: so a request that is left out moves none of the choices behind it, and shrinking goes on.
    chosen = [(_at_most(choose, 1), _smaller(choose, each)) for each in schedule.requests]
    kept = [each for stays, each in chosen if stays] or [chosen[0][1]]
    start = 0 if _at_most(choose, 1) else min(each.arrival for each in kept)
    smaller = replace(
        schedule,
        requests=tuple(_later(each, -start) for each in kept),
        slots=_tighter(choose, schedule.slots, 1),
        budget=_tighter(choose, schedule.budget, 1),
        blocks=_tighter(choose, schedule.blocks, max(map(needs, kept))),
    )
    return smaller if smaller == schedule else replace(smaller, name="")


def _smaller(choose: Choose, request: Planned) -> Planned:
    prompts = (*(size for size in PROMPTS if size < request.prompt), request.prompt)
    arrival = _at_most(choose, request.arrival)
    patience = None if request.abort is None else _or_none(choose, request.abort - request.arrival)
    draw = request.draw if request.draw == DRAWS[0] or _at_most(choose, 1) else DRAWS[0]
    smaller = Planned(
        prompt=prompts[_at_most(choose, len(prompts) - 1)],
        length=1 + _at_most(choose, request.length - 1),
        arrival=arrival,
        problem=_at_most(choose, request.problem),
        draw=draw,
        arm=_at_most(choose, request.arm),
    )
    return _aborted(smaller, patience)


def _or_none(choose: Choose, value: int | None) -> int | None:
    return None if value is None or not _at_most(choose, 1) else value


def _tighter(choose: Choose, value: int | None, least: int) -> int | None:
    """A limit, a smaller one, by which fewer requests show the same, or none."""
    found = 0 if value is None else _at_most(choose, value)
    return max(found, least) if found else None


def _at_most(choose: Choose, most: int) -> int:
    """A value from 0 to `most`, mostly `most`."""
    return min(most, _number(choose, 0, STAY * most)) if most else 0


def _number(choose: Choose, least: int, most: int) -> int:
    from hypothesis import strategies as st  # noqa: PLC0415 - heavy

    return int(choose(st.integers(least, most)))
