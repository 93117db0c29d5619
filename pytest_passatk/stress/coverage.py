"""What the stress suite has put a patch through: how often batches shrank, were refilled, drained, and so on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

from pytest_passatk.core.patch import StepView
from pytest_passatk.stress.play import Event, Happening, Play
from pytest_passatk.stress.schedule import Schedule

ENDS = (Happening.FINISH, Happening.ABORT)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts over schedules; they add up with `+`, and `sum` takes `Coverage()` to start from.

    Attributes:
        schedules: played.
        requests: in them.
        steps: forward passes.
        shrinks: steps with fewer requests than the one before.
        largest_drop: by how many requests a step had fewer than the one before; the most that was seen.
        refills: requests that had to wait, and started once another had ended.
        drains: times that all that ran had ended, and new requests started.
        preemptions: requests thrown out of the cache; each time counts.
        aborts: requests taken back.
        chunked: requests whose prompt was read in parts, or read again in parts.
        mixed: steps in which requests decode beside others that read a prompt.
    """

    schedules: int = 0
    requests: int = 0
    steps: int = 0
    shrinks: int = 0
    largest_drop: int = 0
    refills: int = 0
    drains: int = 0
    preemptions: int = 0
    aborts: int = 0
    chunked: int = 0
    mixed: int = 0

    def __add__(self, other: "Coverage") -> "Coverage":
        """Both together: all counts add up, and the larger drop is the largest."""
        names = [field.name for field in fields(self) if field.name != "largest_drop"]
        counts = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Coverage(**counts, largest_drop=max(self.largest_drop, other.largest_drop))

    def text(self) -> str:
        """One line for a person."""
        drop = f" (largest drop {self.largest_drop})" if self.largest_drop else ""
        return ", ".join(
            [
                _count(self.schedules, "schedule"),
                _count(self.requests, "request"),
                _count(self.steps, "step"),
                _count(self.shrinks, "shrink") + drop,
                _count(self.refills, "refill"),
                _count(self.drains, "drain"),
                _count(self.preemptions, "preemption"),
                _count(self.aborts, "abort"),
                _count(self.chunked, "chunked prompt"),
                _count(self.mixed, "mixed step"),
            ]
        )


def cover(schedule: Schedule, play: Play, steps: Sequence[StepView]) -> Coverage:
    """What one schedule did to the batch, by the steps that were seen and the events that the runtime tells of."""
    gone = _gone(play.events, steps)
    drained = set(_drained(gone, steps))
    drops = [len(before.rows) - len(after.rows) for before, after in _pairs(steps, drained)]
    happened = [event.what for event in play.events]
    return Coverage(
        schedules=1,
        requests=len(schedule.requests),
        steps=len(steps),
        shrinks=sum(drop > 0 for drop in drops),
        largest_drop=max([0, *drops]),
        refills=len(_refilled(play.events, steps, gone)),
        drains=len(drained),
        preemptions=happened.count(Happening.PREEMPT),
        aborts=happened.count(Happening.ABORT),
        chunked=len({row.request for view in steps for row in view.rows if not row.samples}),
        mixed=sum(len({row.phase for row in view.rows}) > 1 for view in steps),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _pairs(steps: Sequence[StepView], drained: set[int]) -> Iterator[tuple[StepView, StepView]]:
    """Neighbouring steps, with an empty one where the batch drained in between."""
    for before, after in pairwise(steps):
        if before.step in drained:
            yield before, StepView(before.step, 0, ())
        else:
            yield before, after


def _gone(events: Sequence[Event], steps: Sequence[StepView]) -> dict[str, int]:
    """The first step without a request, for each that ended."""
    last = {row.request: view.step for view in steps for row in view.rows}
    ends = (event for event in events if event.what in ENDS)
    return {event.request: max(event.step, last.get(event.request, -1) + 1) for event in ends}


def _drained(gone: Mapping[str, int], steps: Sequence[StepView]) -> Iterator[int]:
    """The steps behind which nothing runs, though others follow."""
    for before, after in pairwise(steps):
        if before.rows and all(gone.get(row.request, after.step + 1) <= after.step for row in before.rows):
            yield before.step


def _refilled(events: Sequence[Event], steps: Sequence[StepView], gone: Mapping[str, int]) -> set[str]:
    """The requests that waited until another one had ended."""
    came = {event.request: event.step for event in events if event.what is Happening.ARRIVE}
    starts = {row.request: view.step for view in reversed(steps) for row in view.rows}
    return {
        request
        for request, start in starts.items()
        if any(came.get(request, start) < end <= start for end in gone.values())
    }
