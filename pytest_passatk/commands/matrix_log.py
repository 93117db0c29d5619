"""Why a run of pytest failed, from what it printed."""

from collections.abc import Iterator
from pathlib import Path

from pytest_passatk.report.text import visible

TAIL = 65_536  # bytes of a log that are looked at
MOST = 300  # characters of a reason
MARKS = ("ERROR: ", "E   ", "INTERNALERROR> ")  # in front of pytest's reasons, the clearest first
HEADS = ("ERROR collecting ", "ERROR at ")  # above a reason that has no mark


def reason_in(log: Path) -> str:
    """The last line in which pytest tells a reason, with a mark or under a head; or else the last line."""
    lines = _tail(log)
    for mark in MARKS:
        for line in reversed(lines):
            if line.startswith(mark):
                return _short(line.removeprefix(mark))
    for head, line in zip(reversed(lines[:-1]), reversed(lines[1:]), strict=True):
        if head.strip("_ ").startswith(HEADS):
            return _short(line)
    return _short(lines[-1]) if lines else "pytest printed nothing"


def _tail(log: Path) -> list[str]:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL))
        text = stream.read().decode("utf-8", "replace")
    return list(_telling(text))


def _telling(text: str) -> Iterator[str]:
    """The lines that say something, the command in the first one left out."""
    for line in text.splitlines():
        if line.strip(" =-_") and not line.startswith("$ "):
            yield line.rstrip()


def _short(line: str) -> str:
    line = visible(line.strip(" ="))
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"
