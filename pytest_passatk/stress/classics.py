"""The schedules that always run first: the smallest known ones that catch a patch, each for another reason.

Taps that survive a plain batch break where rows move, where a hole is filled by a new request, where a step decodes
nothing, or where a request comes back; each classic brings one of these about in as few steps as it takes.
"""

from collections.abc import Iterable
from dataclasses import replace

from pytest_passatk.stress.fitting import within
from pytest_passatk.stress.schedule import Draw, Planned, Schedule

CROWD = 128  # requests of the largest classic; runtimes have 64 rows
PROMPTS = (5, 8, 3)  # tokens in the prompts of problems 0, 1, 2, 3, …: unequal, so that packed rows are offset

GREEDY = Draw()

# Row 0 ends first, and its neighbours after it: each hole is filled by a row with other parameters.
MIXED = (
    Draw(temperature=1.0, min_p=0.02, seed=1),
    GREEDY,
    Draw(temperature=1.0, seed=2),
    Draw(temperature=0.8, top_p=0.95, seed=3),
    Draw(temperature=0.8, top_k=5, seed=4),
    GREEDY,
    Draw(temperature=0.8, seed=5),
    Draw(temperature=1.5, min_p=0.5, seed=6),
)

DRAWN = tuple(Draw(temperature=0.7 + 0.3 * (at % 4), seed=10 + at) for at in range(8))

TURNS = (Draw(temperature=1.5, min_p=0.5), Draw(temperature=1.5))


def _of(problem: int, length: int, arrival: int = 0, abort: int | None = None, draw: Draw = GREEDY) -> Planned:
    """A request of a problem, with the prompt that all of its samples have."""
    return Planned(PROMPTS[problem % len(PROMPTS)], length, arrival, abort, problem, draw)


def _named(name: str, requests: Iterable[Planned], slots: int | None = None) -> Schedule:
    return Schedule(tuple(requests), slots=slots, name=name)


CLASSICS: tuple[Schedule, ...] = (
    # Controls. Nothing shrinks here: a patch that fails these is broken before any batch does.
    _named("alone", [_of(0, 6)]),
    # Eight samples of one problem that end together: what a benchmark of throughput runs, and all that it sees.
    _named("same-8", [_of(0, 6) for _ in range(8)]),
    # The smallest batch that shrinks.
    _named("pair", [_of(0, 2), _of(1, 3)]),
    # The first to come ends first: every hole is filled by the last row.
    _named("fifo-8", [_of(at, 3 + at) for at in range(8)]),
    # The last to come ends first: no row ever moves. Two samples a problem.
    _named("lifo-8", [_of(at // 2, 10 - at) for at in range(8)]),
    # The first row, one in the middle and the last are taken back in one step.
    _named("abort", [_of(at, 8 + at % 3, abort=4 if at in (0, 4, 7) else None) for at in range(8)]),
    # New requests are read beside decoding ones, in rows in between; four samples a problem, apart in time.
    _named("refill", [_of(at % 4, 3 + at % 6) for at in range(16)], slots=4),
    # The batch is empty from step 6 on; then step 9 only reads prompts, of the same problems.
    _named("two-waves", [_of(at % 4, 3 + at % 4, arrival=9 * (at // 4)) for at in range(8)]),
    # Long prompts are read in parts, beside requests that decode.
    Schedule(
        tuple(Planned(40, 4 + (5 * at) % 9, arrival=at, problem=at) for at in range(8)),
        budget=16,
        name="staggered-chunked",
    ),
    # Requests with draws of their own are thrown out and read again, or come in for one that ended, while their number
    # stays what it was: sources of randomness go on where they were, and what was looked up by number is wrong.
    Schedule(
        tuple(Planned(28, 6 + 3 * at % 7, problem=at, draw=draw) for at, draw in enumerate(DRAWN)),
        slots=4,
        blocks=6,
        name="preempted-draws",
    ),
    # The cache holds the prompts, and not what is generated: requests are thrown out, and read again.
    Schedule(tuple(Planned(28, 40, problem=at // 2) for at in range(8)), blocks=10, name="preemption"),
    # Rows move between requests that are drawn differently; long enough for a wrong parameter to change a token.
    _named("mixed-draws", [_of(at, 6 + 2 * at, draw=draw) for at, draw in enumerate(MIXED)]),
    # Two rows serve eight requests, two with narrow draws and two with wide ones by turns: what a row had must be gone
    # when it is used again, and if it is not, tokens change.
    _named("reused-rows", [_of(at, 4 + at % 3, draw=replace(TURNS[at // 2 % 2], seed=at)) for at in range(8)], slots=2),
    # More at once than buffers are made for, and in all twice as many as there are rows: more of them are taken back
    # while they run than a pool has slots that it does not get back.
    _named("crowd", [_of(at % 4, 8, abort=2 + at // 40) if at % 3 else _of(at % 4, 2) for at in range(CROWD)]),
)


def fit(schedule: Schedule, *, context: int, chunks_seeded: bool, arms: int = 1) -> Schedule:
    """A classic as a runtime can play it, with its adapters spread over the requests.

    Args:
        schedule: any; one that fits stays as it is, but for the adapters.
        context: the most tokens of a request, at least 2: prompts and lengths are cut to it.
        chunks_seeded: where false, requests are made greedy if a prompt may be read in parts.
        arms: how many adapters there are; request i is answered by adapter i modulo this.
    """
    spread = tuple(replace(each, arm=at % arms) for at, each in enumerate(schedule.requests))
    return within(replace(schedule, requests=spread), context=context, chunks_seeded=chunks_seeded)
