"""Putting measurements together: more runs of the same, or later counts in the place of earlier ones.

Nothing here looks at which counts are better: a baseline that kept the best run would raise alarms by itself.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from pytest_passatk.core.errors import UsageError
from pytest_passatk.core.names import name_some
from pytest_passatk.gate.comparability import model_differences, row_differences, setting_differences
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement

NOTHING = (0, 0)  # the counts of a problem in a run that left it out


@dataclass(frozen=True, slots=True)
class _Part:
    """One run with its own (n, c) by problem."""

    run: MeasuredRun
    counts: dict[str, tuple[int, int]]


def pool(baseline: Measurement, new: Measurement) -> Measurement:
    """The baseline with the runs of another measurement of the same model and settings: n grows.

    Samples of one seed are the same samples, so that a run replaces the one that has its seed; only where it has fewer
    samples of a problem, those of before stay.

    Raises:
        UsageError: they do not measure the same.
    """
    _refuse(baseline, new, [*_mixtures(baseline, new), *(each.text for each in row_differences(baseline, new))])
    parts = {part.run.seed: part for part in _parts(baseline)}
    for part in _parts(new):
        kept = parts[part.run.seed].counts if part.run.seed in parts else {}
        newer = {name: each for name, each in part.counts.items() if each[0] >= kept.get(name, NOTHING)[0]}
        parts[part.run.seed] = _Part(part.run, {**kept, **newer})
    return _assemble(baseline, new, parts.values())


def update(baseline: Measurement, new: Measurement) -> Measurement:
    """The baseline with the counts of the problems that were run in the place of what it had; it keeps all others.

    Raises:
        UsageError: some problems were not run, and model or settings of the others would no longer be theirs.
    """
    if mixed := list(_mixtures(baseline, new)):
        rest = _ids(baseline) - _ids(new)
        _refuse(baseline, new, [*mixed, f"not run: {_named(rest)}"] if rest else [])
    return _replace(baseline, new, _ids(new))


def update_new_only(baseline: Measurement, new: Measurement) -> Measurement:
    """The baseline with the counts of the problems that it lacks.

    Raises:
        UsageError: model or settings differ.
    """
    added = _ids(new) - _ids(baseline)
    if not added:
        return baseline
    _refuse(baseline, new, list(_mixtures(baseline, new)))
    only = replace(new, problems=tuple(problem for problem in new.problems if problem.id in added))
    return _replace(baseline, only, added)


def _replace(baseline: Measurement, new: Measurement, names: Collection[str]) -> Measurement:
    parts = {
        part.run.seed: _Part(part.run, {name: count for name, count in part.counts.items() if name not in names})
        for part in _parts(baseline)
    }
    for part in _parts(new):
        kept = parts[part.run.seed].counts if part.run.seed in parts else {}
        parts[part.run.seed] = _Part(part.run, {**kept, **part.counts})
    return _assemble(baseline, new, parts.values())


def _parts(measurement: Measurement) -> Iterator[_Part]:
    for place, run in enumerate(measurement.runs):
        counts = {
            problem.id: problem.runs[place] if problem.runs else (problem.n, problem.c)
            for problem in measurement.problems
        }
        yield _Part(run, {name: count for name, count in counts.items() if count[0]})


def _assemble(baseline: Measurement, new: Measurement, parts: Iterable[_Part]) -> Measurement:
    """One measurement of these runs; what describes a problem, or the model, is that of the latest."""
    filled = sorted((part for part in parts if part.counts), key=lambda part: part.run.started)
    described = {problem.id: problem for problem in (*baseline.problems, *new.problems)}
    problems = (_problem(described[name], filled) for name in sorted(described))
    return replace(
        new,
        label=baseline.label,
        title=baseline.title,
        runs=tuple(part.run for part in filled),
        problems=tuple(problems),
    )


def _problem(described: Measured, parts: Collection[_Part]) -> Measured:
    runs = tuple(part.counts.get(described.id, NOTHING) for part in parts)
    n, c = (sum(side) for side in zip(*runs, strict=True))
    return replace(described, n=n, c=c, runs=runs if len(runs) > 1 else ())


def _mixtures(baseline: Measurement, new: Measurement) -> Iterator[str]:
    """What must not differ between runs of one measurement; versions of libraries may: every run has its own."""
    for change in model_differences(baseline, new):
        yield f"model: {change}"
    for each in setting_differences(baseline, new):
        yield each.text


def _refuse(baseline: Measurement, new: Measurement, reasons: Collection[str]) -> None:
    if reasons:
        raise UsageError(
            f"{new.label} cannot join {baseline.label} of {baseline.title}, which would mix what differs: "
            f"{'; '.join(reasons)}: run all problems with --passatk-update to replace it, or save under another name"
        )


def _ids(measurement: Measurement) -> set[str]:
    return {problem.id for problem in measurement.problems}


def _named(names: Collection[str]) -> str:
    return f"{len(names):,} problem{'' if len(names) == 1 else 's'} ({name_some(sorted(names))})"
