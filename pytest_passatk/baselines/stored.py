"""Runs of the store as sides of a comparison."""

from collections.abc import Mapping
from typing import Any

from pytest_passatk.baselines.names import LAST
from pytest_passatk.core.errors import UsageError
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement
from pytest_passatk.gate.measuring import DIGITS, PACKAGE, run_key, short
from pytest_passatk.report.text import visible
from pytest_passatk.store import RunRow, Store, SuiteRow

CUT_OFF = frozenset({2, 3})  # pytest's status where a run was interrupted, or pytest broke
UNIDENTIFIED = frozenset({"device", "context"})  # what ModelInfo.identity leaves out


def find_run(store: Store, place: str, title: str | None = None) -> RunRow:
    """The run of that number; `last` is the last one that came to its end and has such a suite.

    Raises:
        UsageError: there is none.
    """
    runs = store.runs()
    if place == LAST:
        for run in reversed(runs):
            if run.exit is not None and run.exit not in CUT_OFF and _has(store, run, title):
                return run
        of = f" of {visible(title)}" if title else ""
        raise UsageError(f"{store.where}: no finished run{of} in it yet: run the suite once, and then compare")
    for run in runs:
        if run.id == int(place):
            return run
    there = f"runs {runs[0].id:,} to {runs[-1].id:,}; `passatk runs` lists them" if runs else "no run yet"
    raise UsageError(f"no run {place} in {store.where}: it has {there}")


def find_suite(store: Store, run: RunRow, title: str) -> SuiteRow | None:
    """The suite of that title. Raises UsageError where two have it."""
    found = [suite for suite in store.suites(run.id) if suite.title == title]
    if len(found) > 1:
        names = " and ".join(visible(suite.name) for suite in found)
        raise UsageError(f"run {run.id}: {names} are both called {visible(title)}: compare a run of one of them")
    return found[0] if found else None


def measured(store: Store, run: RunRow, suite: SuiteRow) -> Measurement:
    """What a stored run measured: the counts of the problems with all their verdicts."""
    model = {field: value for field, value in suite.model.items() if field not in UNIDENTIFIED}
    counts = {each.id: each.count for each in store.outcomes(suite.id) if each.state == "complete"}
    sources = {source.id: source for source in store.sources(suite.id) if source.id in counts}
    return Measurement(
        label=f"run {run.id}",
        title=suite.title,
        model=model,
        sampling=suite.sampling,
        verifier=_digits(suite.verifier),
        revision=None,
        runs=(_run(run, model, suite.sampling),),
        problems=tuple(
            Measured(name, counts[name].n, counts[name].c, _digits(source.row), short(source.prompt))
            for name, source in sorted(sources.items())
        ),
    )


def unmeasured(store: Store, suite: SuiteRow) -> tuple[str, ...]:
    """The problems with a sample on which the harness broke, or one that is missing."""
    return tuple(each.id for each in store.outcomes(suite.id) if each.state in {"error", "incomplete"})


def _has(store: Store, run: RunRow, title: str | None) -> bool:
    suites = store.suites(run.id)
    return bool(suites) if title is None else any(suite.title == title for suite in suites)


def _run(run: RunRow, model: Mapping[str, Any], sampling: Mapping[str, Any]) -> MeasuredRun:
    versions = {PACKAGE: run.version, **model.get("versions", {})}
    return MeasuredRun(run_key(model, sampling, run.seed), run.seed, run.started, versions)


def _digits(digest: str | None) -> str | None:
    return digest[:DIGITS] if digest else None
