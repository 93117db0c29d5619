"""The gate of a run: it refuses what cannot be compared before a token is drawn, compares, and keeps counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from pytest_passatk.baselines.places import Places
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.estimate import Count
from pytest_passatk.core.names import name_some
from pytest_passatk.core.plan import Plan, PlannedSuite
from pytest_passatk.core.protocols import Model
from pytest_passatk.core.record import RunRecord, SuiteRecord
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.comparability import find_differences
from pytest_passatk.gate.compare import compare, settle, too_short
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.gate.family import Policy, order_of
from pytest_passatk.gate.look import Looks
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.measuring import unmeasured
from pytest_passatk.gate.pairs import pair_up
from pytest_passatk.gate.pooling import pool
from pytest_passatk.harness.gating import GateSettings
from pytest_passatk.harness.measured import foresee_suite, measure_suites
from pytest_passatk.harness.prospects import prospects
from pytest_passatk.harness.stopping import GateStopping
from pytest_passatk.store import Store


class Gatekeeper:
    """Compares the suites of a run with their baselines, and its arms with the first of them.

    Args:
        settings: of the gate.

    Attributes:
        baselines: what each suite is compared with, by its key in the plan; filled by `admit`.
        stopping: ends the sampling of suites whose gates are decided; `None` where that was not asked for.
    """

    def __init__(self, settings: GateSettings) -> None:
        self.settings = settings
        self.baselines: dict[tuple[str, str], Measurement] = {}
        self.stopping = GateStopping(self.baselines, settings.policy) if settings.stop_when_decided else None
        self._lacking: dict[tuple[str, str], tuple[str, ...]] = {}

    def admit(self, plan: Plan, models: Mapping[str, Model], store: Store | None) -> None:
        """Find the baselines, and hold what is planned against them.

        Raises:
            UsageError: there is no baseline, or the run is not going to be comparable; it says all that differs.
        """
        if not (self.settings.compare or self.settings.save):
            return
        plan = plan.pooled()
        _refuse_namesakes(plan)
        places = Places(self.settings.folder, store)
        foreseen = {suite.key: foresee_suite(suite, models, plan.seed) for suite in plan.suites}
        for suite in plan.suites:
            if self.settings.save and (kept := places.read(self.settings.save, suite.title)):
                pool(kept, foreseen[suite.key])
            if self.settings.compare:
                self._look_up(places, suite, self.settings.compare)
        reasons = [reason for suite in plan.suites for reason in self._bars(suite, foreseen[suite.key])]
        if reasons:
            raise UsageError("\n".join([f"--passatk-compare {self.settings.compare}: incomparable:", *reasons]))

    def _look_up(self, places: Places, suite: PlannedSuite, place: str) -> None:
        found = places.find(place, suite.title, required=not self.settings.update)
        if found:
            self.baselines[suite.key] = found
            self._lacking[suite.key] = places.unmeasured(place, suite.title)

    def _bars(self, suite: PlannedSuite, foreseen: Measurement) -> Iterator[str]:
        """What will keep a suite from being compared; to replace the baseline is how to deal with that."""
        baseline = self.baselines.get(suite.key)
        if baseline is None or self.settings.update == "all":
            return
        after = self._to_compare(baseline, foreseen)
        differences = find_differences(
            baseline, after, collected=suite.collected, unmeasured=self._lacking[suite.key],
            allowed=self.settings.allowed,
        )  # fmt: skip
        yield from (f"{suite.title}: {reason}" for reason in differences.incomparable)
        drawn = [Count(count.id, suite.n, 0) for count in after.counts]
        asked = filter(None, map(order_of, self.settings.policy.asked))
        yield from (f"{suite.title}: {reason}" for reason in too_short(pair_up(baseline.counts, drawn), tuple(asked)))

    def _to_compare(self, before: Measurement, after: Measurement) -> Measurement:
        """What of a run is compared: all, but problems that are about to be added to the baseline."""
        if self.settings.update != "new":
            return after
        known = {problem.id for problem in before.problems}
        return replace(after, problems=tuple(problem for problem in after.problems if problem.id in known))

    def announce(self, plan: Plan) -> Iterator[str]:
        """What each gate is going to be able to see, and what will not be compared."""
        plan = plan.pooled()
        yield from prospects(plan, self.baselines, self.settings.policy)
        if others := self._leftover(plan):
            yield f"not in this run, and so not compared: {name_some(others)} of {self.settings.compare}"
        if self.stopping:
            yield self.stopping.announce(plan)

    def _leftover(self, plan: Plan) -> list[str]:
        """The suites that only the baseline has: those that nobody asked for, or that cannot be collected any more."""
        titles = [suite.title for suite in plan.suites]
        return Places(self.settings.folder, None).others(self.settings.compare, titles) if self.settings.compare else []

    def judge(self, run: RunRecord, summaries: Sequence[SuiteSummary]) -> tuple[Comparison, ...]:
        """The comparisons of all suites, those with a baseline first, then those of arms."""
        measured = measure_suites(run, summaries)
        gated = [
            self._compare(record, self.baselines[record.planned.key], measured[record.planned.key])
            for record in run.suites
            if record.planned.key in self.baselines
        ]
        if self.settings.update == "all":  # what cannot be compared is why it is updated
            gated = [each for each in gated if not each.incomparable]
        found = (*settle(gated), *settle(list(self._compare_arms(run, measured))))
        doubts = {
            (summary.name, record.planned.arm): tuple(_doubts(record, summary))
            for record, summary in zip(run.suites, summaries, strict=True)
        }
        return tuple(replace(each, notes=(*each.notes, *doubts[each.suite, each.arm])) for each in found)

    def _compare(self, record: SuiteRecord, before: Measurement, after: Measurement) -> Comparison:
        policy = replace(self.settings.policy, enforced=self.settings.update != "all")
        after = self._to_compare(before, after)
        return _compare(
            record, before, after, policy, collected=record.planned.collected, allowed=self.settings.allowed,
            lacking=self._lacking[record.planned.key],
            looks=self.stopping.looks(record.planned.key) if self.stopping else None,
        )  # fmt: skip

    def _compare_arms(self, run: RunRecord, measured: Mapping[tuple[str, str], Measurement]) -> Iterator[Comparison]:
        """Each further arm of a suite against its first; they gate where the user named figures and no baseline."""
        policy = replace(self.settings.policy, enforced=self.settings.asked and not self.settings.compare)
        for _, arms in groupby(run.suites, key=lambda record: record.planned.name):
            first, *others = arms
            before = replace(measured[first.planned.key], label=first.planned.arm)
            for record in others:
                after = replace(measured[record.planned.key], label=record.planned.arm)
                yield _compare(record, before, after, policy, lacking=unmeasured(first), one_session=True)


def _compare(
    record: SuiteRecord,
    before: Measurement,
    after: Measurement,
    policy: Policy,
    *,
    collected: Sequence[str] = (),
    allowed: frozenset[str] = frozenset(),
    lacking: Sequence[str] = (),
    looks: Looks | None = None,
    one_session: bool = False,
) -> Comparison:
    skipped = [problem.id for problem in record.problems if problem.skipped]
    differences = find_differences(
        before, after, collected=collected, unmeasured=[*lacking, *unmeasured(record)], skipped=skipped, allowed=allowed
    )
    comparison = (
        Comparison(after.title, before, after, policy, (), (), (), incomparable=differences.incomparable)
        if differences.incomparable
        else compare(before, after, record.planned.ks, policy, looks, one_session=one_session)
    )
    return replace(
        comparison, notes=(*differences.notes, *comparison.notes), suite=record.planned.name, arm=record.planned.arm
    )


def _doubts(record: SuiteRecord, summary: SuiteSummary) -> Iterator[str]:
    """What breaks the assumptions of every test on a suite's counts."""
    if summary.copies:
        yield summary.copies.note
    if record.planned.params.temperature == 0:
        yield (
            "at temperature 0 a model gives one answer a problem, again and again: intervals and tests take it for a "
            "draw of many; sample at a temperature above 0 to tell a change from chance"
        )


def _refuse_namesakes(plan: Plan) -> None:
    """Baselines know suites by their titles. Raises UsageError where two share one."""
    names: dict[str, str] = {}
    for suite in plan.suites:
        if suite.title in names:
            raise UsageError(
                f"{names[suite.title]} and {suite.name} are both called {suite.title}, and would share a file of a "
                "baseline: rename one, or run one at a time"
            )
        names[suite.title] = suite.name
