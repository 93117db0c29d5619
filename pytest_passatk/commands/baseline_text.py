"""Baselines in words."""

import os
import sys
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size

from pytest_passatk.commands.columns import aligned
from pytest_passatk.core.estimate import mean_pass_at_k
from pytest_passatk.core.interval import default_ks
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.summary import SuiteSummary, conclude, model_label
from pytest_passatk.gate.comparability import model_differences, row_differences, setting_differences
from pytest_passatk.gate.drift import drift_note
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement
from pytest_passatk.report.table import render
from pytest_passatk.report.text import visible

HEADINGS = ("baseline", "suite", "problems", "n", "runs", "pass@1", "model")


def listed(found: Sequence[tuple[str, Measurement]]) -> list[str]:
    """One line a suite of a baseline."""
    return aligned([HEADINGS, *(_row(name, measurement) for name, measurement in found)])


def shown(measurement: Measurement) -> Iterator[str]:
    """pass@k with both intervals, and the runs that were pooled."""
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    encoding = sys.stdout.encoding or "utf-8"
    yield render(
        [_summary(measurement)], width=get_terminal_size().columns, color=color, encoding=encoding, whole=True
    ).rstrip("\n")
    yield ""
    yield f"  samples of a problem: {_sizes(measurement)}"
    yield from (f"  {_run(run)}" for run in measurement.runs)
    if note := drift_note(measurement):
        yield f"  note: {visible(note)}"


def differing(before: Measurement, after: Measurement) -> Iterator[str]:
    """What differs in the settings, then the problems whose share of right samples differs, sorted by id."""
    settings = [
        *(f"model: {change}" for change in model_differences(before, after)),
        *(each.text for each in (*setting_differences(before, after), *row_differences(before, after))),
    ]
    old, new = ({each.id: each for each in side.problems} for side in (before, after))
    rows = [
        (f"  {visible(name)}", _counts(old.get(name)), "->", _counts(new.get(name)))
        for name in sorted(old.keys() | new.keys())
        if _moved(old.get(name), new.get(name))
    ]
    total = len(old.keys() | new.keys())
    yield f"{visible(after.title)}: {len(rows):,} of {total:,} problems differ"
    yield from (f"  {visible(line)}" for line in settings)
    yield from aligned(rows) if rows else ()


def _row(name: str, measurement: Measurement) -> tuple[str, ...]:
    counts = measurement.counts
    return (
        visible(name),
        visible(measurement.title),
        f"{len(counts):,}",
        _sizes(measurement),
        f"{len(measurement.runs)}",
        f"{mean_pass_at_k(counts, 1):.3f}" if counts else "-",
        _model(measurement),
    )


def _sizes(measurement: Measurement) -> str:
    sizes = sorted({problem.n for problem in measurement.problems}) or [0]
    return f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"


def _summary(measurement: Measurement) -> SuiteSummary:
    sizes = [problem.n for problem in measurement.problems] or [1]
    return conclude(
        name=measurement.title,
        title=measurement.title,
        model=_model(measurement),
        n=max(sizes),
        ks=default_ks(min(sizes)),
        outcomes=[Outcomes(each.id, each.n, each.c, each.n - each.c) for each in measurement.problems],
    )


def _model(measurement: Measurement) -> str:
    name, backend = (str(measurement.model.get(field, "?")) for field in ("name", "backend"))
    return visible(model_label(name, backend, measurement.model.get("adapter"), measurement.model.get("patch")))


def _run(run: MeasuredRun) -> str:
    pace = run.pace.figures.get("tokens/s") if run.pace else None
    parts = [f"run of {run.started}", f"seed {run.seed}"]
    parts += [f"{library} {version}" for library, version in run.versions.items()]
    parts += [] if pace is None or run.pace is None else [f"{pace:,.0f} tokens/s on {run.pace.machine}"]
    return visible(", ".join(parts))


def _moved(old: Measured | None, new: Measured | None) -> bool:
    return old is None or new is None or old.c * new.n != new.c * old.n


def _counts(problem: Measured | None) -> str:
    return f"{problem.c}/{problem.n}" if problem else "absent"
