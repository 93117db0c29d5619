"""What becomes of the problem at which a worker of pytest-xdist died."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pytest

from pytest_passatk.core.plan import ProblemKey
from pytest_passatk.harness.status import DIED

MOST = 2  # deaths at one problem; one more, and it counts as their cause


class Crashes:
    """Puts problems back whose worker died: their samples and verdicts are kept, so that nothing is lost but time."""

    def __init__(self) -> None:
        self._deaths: Counter[str] = Counter()
        self._reported: set[str] = set()

    def handle(self, item: str, report: pytest.TestReport, scheduler: Any) -> str | None:
        """Decide about a problem; returns a line for the terminal where it runs again, else the report says why not."""
        name = plain_name(item)
        self._deaths[name] += 1
        worker = report.node.gateway.id
        if self._deaths[name] > MOST:
            report.longrepr = f"{name}: worker {worker} died while it ran, as {MOST} did before; it is not run again"
            return None
        if not _put_back(item, scheduler):
            report.longrepr = (
                f"{name}: worker {worker} died while it ran, and pytest-xdist's {type(scheduler).__name__} cannot run "
                "it again; the same command gets its samples from the store"
            )
            return None
        report.outcome = "rerun"  # type: ignore[assignment]  # as the hook's own documentation says
        report.when = "teardown"  # closes what JUnit files have of this attempt
        report.longrepr = f"worker {worker} died while it ran {name}"
        report.user_properties.append((DIED, worker))
        return f"worker {worker} died while it ran {name}; it is put back, with the samples and verdicts that it has"

    def note(self, report: pytest.TestReport) -> None:
        """Take note of a report that says what became of a test."""
        if report.when == "call" or report.failed or report.skipped:
            self._reported.add(plain_name(report.nodeid))

    def find_lost(self, planned: Iterable[ProblemKey]) -> list[str]:
        """Problems of a plan of which no worker has reported."""
        return [name for name in map(str, planned) if name not in self._reported]


def plain_name(item: str) -> str:
    """A node id without the group that `--dist loadgroup` appends to it."""
    head, bracket, _ = item.rpartition("]")
    return head + bracket or item


def _put_back(item: str, scheduler: Any) -> bool:
    """Have an item run again; the schedulers by scope cannot be told, but keep what a dead worker did not finish."""
    try:
        scheduler.mark_test_pending(item)
    except NotImplementedError:
        return any(unit.get(item) is False for unit in _units(scheduler))
    return True


def _units(scheduler: Any) -> Iterator[dict[str, bool]]:
    """The work of a scheduler by scope: item → whether it ran."""
    assigned = getattr(scheduler, "assigned_work", {}).values()
    return chain.from_iterable(queue.values() for queue in (getattr(scheduler, "workqueue", {}), *assigned))
