"""Names of baselines and of their files."""

import re
from pathlib import Path

from pytest_passatk.core.errors import UsageError
from pytest_passatk.report.text import visible

SUFFIX = ".jsonl"
LAST = "last"  # the last run of the store
_RESERVED = re.compile(r'[%/\\:*?"<>|\x00-\x1f]')


def check_name(name: str) -> None:
    """Refuse a name that a folder cannot have, or that means something else. Raises UsageError."""
    if why := _fault(name):
        raise UsageError(f"{visible(name)!r} cannot be the name of a baseline: {why}; take a word such as `main`")


def names_run(place: str) -> bool:
    """Whether a place is a run of the store: `last`, or a number."""
    return place == LAST or (place.isascii() and place.isdigit())


def is_path(place: str) -> bool:
    """Whether a place is a path and no name."""
    return "/" in place or "\\" in place or place.startswith(".") or place.endswith(SUFFIX)


def file_of(title: str) -> str:
    """The name of a suite's file; what no file may have in its name is written as %XX."""
    return _RESERVED.sub(lambda sign: f"%{ord(sign[0]):02X}", title) + SUFFIX


def files_in(folder: Path) -> list[Path]:
    """The baseline files in a folder, sorted."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def _fault(name: str) -> str:
    if not name.strip() or name != name.strip():
        return "it is empty, or begins or ends with a space"
    if is_path(name) or _RESERVED.search(name):
        return f"it holds a sign that paths take, begins with a full stop, or ends with {SUFFIX}"
    if names_run(name):
        return f"a number is a run of the store, and `{LAST}` the last one"
    return "" if name.isprintable() else "it holds a sign that cannot be printed"
