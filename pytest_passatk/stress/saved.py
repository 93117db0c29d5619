"""Schedules that failed: files that are played first next time, and that a person can read and review."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from pytest_passatk.core.errors import UsageError
from pytest_passatk.stress.schedule import Schedule
from pytest_passatk.stress.search import Smallest

UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
DIGITS = 8  # of the digest
LONGEST = 60  # characters of a patch or a runtime in a file's name


def save(folder: Path, smallest: Smallest, patch: str, runtime: str) -> Path:
    """Write a schedule that fails; the same one for the same patch and runtime gives the same file.

    Args:
        folder: made where there is none.
        smallest: with the finding, whose first alarm is kept.
        patch: its name.
        runtime: its name.

    Raises:
        UsageError: the folder cannot be written.
    """
    alarm = smallest.finding.alarms[0]
    record = {
        "patch": patch,
        "runtime": runtime,
        "oracle": str(alarm.oracle),
        "text": alarm.text,
        "schedule": asdict(smallest.schedule),
    }
    path = folder / file_name(patch, runtime, smallest.schedule)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, record)
    except OSError as error:
        raise UsageError(f"{path}: the failing schedule cannot be saved ({error.strerror})") from error
    return path


def saved(folder: Path) -> Sequence[tuple[str, Schedule]]:
    """All schedules of a folder with the names of their files, sorted by these; none where there is no folder.

    Raises:
        UsageError: a file cannot be read, or holds no schedule.
    """
    paths = sorted(folder.glob("*.json"), key=lambda path: path.name)
    return [(path.stem, Schedule.read(path)) for path in paths if not path.name.startswith(".")]


def file_name(patch: str, runtime: str, schedule: Schedule) -> str:
    """`<patch>-<runtime>-<digest>.json`, without characters that some file system or shell does not like."""
    plain = json.dumps([patch, runtime, {**asdict(schedule), "name": ""}], sort_keys=True)
    digest = sha256(plain.encode()).hexdigest()[:DIGITS]
    return "-".join([_safe(patch), _safe(runtime), digest]) + ".json"


def _safe(name: str) -> str:
    return UNSAFE.sub("_", name)[-LONGEST:].strip("._-") or "_"


def _write(path: Path, record: dict[str, Any]) -> None:
    """All of a file or nothing: whoever reads the folder meanwhile never finds half of one."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
