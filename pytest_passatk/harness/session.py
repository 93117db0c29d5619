"""The session of one process: it plans, starts the judges, and hands each item its record."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import pytest
from _pytest.skipping import evaluate_skip_marks, evaluate_xfail_marks

from pytest_passatk.core.errors import IsolationError, PassatkError, UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.core.plan import Plan
from pytest_passatk.core.record import ProblemRecord
from pytest_passatk.harness.bench import Fixtures, isolation, open_pool, prepare_fixtures
from pytest_passatk.harness.checks import check_problem
from pytest_passatk.harness.collection import Collected, group_by_suite
from pytest_passatk.harness.engines import PER_WORKER
from pytest_passatk.harness.item import BrokenSamples, ProblemItem
from pytest_passatk.harness.owner import Owner
from pytest_passatk.harness.settings import Settings
from pytest_passatk.harness.votes import classify
from pytest_passatk.harness.worker_engine import WorkerEngine
from pytest_passatk.judging import BodyJudge, JudgePool
from pytest_passatk.sampling.counter import Counter, CutShort
from pytest_passatk.sampling.link import Link
from pytest_passatk.sampling.threads import Feeder

PATIENCE = 0.1  # seconds between two looks at the progress
SILENT = (pytest.skip.Exception, pytest.xfail.Exception)


class Session:
    """What this process does in a run.

    Without pytest-xdist one process owns the exchange, samples, judges and runs the items. With it, the controller owns
    the exchange and samples, unless each worker does, and the workers judge and run items through a link.

    Args:
        config: of pytest.
        settings: of the run.

    Attributes:
        workers: of pytest-xdist, by their seats; only the controller knows.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.workers: Sequence[str | None] = ()
        self.owner: Owner | None = None
        self.counter: Counter | None = None
        self.pool: JudgePool | None = None
        self.feeder: Feeder | None = None
        self.engine: WorkerEngine | None = None
        self.judges: dict[str, BodyJudge] = {}
        self.unready: Mapping[str, BaseException] = {}

    @property
    def is_worker(self) -> bool:
        """Whether this is a worker of pytest-xdist."""
        return hasattr(self.config, "workerinput")

    def own(self) -> Owner:
        """Open the exchange in this process."""
        if self.owner is None:
            self.owner = Owner(self.config, self.settings, workers=self.workers)
        return self.owner

    def start(self, session: pytest.Session) -> bool:
        """Start judging and sampling for the selected items; returns whether the items may run.

        Raises:
            pytest.UsageError: it cannot start; in a worker the controller gets to know instead.
        """
        problems = [item for item in session.items if isinstance(item, ProblemItem)]
        selected = [item for item in problems if _is_going_to_run(item)]
        if not problems or self.config.option.collectonly or self.config.getoption("setuponly", False):
            return True
        if session.testsfailed and not self.config.option.continue_on_collection_errors:
            return not self._stop(session, "a file could not be collected")
        try:
            self._refuse_silence(problems)
            self._start(group_by_suite(selected))
        except CutShort as error:
            return not self._stop(session, f"the run ended early: {_banner(error)}")
        except PassatkError as error:
            if not self.is_worker:
                raise pytest.UsageError(str(error)) from error
            with suppress(PassatkError, OSError, EOFError):
                self._find_counter().fail(error)
            return not self._stop(session, "the run cannot start")
        return True

    def _stop(self, session: pytest.Session, why: str) -> bool:
        """Stop a worker, which pytest-xdist would let go on; returns whether this is one. Pytest itself stops alone."""
        if self.is_worker:
            session.shouldstop = why
        return self.is_worker

    def _refuse_silence(self, problems: Sequence[ProblemItem]) -> None:
        """A mark that skips problems would make their gate green for ever. Raises UsageError."""
        against = self.settings.gate.compare
        silent = [str(item.key) for item in problems if not _is_going_to_run(item)] if against else []
        if silent:
            raise UsageError(
                f"--passatk-compare {against}: a mark keeps {name_some(silent)} from running, so that nothing of them "
                "would be compared: remove the mark, or deselect them with -k"
            )

    def _refuse_unready(self, suites: Sequence[Collected]) -> None:
        """So would a fixture whose failure turns nothing red. Raises UsageError."""
        against = self.settings.gate.compare
        for suite in suites if against else ():
            error = self.unready.get(suite.name)
            if error and (isinstance(error, SILENT) or evaluate_xfail_marks(suite.items[0])):
                raise UsageError(
                    f"--passatk-compare {against}: a fixture skips {suite.name} ({error}), so that nothing of it would "
                    "be compared: give the fixture what it needs, or deselect the suite with -k"
                )

    def _start(self, suites: tuple[Collected, ...]) -> None:
        if not suites:
            return
        fixtures, self.unready = prepare_fixtures(suites)
        for error in self.unready.values():
            if isinstance(error, IsolationError):  # said once, not by every problem
                raise error
        self._refuse_unready(suites)
        suites = tuple(suite for suite in suites if suite.name in fixtures)
        if not suites:
            return
        self.pool, self.judges = open_pool(suites, fixtures, self.settings)
        if self.settings.check:
            return
        plan = self._plan(suites, fixtures)
        self.counter = self._find_counter()
        self.counter.open(plan)
        if self.pool:
            self.feeder = Feeder(self.counter, self.pool, self._name)
            self.feeder.start()
        if isinstance(self.counter, Link) and self.settings.engines == PER_WORKER:
            self.engine = WorkerEngine(self.counter, plan, self.settings, self._name)

    def _plan(self, suites: tuple[Collected, ...], fixtures: Fixtures) -> Plan:
        arms = (suite.plan(self.settings, isolation(fixtures[suite.name])) for suite in suites)
        return Plan(tuple(chain.from_iterable(arms)), self.settings.seed)

    def _find_counter(self) -> Counter:
        workerinput: dict[str, Any] = getattr(self.config, "workerinput", {})
        if "passatk_address" in workerinput:
            return Link(workerinput["passatk_address"], workerinput["passatk_key"])
        return self.own().exchange

    @property
    def _name(self) -> str:
        """What the exchange calls this process; pytest-xdist never gives a worker's name again."""
        name: str = getattr(self.config, "workerinput", {}).get("workerid", "main")
        return name

    def judge(self, item: ProblemItem) -> None:
        """Run an item: wait for its record and report it."""
        try:
            if error := self.unready.get(item.key.suite):
                raise error
            if self.settings.check:
                check_problem(item, self.pool, self.judges[item.key.suite])
            else:
                self._judge(item)
        except CutShort as error:
            item.session.shouldstop = str(error)
            pytest.skip(str(error))
        except PassatkError as error:
            item.session.shouldstop = f"the run ended early: {_banner(error)}"
            raise BrokenSamples(str(error)) from error

    def _judge(self, item: ProblemItem) -> None:
        if self.counter is None:  # planned without it: its skip mark no longer holds
            pytest.skip("not part of the run's plan")
        broken = self._judge_inline(item, self.counter) if self.pool is None else None
        record = self._await(item, self.counter)
        if item.suite.same:
            self.counter.classify(item.key, classify(item, record))
        if broken and self.config.getoption("usepdb"):
            raise broken  # its frames are for the debugger
        item.report(record)

    def _await(self, item: ProblemItem, counter: Counter) -> ProblemRecord:
        try:
            while (record := counter.wait(item.key, PATIENCE)) is None:
                self._tick()
        finally:
            if self.owner:
                self.owner.screen.erase()
        return record

    def _tick(self) -> None:
        if self.owner:
            self.owner.screen.tick()

    def _judge_inline(self, item: ProblemItem, counter: Counter) -> BaseException | None:
        """Judge an item's samples here; returns the first error of the harness."""
        broken: BaseException | None = None
        while counter.wait(item.key, 0) is None:
            task = counter.take(self._name, item.key, PATIENCE)
            if task is None:
                self._tick()
                continue
            verdict, error = self.judges[item.key.suite].examine(item.problem, task.completion)
            if isinstance(error, KeyboardInterrupt):
                raise error
            if error and not broken:
                error.add_note(f"on sample {task}; the estimate is withheld")
                broken = error
            counter.settle(task, verdict)
        return broken

    def finish(self, status: int, *, cut_short: bool) -> int:
        """End engine and judges; in the owner, also work out the report. Returns the exit status.

        Args:
            status: so far.
            cut_short: whether this process was told to stop before it ran all its items.
        """
        try:
            if self.engine:
                self.engine.end(at_once=cut_short or status == pytest.ExitCode.INTERRUPTED)
            if self.feeder:
                self.feeder.leave()
            return self.owner.finish(status) if self.owner else status
        finally:
            if self.pool:
                self.pool.close()


def _is_going_to_run(item: ProblemItem) -> bool:
    """Whether no mark keeps an item from running; a mark that cannot be evaluated does, and pytest reports it."""
    try:
        expected = None if item.config.getoption("runxfail") else evaluate_xfail_marks(item)
        return not evaluate_skip_marks(item) and (expected is None or expected.run)
    except (pytest.fail.Exception, TypeError):
        return False


def _banner(error: PassatkError) -> str:
    """An error in one line: its first, and its last where the first announces more."""
    first, *rest = str(error).strip().splitlines() or [type(error).__name__]
    return f"{first} {rest[-1]}" if rest and first.endswith(":") else first
