"""A matrix as one JSON document; docs/matrix.md describes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_passatk.commands.matrix_rows import Row, rows_of
from pytest_passatk.commands.matrix_runs import Result
from pytest_passatk.report.output import replacing

SCHEMA = 1


def write(path: Path, results: Sequence[Result], ks: Sequence[int]) -> None:
    """Write the document, whole or not at all. Raises UsageError, which names the file, where that fails."""
    document = {"schema": SCHEMA, "ks": list(ks), "cells": [_cell(result) for result in results]}
    with replacing(path) as stream:
        json.dump(document, stream, indent=1, ensure_ascii=False, allow_nan=False)
        stream.write("\n")


def _cell(result: Result) -> Mapping[str, Any]:
    cell = result.cell
    return {
        "model": cell.model,
        "suite": cell.suite,
        "failed": result.fault or None,
        "reused": result.reused,
        "report": str(cell.report) if result.report else None,
        "log": str(cell.log),
        "rows": [_row(row) for row in rows_of(result)],
    }


def _row(row: Row) -> Mapping[str, Any]:
    return {
        "suite": row.suite,
        "arm": row.arm or None,
        "passes": [{"k": k, **asdict(found)} for k, found in sorted(row.passes.items())],
        "tokens_per_second": row.speed,
        "seconds": row.seconds,
        "samples": row.samples,
        "reused": row.reused,
        "changes": [{"k": k, **asdict(found)} for k, found in sorted(row.changes.items())],
        "ratio": asdict(row.ratio) if row.ratio else None,
        "drift": row.drift,
        "regressed": list(row.regressed),
        "incomparable": list(row.incomparable),
        "notes": list(row.notes),
    }
