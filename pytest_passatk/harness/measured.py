"""The suites of a run as measurements: foreseen before it, and measured after it."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce

from pytest_passatk import __version__
from pytest_passatk.core.plan import PlannedSuite, repeat_seed
from pytest_passatk.core.protocols import Model, info_of
from pytest_passatk.core.record import RunRecord, SuiteRecord
from pytest_passatk.core.repeats import Repeats
from pytest_passatk.core.summary import Figures, SuiteSummary, summarize
from pytest_passatk.gate.drift import between_runs
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.measuring import foresee, measure, pace_of
from pytest_passatk.gate.pooling import pool

THIS = "this run"


def foresee_suite(suite: PlannedSuite, models: Mapping[str, Model], seed: int) -> Measurement:
    """What a suite is going to measure, with no sample yet."""
    return foresee(suite, info_of(models[suite.model], suite.arm), label=THIS, seed=seed, version=__version__)


def measure_suites(run: RunRecord, summaries: Sequence[SuiteSummary]) -> dict[tuple[str, str], Measurement]:
    """What every suite measured, by its key in the plan."""
    suites = zip(run.suites, summaries, strict=True)
    return {record.planned.key: _measure_runs(run, record, summary) for record, summary in suites}


def relate_runs(run: RunRecord, summaries: Sequence[SuiteSummary]) -> tuple[SuiteSummary, ...]:
    """The summaries with how the runs of each suite stand to each other, where it has several."""
    measured, suites = measure_suites(run, summaries), zip(run.suites, summaries, strict=True)
    return tuple(
        replace(summary, repeats=_repeats(record, measured[record.planned.key])) if record.runs else summary
        for record, summary in suites
    )


def _repeats(record: SuiteRecord, measurement: Measurement) -> Repeats:
    return Repeats(tuple(part.planned.n for part in record.runs), between_runs(measurement))


def _measure_runs(run: RunRecord, record: SuiteRecord, summary: SuiteSummary) -> Measurement:
    if not record.runs:
        return _measure(run, record, summary.figures)
    parts = (_measure(run, part, summarize(part).figures) for part in record.runs)
    return reduce(pool, parts)


def _measure(run: RunRecord, record: SuiteRecord, figures: Figures | None) -> Measurement:
    pace = pace_of(figures, device=record.model.device, processor=_processor()) if figures else None
    seed = repeat_seed(run.seed, record.planned.repeat)
    return measure(record, label=THIS, seed=seed, started=run.started, version=__version__, pace=pace)


def _processor() -> str:
    """What this machine computes with, for telling paces of different machines apart."""
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
