"""Sampling in stages: a suite asks for some samples of each problem, and for more only where these decide nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from pytest_passatk.core.estimate import Count
from pytest_passatk.core.plan import Plan, PlannedSuite
from pytest_passatk.core.verdict import Status
from pytest_passatk.sampling.books import Books
from pytest_passatk.sampling.ledger import Ledger

SuiteKey = tuple[str, str]


class Stopping(Protocol):
    """Says when a suite has been sampled enough."""

    def plan(self, plan: Plan) -> Mapping[SuiteKey, Sequence[int]]:
        """By suite, the samples a problem at which to ask, ascending; the last is the suite's n.

        A suite that is left out is sampled as a whole.
        """

    def is_decided(self, suite: PlannedSuite, counts: Sequence[Count]) -> bool:
        """Whether these counts, of the problems that were not skipped, are enough; asked at each size once, in order.

        At the last size nothing follows from the answer. It may take its time, and comes from a thread of its own.
        """


class Stages:
    """The stages of the suites of a run; without `stopping` there are none.

    A suite with an ERROR cannot be decided: it asks for everything at once, as if it had no stages.
    """

    def __init__(self, stopping: Stopping | None = None) -> None:
        self._stopping = stopping
        self._sizes: dict[SuiteKey, list[int]] = {}  # those that lie ahead, the one at hand first
        self._lacking: dict[SuiteKey, int] = {}  # verdicts, at the size at hand

    @property
    def open(self) -> bool:
        """Whether a suite may still ask for more."""
        return bool(self._sizes)

    def begin(self, books: Books) -> Iterator[PlannedSuite]:
        """Hold back what is beyond the first stage of each suite; yields the suites that are due already.

        Raises PassatkError where the stages cannot be planned.
        """
        planned = self._stopping.plan(books.plan) if self._stopping else {}
        for suite in books.plan.suites:
            if suite.key in planned:
                self._sizes[suite.key] = list(planned[suite.key])
                if self._ask(suite, books.of(suite)):
                    yield suite

    def note(self, suite: PlannedSuite) -> bool:
        """Count a verdict; returns whether it was the last one of a stage."""
        if suite.key not in self._lacking:
            return False
        self._lacking[suite.key] -= 1
        return not self._lacking[suite.key]

    def is_decided(self, suite: PlannedSuite, ledgers: Iterable[Ledger]) -> bool:
        """Whether the samples of a complete stage are enough; whatever else the run does, these do not change."""
        found = [(ledger, {verdict.status for verdict in ledger.verdicts.values()}) for ledger in ledgers]
        if any(Status.ERROR in kinds for _, kinds in found):
            del self._sizes[suite.key][1:-1]
            return False
        counts = [
            Count(ledger.problem.id, ledger.n, ledger.solved) for ledger, kinds in found if Status.SKIP not in kinds
        ]
        return self._stopping is not None and self._stopping.is_decided(suite, counts)

    def go_on(self, suite: PlannedSuite, ledgers: Sequence[Ledger], *, decided: bool) -> bool:
        """Let a suite go to its next stage, or end where it is; returns whether it is due again."""
        sizes = self._sizes[suite.key]
        if decided or len(sizes) == 1:
            for ledger in ledgers:
                ledger.final = True
            del self._sizes[suite.key], self._lacking[suite.key]
            return False
        sizes.pop(0)
        return self._ask(suite, ledgers)

    def _ask(self, suite: PlannedSuite, ledgers: Sequence[Ledger]) -> bool:
        for ledger in ledgers:
            ledger.ask_for(self._sizes[suite.key][0])
        self._lacking[suite.key] = sum(ledger.n - len(ledger.verdicts) for ledger in ledgers)
        return not self._lacking[suite.key]
