"""The owner of a run: the one process that holds store and models, and writes the report."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

import pytest_passatk
from pytest_passatk.core.errors import PassatkError, UsageError
from pytest_passatk.core.plan import Plan
from pytest_passatk.core.protocols import Model, info_of
from pytest_passatk.core.record import RunRecord
from pytest_passatk.core.repeats import pool_records
from pytest_passatk.core.summary import SuiteSummary, summarize
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.harness.engines import PER_WORKER, refuse_accident, refuse_crowd
from pytest_passatk.harness.gate_report import close_gates
from pytest_passatk.harness.gatekeeper import Gatekeeper
from pytest_passatk.harness.keeping import keep_counts
from pytest_passatk.harness.measured import relate_runs
from pytest_passatk.harness.reports import write_reports
from pytest_passatk.harness.screen import Screen
from pytest_passatk.harness.secrets import mask
from pytest_passatk.harness.settings import STORE, Settings
from pytest_passatk.harness.stopping import refuse_inline
from pytest_passatk.models.apart import open_model
from pytest_passatk.sampling.exchange import ENGINE, Exchange
from pytest_passatk.sampling.threads import Sampler
from pytest_passatk.store import Store

LEAVING_SECONDS = 2.0  # how long an interrupted run waits for the sample in hand


def open_store(path: Path | None) -> Store:
    """The store; the usual folder is kept out of version control when it is made. Raises StoreError."""
    if path == STORE.absolute() and not path.parent.exists():
        with suppress(OSError):  # the store itself tells best what is wrong with the place
            path.parent.mkdir()
            (path.parent / ".gitignore").write_text("*\n")
    return Store(path)


class Owner:
    """Opens the store, samples when the plan is known, and reports at the end.

    Args:
        config: of pytest.
        settings: of the run.
        find_store: opens another store than that of the settings.
        find_model: gives a model for a spec in another way than the settings do.
        command: to record; `None` takes the one that was typed.
        workers: of pytest-xdist, by their seats.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        *,
        find_store: Callable[[], Store] | None = None,
        find_model: Callable[[str], Model] | None = None,
        command: str | None = None,
        workers: Sequence[str | None] = (),
    ) -> None:
        self.settings = settings
        self._workers = workers
        self._spread = bool(workers) and settings.engines == PER_WORKER
        self.gatekeeper = Gatekeeper(settings.gate)
        self.exchange = Exchange(
            find_store or partial(open_store, settings.store),
            find_model or partial(open_model, options=settings.model_options),
            self._begin,
            self._vet,
            workers if self._spread else (ENGINE,),
            stopping=self.gatekeeper.stopping,
        )
        self.screen = Screen(config, self.exchange)
        self.sampler = Sampler(self.exchange, self.exchange.models.__getitem__, ENGINE)
        self.run: RunRecord | None = None
        self.summaries: tuple[SuiteSummary, ...] = ()
        self.comparisons: tuple[Comparison, ...] = ()
        self._config = config
        self._command = command or mask(shlex.join(["pytest", *map(str, config.invocation_params.args)]))
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._clock = monotonic()
        self._number: int | None = None
        self._suites: list[int] = []

    def _vet(self, plan: Plan, models: Mapping[str, Model]) -> None:
        """Refuse models that there would be too many of, and a gate that could not compare. Raises UsageError."""
        refuse_accident(models, self.settings, len(self._workers))
        if self._spread:
            refuse_crowd(models, self.settings, len(self._workers))
        if self.gatekeeper.stopping:
            refuse_inline(inline=self.settings.inline)
        self.gatekeeper.admit(plan, models, self.exchange.store)

    def _begin(self, exchange: Exchange) -> None:
        """Note the run, say what it is going to do, and start sampling."""
        books, store = exchange.books, exchange.store
        if books is None or store is None:
            return
        self._number = store.start_run(
            started=self._started, command=self._command, seed=books.plan.seed, version=pytest_passatk.__version__
        )
        for suite in books.plan.suites:
            streams = [ledger.stream for ledger in books.of(suite)]
            info = info_of(exchange.models[suite.model], suite.arm)
            self._suites.append(store.add_suite(self._number, suite, info, streams, books.reused[suite.key]))
        if self._spread:
            exchange.notices += (f"{len(self._workers)} engines, one in each worker",)
            for model in exchange.models.values():
                model.close()  # it has said what it is, and will answer nothing here
        exchange.notices += tuple(self.gatekeeper.announce(books.plan))
        self.screen.announce(self.settings.profile)
        if not self._spread:
            self.sampler.start()

    def finish(self, status: int) -> int:
        """End sampling, keep the record, write the report; returns the exit status of the run."""
        try:
            self._stop()
            self._report()
            cut_short = status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            status = self._judge(status)
            self._write(cut_short=cut_short or self.exchange.failure is not None)
        except PassatkError as error:
            self.screen.complain(str(error))
            status = status or 1
        self._leave(status)
        return status

    def summarize(self) -> None:
        """Write the report on the terminal."""
        self.screen.summarize(self.summaries, self.comparisons, self.run.id if self.run else None, self.settings.store)

    def _leave(self, status: int) -> None:
        store = self.exchange.store
        if store is None:
            return
        try:
            if self._number is not None:
                store.finish_run(self._number, seconds=monotonic() - self._clock, status=int(status))
            store.close()
        except PassatkError as error:  # the run is over: its result stands without this note
            self.screen.complain(str(error))

    def _stop(self) -> None:
        self.sampler.stop()
        self.exchange.close()
        if self.sampler.ident is not None:
            self.sampler.join(LEAVING_SECONDS)
        if not self.sampler.is_alive():
            for model in self.exchange.models.values():
                with suppress(Exception):  # whatever it is, the samples are in
                    model.close()  # nobody has, where nothing was missing

    def _report(self) -> None:
        records, store = self.exchange.records(), self.exchange.store
        if not records or store is None:
            return
        for number, record in zip(self._suites, records, strict=True):
            store.finish_suite(number, record)
        self.run = RunRecord(
            self._number if self.settings.store else None, self._command, self.settings.seed, self._started,
            monotonic() - self._clock, pool_records(records), self.settings.profile,
        )  # fmt: skip
        summaries = (
            summarize(record, price=self.settings.price, beyond=self.settings.extrapolate) for record in self.run.suites
        )
        self.summaries = relate_runs(self.run, tuple(summaries))
        if not self.exchange.failure:
            self.comparisons = self.gatekeeper.judge(self.run, self.summaries)

    def _judge(self, status: int) -> int:
        """A run that failed, or whose estimate is withheld, is never green; one that never started was misused."""
        if self.exchange.failure:
            misused = self.exchange.books is None or isinstance(self.exchange.failure, UsageError)
            return int(pytest.ExitCode.USAGE_ERROR if misused else pytest.ExitCode.TESTS_FAILED)
        if status == pytest.ExitCode.OK and any(summary.withheld for summary in self.summaries):
            status = int(pytest.ExitCode.TESTS_FAILED)
        return close_gates(self._config, self.comparisons, status, strict=self.settings.gate.strict)

    def _write(self, *, cut_short: bool) -> None:
        """Write the files that were asked for; a run that was cut short has no counts to keep."""
        if self.run is None:
            return
        try:
            write_reports(self._config, self.settings, self.run, self.summaries, self.comparisons)
        finally:
            if not cut_short:
                self._keep(self.run)

    def _keep(self, run: RunRecord) -> None:
        for path in keep_counts(self.settings.gate, self.gatekeeper.baselines, run, self.summaries):
            self.screen.tell(f"baseline {path}")
