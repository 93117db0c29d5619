"""What a schedule asks of a runtime: context, blocks of the cache, prompts read in parts; and how it is made to fit.

A schedule is *valid* where every runtime comes to its end. The schedulers serve the requests in the order in which they
came and, when blocks run out, throw out the last to come. So the first one never has to give way, and ends if it finds
enough blocks with the cache to itself; then the next one is the first. A request holds the keys and values of its
prompt and of what it generated, in blocks of BLOCK tokens: it is enough that no single one needs more than there are.
Any budget does, as each step reads at least one token of the first request.
"""

from dataclasses import replace

from pytest_passatk.stress.schedule import BLOCK, Draw, Planned, Schedule


def needs(request: Planned) -> int:
    """How many blocks a request holds at its end."""
    return -(-(request.prompt + request.length) // BLOCK)


def valid(schedule: Schedule) -> bool:
    """Whether every runtime comes to the end of a schedule, if its context is long enough."""
    limits = (schedule.slots, schedule.budget, schedule.blocks)
    if any(limit is not None and limit < 1 for limit in limits):
        return False
    return schedule.blocks is None or schedule.blocks >= max(map(needs, schedule.requests))


def parted(schedule: Schedule) -> bool:
    """Whether a prompt may be read in parts.

    The budget of a step is shared by all requests. It cuts no prompt where it holds all of them at once, with what was
    generated where requests may have to read that again.
    """
    if schedule.budget is None:
        return False
    again = schedule.blocks is not None
    return schedule.budget < sum(each.prompt + (each.length - 1) * again for each in schedule.requests)


def within(schedule: Schedule, *, context: int, chunks_seeded: bool) -> Schedule:
    """A schedule as a runtime can play it.

    Args:
        schedule: any.
        context: the most tokens of a request, at least 2: prompts and lengths are cut to it.
        chunks_seeded: where false, all requests are made greedy if a prompt may be read in parts.
    """
    cut = replace(schedule, requests=tuple(_cut(each, context) for each in schedule.requests))
    if chunks_seeded or not parted(cut):
        return cut
    return replace(cut, requests=tuple(replace(each, draw=Draw()) for each in cut.requests))


def _cut(request: Planned, context: int) -> Planned:
    prompt = min(request.prompt, context - 1)
    return replace(request, prompt=prompt, length=min(request.length, context - prompt))
