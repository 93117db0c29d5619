"""Runs of the store as sides of a comparison."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pytest_passatk.baselines.names import LAST
from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.plan import repeat_seed
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement
from pytest_passatk.gate.measuring import DIGITS, PACKAGE, run_key, short
from pytest_passatk.gate.pooling import pool
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


def find_suite(store: Store, run: RunRow, title: str) -> list[SuiteRow]:
    """The rows of the suite of that title, one for each of its runs in the session; none where there is no such suite.

    Raises:
        UsageError: two suites have that title.
    """
    found = [suite for suite in store.suites(run.id) if suite.title == title]
    names = list(dict.fromkeys(suite.name for suite in found))
    if len(names) > 1:
        both = " and ".join(map(visible, names))
        raise UsageError(f"run {run.id}: {both} are both called {visible(title)}: compare a run of one of them")
    return found


def measured(store: Store, run: RunRow, suites: Sequence[SuiteRow]) -> Measurement:
    """What a stored run measured: the counts of the problems with all their verdicts, of all its repeats together."""
    return reduce(pool, (_measured(store, run, suite) for suite in suites))


def _measured(store: Store, run: RunRow, suite: SuiteRow) -> Measurement:
    model = {field: value for field, value in suite.model.items() if field not in UNIDENTIFIED}
    if model.get("patch") is None:
        model.pop("patch", None)  # as ModelInfo.identity has it
    counts = {each.id: each.count for each in store.outcomes(suite.id) if each.state == "complete"}
    sources = {source.id: source for source in store.sources(suite.id) if source.id in counts}
    return Measurement(
        label=f"run {run.id}",
        title=suite.title,
        model=model,
        sampling=suite.sampling,
        verifier=_digits(suite.verifier),
        revision=None,
        runs=(_run(run, suite, model),),
        problems=tuple(
            Measured(name, counts[name].n, counts[name].c, _digits(source.row), short(source.prompt))
            for name, source in sorted(sources.items())
        ),
    )


def unmeasured(store: Store, suites: Sequence[SuiteRow]) -> tuple[str, ...]:
    """The problems with a sample on which the harness broke, or one that is missing."""
    outcomes = (each for suite in suites for each in store.outcomes(suite.id))
    return tuple(dict.fromkeys(each.id for each in outcomes if each.state in {"error", "incomplete"}))


def _has(store: Store, run: RunRow, title: str | None) -> bool:
    suites = store.suites(run.id)
    return bool(suites) if title is None else any(suite.title == title for suite in suites)


def _run(run: RunRow, suite: SuiteRow, model: Mapping[str, Any]) -> MeasuredRun:
    versions, seed = {PACKAGE: run.version, **model.get("versions", {})}, repeat_seed(run.seed, suite.repeat)
    return MeasuredRun(run_key(model, suite.sampling, seed), seed, run.started, versions)


def _digits(digest: str | None) -> str | None:
    return digest[:DIGITS] if digest else None
