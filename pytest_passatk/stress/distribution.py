"""Whether a patch that claims it leaves the distribution of tokens alone, in batches that shrink."""

from collections.abc import Callable
from itertools import count

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.patch import Patch
from pytest_passatk.stress.alarm import Alarm, Oracle
from pytest_passatk.stress.case import describe
from pytest_passatk.stress.fitting import within
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Draw, Planned, Schedule
from pytest_passatk.stress.two_sample import ALARM, Samples, two_sample
from pytest_passatk.stress.witness import Witness

SAMPLES = 200  # of each problem, without and with the patch
SHORTEST, LENGTHS = 6, 5  # tokens; samples of a problem end at different steps
SECONDS = 300.0  # for all of them, on a slow machine
# One a problem; at 0.6, to be divided by the temperature twice shows in every run, at 0.8 in one of three.
DRAWS = (Draw(0.6), Draw(0.6), Draw(0.6, top_p=0.95), Draw(0.6, min_p=0.05), Draw(1.0))


def check(runtime: Runtime, make: Callable[[], Patch]) -> list[Alarm]:
    """Draw the same problems without and with the patch, from other seeds, and test whether the tokens differ.

    Raises:
        UsageError: the patch does not fit this runtime at all.
    """
    without = draw_samples(runtime, Patch(), 0)
    try:
        patched = draw_samples(runtime, make(), 1)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what a patch does wrong is what is looked for
        return [Alarm(Oracle.EXCEPTION, describe(error))]
    found = two_sample(without, patched, blocks=LENGTHS)
    if not found.alarm:
        return []
    where = f"problem {found.problem}, token {found.position}"
    return [
        Alarm(
            Oracle.DISTRIBUTION,
            f"the tokens have another distribution with the patch: p = {found.p:.2g} (an alarm at {ALARM:g}, by "
            f"permutation of {SAMPLES} samples of {len(DRAWS)} problems); most in {where}: {found.words}",
        )
    ]


def draw_samples(runtime: Runtime, patch: Patch, run: int) -> Samples:
    """The tokens of every sample, by problem; `run` numbers the seeds, of which no two requests share one.

    The test takes problems to be independent: with one seed for a sample of each, it would give false alarms.
    """
    seeds = count(run * SAMPLES * len(DRAWS))
    requests = [
        Planned(5, SHORTEST + at % LENGTHS, problem=problem, draw=_seeded(draw, next(seeds)))
        for at in range(SAMPLES)
        for problem, draw in enumerate(DRAWS)
    ]
    schedule = within(Schedule(tuple(requests)), context=runtime.context, chunks_seeded=runtime.chunks_seeded)
    with runtime.attached(patch, Witness(patch)):
        played = runtime.play(schedule)
    samples: dict[str, list[tuple[int, ...]]] = {}
    for name, planned in zip(schedule.ids, schedule.requests, strict=True):
        samples.setdefault(str(planned.problem), []).append(played.requests[name].tokens)
    return samples


def _seeded(draw: Draw, seed: int) -> Draw:
    return Draw(draw.temperature, draw.top_p, draw.top_k, draw.min_p, seed)
