"""The independent runs of a suite as plain data, for the JSON report; docs/json.md describes them."""

from dataclasses import asdict
from typing import Any

from pytest_passatk.core.outcomes import outcomes_of
from pytest_passatk.core.plan import repeat_seed
from pytest_passatk.core.record import SuiteRecord
from pytest_passatk.core.repeats import Repeats
from pytest_passatk.core.summary import summarize
from pytest_passatk.report.json_estimate import plain_estimate


def plain_repeats(record: SuiteRecord, repeats: Repeats, seed: int) -> dict[str, Any]:
    """Each run by itself, and whether they differ.

    Args:
        record: of the suite, with its runs.
        repeats: what was found of them.
        seed: of the session.
    """
    return {
        "drift": asdict(repeats.drift) if repeats.drift else None,
        "runs": [_run(part, seed) for part in record.runs],
    }


def _run(record: SuiteRecord, seed: int) -> dict[str, Any]:
    summary = summarize(record)
    problems = [(problem, outcomes_of(problem)) for problem in record.problems]
    return {
        "repeat": record.planned.repeat,
        "seed": repeat_seed(seed, record.planned.repeat),
        "n": record.planned.n,
        "reused": record.reused,
        "sampled": record.sampled,
        "seconds": record.seconds,
        "tokens_per_second": summary.figures.tokens_per_second if summary.figures else None,
        "estimates": [plain_estimate(estimate) for estimate in summary.estimates],
        "problems": [
            {"id": found.id, "n": found.judged, "c": found.passed, "stream": problem.stream}
            for problem, found in problems
        ],
    }
