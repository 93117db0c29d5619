"""One baseline file: a header in the first line, then a line a problem, sorted by id; docs/baselines.md describes it.

{"schema": 1, "title": "aime", "problems": 1, "model": {…}, "sampling": {…}, "verifier": "…", …, "runs": […]}
{"id": "2024-I-1", "n": 32, "c": 9, "row": "0f3a…", "prompt": "9b1c…"}
"""

from json import dumps
from pathlib import Path
from typing import Any

from pytest_passatk.baselines.parsing import SCHEMA, parse
from pytest_passatk.core.errors import UsageError
from pytest_passatk.gate.measurement import Measured, MeasuredRun, Measurement
from pytest_passatk.report.output import replacing


def write(path: Path, measurement: Measurement) -> None:
    """Write a measurement, whole or not at all. Raises UsageError, which names the file, where that fails."""
    lines = [_header(measurement), *map(_problem, measurement.problems)]
    with replacing(path) as stream:
        stream.writelines(dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)


def read(path: Path, label: str) -> Measurement:
    """The measurement in a file.

    Args:
        path: of the file.
        label: what a person calls it.

    Raises:
        UsageError: the file cannot be read, is torn, or says what cannot be; with file, line, id and remedy.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}: name a baseline file") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: no baseline file: it is not UTF-8 text ({error.reason})") from error
    return parse(text, str(path), label)


def _header(measurement: Measurement) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "title": measurement.title,
        "problems": len(measurement.problems),
        "model": dict(measurement.model),
        "sampling": dict(measurement.sampling),
        "verifier": measurement.verifier,
        "revision": measurement.revision,
        "runs": [_run(run) for run in measurement.runs],
    }


def _run(run: MeasuredRun) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "key": run.key, "seed": run.seed, "started": run.started, "versions": dict(sorted(run.versions.items())),
    }  # fmt: skip
    if run.pace is not None:
        plain["pace"] = {"machine": run.pace.machine, "figures": dict(run.pace.figures)}
    return plain


def _problem(problem: Measured) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": problem.id, "n": problem.n, "c": problem.c}
    plain |= {"row": problem.row, "prompt": problem.prompt}
    if any(n for n, _ in problem.runs[1:]):  # else all are of the first run, and the line stays as it was
        plain["runs"] = [list(counts) for counts in problem.runs]
    return plain
