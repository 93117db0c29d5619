"""A run as one JSON document; docs/json.md describes it."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from pytest_passatk import __version__
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.record import ProblemRecord, RunRecord, SuiteRecord
from pytest_passatk.core.summary import SuiteSummary, truncated, unanswered
from pytest_passatk.gate.comparison import Comparison
from pytest_passatk.report.json_comparison import plain_comparison
from pytest_passatk.report.json_estimate import plain_estimate
from pytest_passatk.report.json_repeats import plain_repeats
from pytest_passatk.report.output import replacing

SCHEMA = 1


def to_json(
    run: RunRecord,
    summaries: Sequence[SuiteSummary],
    comparisons: Sequence[Comparison] = (),
) -> dict[str, Any]:
    """The run as plain data, all of the table in it and the counts of every problem.

    Args:
        run: the record.
        summaries: of its suites, in the same order.
        comparisons: with baselines, and of arms with one another.
    """
    suites = zip(run.suites, summaries, strict=True)
    return {
        "schema": SCHEMA,
        "run": {
            "id": run.id,
            "command": run.command,
            "seed": run.seed,
            "started": run.started,
            "seconds": run.seconds,
            "profile": asdict(run.profile) if run.profile else None,
        },
        "versions": {"pytest-passatk": __version__, "python": platform.python_version()},
        "suites": [_suite(record, summary, run.seed) for record, summary in suites],
        "comparisons": [plain_comparison(comparison) for comparison in comparisons],
    }


def write(
    path: Path,
    run: RunRecord,
    summaries: Sequence[SuiteSummary],
    comparisons: Sequence[Comparison] = (),
) -> None:
    """Write the document, whole or not at all. Raises UsageError, which names the file, where that fails."""
    document = to_json(run, summaries, comparisons)
    with replacing(path) as stream:
        _dump(document, stream)


def write_comparisons(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Write comparisons without a run, as the document of a run has them. Raises UsageError, which names the file."""
    with replacing(path) as stream:
        _dump({"schema": SCHEMA, "comparisons": [plain_comparison(each) for each in comparisons]}, stream)


def _dump(document: Mapping[str, Any], stream: IO[str]) -> None:
    json.dump(document, stream, indent=1, ensure_ascii=False, allow_nan=False)
    stream.write("\n")


def _suite(record: SuiteRecord, summary: SuiteSummary, seed: int) -> dict[str, Any]:
    planned = record.planned
    return {
        "name": planned.name,
        "title": planned.title,
        "arm": planned.arm or None,
        "revision": planned.revision,
        "isolation": planned.isolation,
        "model": record.model.to_dict(),
        "sampling": asdict(planned.params),
        "n": planned.n,
        "ks": list(planned.ks),
        "extracts": planned.extracts,
        "repeats": plain_repeats(record, summary.repeats, seed) if summary.repeats else None,
        "seconds": record.seconds,
        "level": summary.level,
        "withheld": summary.withheld,
        "estimates": [plain_estimate(estimate) for estimate in summary.estimates],
        "extrapolation": asdict(summary.extrapolation) if summary.extrapolation else None,
        "samples": {
            "judged": summary.judged,
            "solved": summary.solved,
            "timeouts": summary.timeouts,
            "errors": summary.errors,
        },
        "figures": asdict(summary.figures) if summary.figures else None,
        "copies": asdict(summary.copies) if summary.copies else None,
        "bands": {band: [count.id for count in counts] for band, counts in summary.bands.items()},
        "skipped": list(summary.skipped),
        "forgeable": list(summary.forgeable),
        "problems": [
            _problem(problem, outcomes, extracts=planned.extracts)
            for problem, outcomes in zip(record.problems, summary.outcomes, strict=True)
        ],
    }


def _problem(problem: ProblemRecord, outcomes: Outcomes, *, extracts: bool) -> dict[str, Any]:
    return {
        "id": problem.id,
        "status": outcomes.state,
        "planned": problem.planned,
        "n": outcomes.judged,
        "c": outcomes.passed,
        "timeouts": outcomes.timeouts,
        "truncated": truncated(problem),
        "no_answer": unanswered(problem) if extracts else None,
        "errors": list(outcomes.errors),
        "forgeable": outcomes.forgeable,
        "stream": problem.stream,
    }
