"""Keeping the counts of a run as baselines."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_passatk.baselines.places import Places
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.core.record import RunRecord
from pytest_passatk.core.summary import SuiteSummary
from pytest_passatk.gate.measurement import Measurement
from pytest_passatk.gate.measuring import unmeasured
from pytest_passatk.gate.pooling import pool, update, update_new_only
from pytest_passatk.harness.gating import GateSettings
from pytest_passatk.harness.measured import measure_suites


def keep_counts(
    settings: GateSettings,
    baselines: Mapping[tuple[str, str], Measurement],
    run: RunRecord,
    summaries: Sequence[SuiteSummary],
) -> Iterator[Path]:
    """Save and update baselines, those of all suites or none; yields the files that were written.

    Args:
        settings: of the gate.
        baselines: what the suites were compared with.
        run: whose counts to keep.
        summaries: of its suites, in the same order.

    Raises:
        UsageError: a file cannot be written, or a suite of the run has no counts to keep.
    """
    if not (settings.save or settings.update):
        return
    for record in run.suites:
        if lacking := unmeasured(record):
            title = record.planned.title
            raise UsageError(f"nothing is kept, since problems of {title} lack verdicts: {name_some(lacking)}")
    places = Places(settings.folder, None)
    for key, new in measure_suites(run, summaries).items():
        if settings.save:
            kept = places.read(settings.save, new.title)
            yield places.write(settings.save, pool(kept, new) if kept else new)
        if settings.update and settings.compare:
            change = update if settings.update == "all" else update_new_only
            held = baselines.get(key)
            yield places.write(settings.compare, change(held, new) if held else new)
