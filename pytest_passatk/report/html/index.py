"""What a page knows before it loads any text: figures, counts of every problem, comparisons, and where texts lie."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeAlias

from pytest_passatk import __version__
from pytest_passatk.core.interval import Estimate
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.record import ProblemRecord, RunRecord, SuiteRecord
from pytest_passatk.core.sample import SamplingParams
from pytest_passatk.core.summary import Figures, SuiteSummary, truncated, unanswered
from pytest_passatk.core.verdict import Status
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.report.html.chunks import Shelf, shelve
from pytest_passatk.report.html.contrasts import contrasts_of, curve, strays_of, value_in
from pytest_passatk.report.text import seconds
from pytest_passatk.report.wording import runs_of

Facts: TypeAlias = Iterator[tuple[str, str]]
"""Labels with values; an empty value means nothing for this suite."""

_COLUMNS = {  # name on the page → attribute of Outcomes
    "id": "id",
    "state": "state",
    "n": "judged",
    "c": "passed",
    "fail": "failed",
    "timeout": "timeouts",
    "forgeable": "forgeable",
}


def index_of(
    run: RunRecord, summaries: Sequence[SuiteSummary], comparisons: Sequence[Comparison], shelf: Shelf
) -> dict[str, Any]:
    """The plain form of a run; its texts are put on the shelf on the way.

    Args:
        run: the record.
        summaries: of its suites, in the same order.
        comparisons: of any of its suites.
        shelf: for the texts.
    """
    pairs = zip(run.suites, summaries, strict=True)
    return {
        "command": run.command,
        "facts": list(_run(run)),
        "folder": shelf.folder,
        "strays": strays_of(run.suites, comparisons),
        "suites": [_suite(record, summary, comparisons, shelf) for record, summary in pairs],
    }


def _run(run: RunRecord) -> Facts:
    if run.id is not None:
        yield "run", str(run.id)
    yield "started", run.started
    yield "took", seconds(run.seconds)
    yield "seed", str(run.seed)
    if run.profile:
        yield "profile", f"{run.profile.name} in {run.profile.file}"
    yield "pytest-passatk", __version__


def _suite(
    record: SuiteRecord, summary: SuiteSummary, comparisons: Sequence[Comparison], shelf: Shelf
) -> dict[str, Any]:
    return {
        "title": summary.title,
        "name": summary.name,
        "model": summary.model,
        "n": summary.n,
        "level": f"{summary.level:.0%}",
        "withheld": summary.withheld,
        "solved": summary.solved,
        "judged": summary.judged,
        "facts": [*_settings(record), *_figures(summary.figures)],
        "remarks": list(_remarks(summary)),
        "estimates": [_estimate(each) for each in summary.estimates],
        "curve": curve([] if summary.withheld else summary.counts, summary.level, summary.ks),
        "contrasts": contrasts_of(record, comparisons),
        "problems": _problems(record, summary.outcomes),
        "chunks": shelve(record, shelf),
    }


def _remarks(summary: SuiteSummary) -> Iterator[str]:
    if far := summary.extrapolation:
        bracket = f"{far.low:.3f} – {far.high:.3f}, {far.point:.3f} if pass rates follow a Beta"
        yield f"pass@{far.k} extrapolated, for information: {bracket}"
    if summary.repeats:
        yield from runs_of(summary.title, summary.repeats)
    if summary.copies:
        yield f"warning: {summary.copies.note}"


def _settings(record: SuiteRecord) -> Facts:
    planned, model = record.planned, record.model
    yield "suite", planned.name
    yield "rows", planned.revision or ""
    yield "model", model.name
    yield "backend", model.backend
    yield "revision", model.revision
    yield "adapter", model.adapter or ""
    yield "patch", model.patch or ""
    yield "dtype", model.dtype
    yield "device", model.device
    yield "chat template", model.chat_template
    yield from model.versions.items()
    for setting in fields(SamplingParams):
        yield setting.name, _plain(getattr(planned.params, setting.name))
    yield "isolation", planned.isolation or ""


def _figures(figures: Figures | None) -> Facts:
    if figures:
        yield "sampled", f"{figures.sampled:,}"
        yield "reused", f"{figures.reused:,}"
        yield "distinct texts", "" if figures.distinct is None else f"{figures.distinct:.3f}"
        yield "truncated", f"{figures.truncated:,}"
        yield "no answer", "" if figures.no_answer is None else f"{figures.no_answer:,}"
        yield "tokens", f"{figures.tokens:,}"
        yield "tokens/s", "" if figures.tokens_per_second is None else f"{figures.tokens_per_second:,.0f}"
        yield "latency p50", "" if figures.latency_p50 is None else seconds(figures.latency_p50)
        yield "latency p95", "" if figures.latency_p95 is None else seconds(figures.latency_p95)


def _plain(value: object) -> str:
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else str(value)


def _estimate(estimate: Estimate) -> list[str]:
    intervals = [f"{low:.3f} – {high:.3f}" for low, high in (estimate.run, estimate.population)]
    return [f"pass@{estimate.k}", value_in(estimate), *intervals]


def _problems(record: SuiteRecord, outcomes: Sequence[Outcomes]) -> dict[str, list[Any]]:
    """The counts of every problem in columns, which take a third of the room of rows."""
    columns = {name: list(map(attrgetter(path), outcomes)) for name, path in _COLUMNS.items()}
    columns["error"] = [len(each.errors) for each in outcomes]
    columns["skip"] = [problem.count(Status.SKIP) for problem in record.problems]
    columns["truncated"] = list(map(truncated, record.problems))
    columns["unanswered"] = [_unanswered(problem, record) for problem in record.problems]
    return columns


def _unanswered(problem: ProblemRecord, record: SuiteRecord) -> int:
    return unanswered(problem) if record.planned.extracts else 0
