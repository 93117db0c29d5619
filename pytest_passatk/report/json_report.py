"""A run as one JSON document; docs/json.md describes it."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_passatk import __version__
from pytest_passatk.core.interval import Estimate
from pytest_passatk.core.outcomes import Outcomes
from pytest_passatk.core.record import ProblemRecord, RunRecord, SuiteRecord
from pytest_passatk.core.summary import SuiteSummary, truncated, unanswered
from pytest_passatk.report.output import replacing

SCHEMA = 1


def to_json(run: RunRecord, summaries: Sequence[SuiteSummary]) -> dict[str, Any]:
    """The run as plain data, all of the table in it and the counts of every problem.

    Args:
        run: the record.
        summaries: of its suites, in the same order.
    """
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
        "suites": [_suite(record, summary) for record, summary in zip(run.suites, summaries, strict=True)],
    }


def write(path: Path, run: RunRecord, summaries: Sequence[SuiteSummary]) -> None:
    """Write the document, whole or not at all. Raises UsageError, which names the file, where that fails."""
    with replacing(path) as stream:
        json.dump(to_json(run, summaries), stream, indent=1, ensure_ascii=False, allow_nan=False)
        stream.write("\n")


def _suite(record: SuiteRecord, summary: SuiteSummary) -> dict[str, Any]:
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
        "seconds": record.seconds,
        "level": summary.level,
        "withheld": summary.withheld,
        "estimates": [_estimate(estimate) for estimate in summary.estimates],
        "samples": {
            "judged": summary.judged,
            "solved": summary.solved,
            "timeouts": summary.timeouts,
            "errors": summary.errors,
        },
        "figures": asdict(summary.figures) if summary.figures else None,
        "bands": {band: [count.id for count in counts] for band, counts in summary.bands.items()},
        "skipped": list(summary.skipped),
        "forgeable": list(summary.forgeable),
        "problems": [
            _problem(problem, outcomes, extracts=planned.extracts)
            for problem, outcomes in zip(record.problems, summary.outcomes, strict=True)
        ],
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "k": estimate.k,
        "value": estimate.value,
        "run": _interval(estimate.run, estimate.run_se),
        "population": _interval(estimate.population, estimate.population_se),
        "problems": estimate.problems,
    }


def _interval(ends: tuple[float, float], error: float) -> dict[str, float]:
    return {"low": ends[0], "high": ends[1], "se": error}


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
