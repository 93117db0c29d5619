"""The search for a schedule that breaks a patch, and for the smallest one that does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, TypeAlias

from pytest_passatk.stress.alarm import Oracle
from pytest_passatk.stress.case import Finding
from pytest_passatk.stress.generate import relatives, schedules
from pytest_passatk.stress.runtime import Runtime
from pytest_passatk.stress.schedule import Planned, Schedule

Examine: TypeAlias = Callable[[Schedule], Finding]
CROWDED = 16  # requests; more are thinned out at first
ALIKE = (1, 2, 3, 4)  # tokens; the lengths that are tried for all of them
ENDLESS = 10**6  # examples; time is the limit


@dataclass(frozen=True, slots=True)
class Smallest:
    """A schedule that fails, and nothing smaller that does was found.

    Attributes:
        schedule: that fails.
        finding: why.
        exhausted: whether shrinking came to its end; else it ran out of time.
    """

    schedule: Schedule
    finding: Finding
    exhausted: bool


class OutOfTime(BaseException):
    """The budget is spent; Hypothesis lets it through."""


class Search:
    """Feeds schedules of Hypothesis to `examine`, and keeps the smallest that failed.

    Hypothesis runs derandomized and without a database: the same code searches the same schedules in the same order.

    Args:
        examine: gives the finding of a schedule.
        seconds: to search, and again as many to shrink.
        wanted: the oracle and culprit that a failure must have; `None` takes any, and then sticks to the first.
    """

    def __init__(self, examine: Examine, seconds: float, wanted: tuple[Oracle, str] | None = None) -> None:
        self.tried = 0
        self._examine = examine
        self._seconds = seconds
        self._deadline = 0.0
        self._wanted = wanted
        self._best: tuple[Schedule, Finding] | None = None

    def run(self, strategy: Any) -> Smallest | None:
        """The smallest schedule of a strategy that fails; `None` where none did in time."""
        from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415 - heavy

        @settings(
            derandomize=True, database=None, deadline=None, max_examples=ENDLESS, report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck), print_blob=False,
        )  # fmt: skip
        @given(strategy)
        def search(schedule: Schedule) -> None:
            if self._fails(schedule):
                raise FoundError

        exhausted = True
        self._deadline = monotonic() + self._seconds  # Hypothesis is imported by now, which takes seconds
        try:
            search()
        except OutOfTime:
            exhausted = False
        except FoundError:
            pass
        return Smallest(*self._best, exhausted) if self._best else None

    def _fails(self, schedule: Schedule) -> bool:
        if monotonic() > self._deadline:
            raise OutOfTime
        self.tried += 1
        finding = self._examine(schedule)
        if not finding.alarms or (self._wanted and kind_of(finding) != self._wanted):
            return False
        if self._wanted is None or self._best is None:
            self._wanted, self._deadline = kind_of(finding), monotonic() + self._seconds
        if self._best is None or size_of(schedule) <= size_of(self._best[0]):
            self._best = (schedule, finding)
        return True


class FoundError(Exception):
    """A schedule failed; Hypothesis shrinks towards the smallest that raises this."""


def search_all(runtime: Runtime, examine: Examine, seconds: float) -> tuple[Smallest | None, int]:
    """Search all that can happen to a batch; gives what was found, and how many schedules were tried."""
    search = Search(examine, seconds)
    strategy = schedules(context=runtime.context, chunks_seeded=runtime.chunks_seeded, arms=runtime.arms)
    return search.run(strategy), search.tried


def shrink(schedule: Schedule, finding: Finding, examine: Examine, seconds: float) -> Smallest:
    """The smallest relative of a schedule that fails in the same way; itself where none does."""
    deadline = monotonic() + seconds
    schedule, finding = _thinned(schedule, finding, examine, monotonic() + seconds / 2)
    found = Search(examine, deadline - monotonic(), kind_of(finding)).run(relatives(schedule))
    if found and size_of(found.schedule) <= size_of(schedule):
        return found
    return Smallest(schedule, finding, exhausted=found is not None)


def _thinned(schedule: Schedule, finding: Finding, examine: Examine, deadline: float) -> tuple[Schedule, Finding]:
    """A crowd without those of its requests that a failure does without, and alike where that will do.

    Hypothesis would take minutes for what is large. Halves are left out, then quarters, and so on (delta debugging,
    Zeller 2002).
    """

    def fails(smaller: Schedule) -> bool:
        nonlocal schedule, finding
        tried = examine(smaller) if smaller.requests and monotonic() < deadline else Finding()
        if tried.alarms and kind_of(tried) == kind_of(finding):
            schedule, finding = smaller, tried
            return True
        return False

    size = len(schedule.requests) // 2
    while size and len(schedule.requests) > CROWDED:
        start = 0
        while start < len(schedule.requests):
            rest = schedule.requests[:start] + schedule.requests[start + size :]
            start += 0 if fails(replace(schedule, requests=rest, name="")) else size
        size //= 2
    if len(schedule.requests) > CROWDED:
        alike = (tuple(Planned(1, length) for _ in schedule.requests) for length in ALIKE)
        any(fails(replace(schedule, requests=each, name="")) for each in alike)
    return schedule, finding


def kind_of(finding: Finding) -> tuple[Oracle, str]:
    """What tells one failure from another: the first oracle that fired, and who is at fault."""
    return finding.alarms[0].oracle, finding.at_fault


def size_of(schedule: Schedule) -> tuple[int, ...]:
    """Smaller is simpler: fewer requests and tokens, then fewer special circumstances."""
    requests = schedule.requests
    special = [schedule.slots, schedule.budget, schedule.blocks]
    return (
        len(requests),
        sum(each.length for each in requests),
        sum(each.prompt for each in requests),
        sum(each is not None for each in special),
        sum(each.arrival for each in requests),
        sum(each.abort is not None for each in requests),
        sum(not each.draw.greedy for each in requests),
    )
