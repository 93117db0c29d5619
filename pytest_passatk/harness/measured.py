"""The suites of a run as measurements: foreseen before it, and measured after it."""

import os
import platform
from collections.abc import Mapping, Sequence

from pytest_passatk import __version__
from pytest_passatk.core.plan import PlannedSuite
from pytest_passatk.core.protocols import Model, info_of
from pytest_passatk.core.record import RunRecord, SuiteRecord
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.measuring import foresee, measure, pace_of

THIS = "this run"


def foresee_suite(suite: PlannedSuite, models: Mapping[str, Model], seed: int) -> Measurement:
    """What a suite is going to measure, with no sample yet."""
    return foresee(suite, info_of(models[suite.model], suite.arm), label=THIS, seed=seed, version=__version__)


def measure_suites(run: RunRecord, summaries: Sequence[SuiteSummary]) -> dict[tuple[str, str], Measurement]:
    """What every suite measured, by its key in the plan."""
    suites = zip(run.suites, summaries, strict=True)
    return {record.planned.key: _measure(run, record, summary) for record, summary in suites}


def _measure(run: RunRecord, record: SuiteRecord, summary: SuiteSummary) -> Measurement:
    pace = pace_of(summary.figures, device=record.model.device, processor=_processor()) if summary.figures else None
    return measure(record, label=THIS, seed=run.seed, started=run.started, version=__version__, pace=pace)


def _processor() -> str:
    """What this machine computes with, for telling paces of different machines apart."""
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
