"""Measuring the cells of a matrix: what is finished stays, one that fails is told, and the others go on."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_passatk.commands.matrix_cells import Cell
from pytest_passatk.commands.matrix_lock import sign
from pytest_passatk.commands.matrix_log import reason_in
from pytest_passatk.commands.matrix_settings import digest, environment
from pytest_passatk.report.output import replacing

MEASURED = (0, 1)  # exit statuses of a run with figures; 1 is a regression where the file names figures


@dataclass(frozen=True, slots=True)
class Result:
    """What a cell came to.

    Attributes:
        cell: the cell.
        report: the JSON report; `None` where there are no figures.
        fault: why there are none; empty where there are.
        reused: whether an earlier run measured it.
        seconds: that the run took; 0 where it was reused.
    """

    cell: Cell
    report: Mapping[str, Any] | None
    fault: str
    reused: bool
    seconds: float


def finished(cell: Cell) -> Result | None:
    """What an earlier run measured of the cell with the same settings; `None` where none did."""
    note, report = _read(cell.note), _read(cell.report)
    if note is None or report is None or note.get("settings") != digest(cell) or lacking(cell, report):
        return None
    return Result(cell, report, "", reused=True, seconds=0.0)


def measure(cell: Cell, held: int | None = None) -> Result:
    """Run pytest on the cell; the store brings what an interrupted run drew.

    Args:
        cell: the cell.
        held: descriptor of the lock on its folder, which the run holds, too.
    """
    cell.report.unlink(missing_ok=True)
    # The note comes first: where only this command is killed, pytest goes on, and its report counts.
    with replacing(cell.note) as stream:
        json.dump({"settings": digest(cell), "command": shlex.join(["pytest", *cell.words()])}, stream, indent=1)
    start = time.monotonic()
    status = _pytest(cell, () if held is None else (held,))
    seconds, report = time.monotonic() - start, _read(cell.report)
    fault = _fault(cell, status, report)
    if fault:
        cell.note.unlink(missing_ok=True)
    return Result(cell, None if fault else report, fault, reused=False, seconds=seconds)


def _pytest(cell: Cell, held: tuple[int, ...]) -> int:
    """The exit status of pytest, which prints into the log. Ctrl-C reaches it, too, and waits for it."""
    words = cell.words()
    with cell.log.open("w", encoding="utf-8") as log:
        log.write(f"$ {shlex.join(['pytest', *words])}\n")
        log.flush()
        process = subprocess.Popen(  # noqa: S603 - the user's own suites, and their own Python
            [sys.executable, "-m", "pytest", *words], env=environment(), stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, pass_fds=held,
        )  # fmt: skip
        for each in held:
            sign(each, process.pid)
        try:
            return process.wait()
        finally:
            process.wait()


def _fault(cell: Cell, status: int, report: Mapping[str, Any] | None) -> str:
    """Why a run has no figures; empty where it has."""
    if report is not None and status in MEASURED:
        return lacking(cell, report)
    ended = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"{reason_in(cell.log)} ({ended})"


def lacking(cell: Cell, report: Mapping[str, Any]) -> str:
    """What a report lacks; empty where every arm of every suite has its figures."""
    suites = report.get("suites", [])
    for suite in suites:
        if suite["withheld"]:
            return f"{suite['title']}: pass@k is withheld: {suite['withheld']}"
    names = [suite["name"] for suite in suites]
    short = [name for name in dict.fromkeys(names) if names.count(name) < cell.arms]
    if short:
        return f"{short[0]}: {names.count(short[0])} of {cell.arms} arms were measured"
    return "" if suites else "no suite was collected"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or not finished
        return None
    return read if isinstance(read, dict) else None
